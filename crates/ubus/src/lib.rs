//! ubus, the message bus of OpenWrt: an asynchronous client.
//!
//! ```text
//!  bytes ─► message::Frame ─► protocol (state machine, no I/O) ─► client: call, offer, listen,
//!  socket     blob, blobmsg       connection (owns the socket)            subscribe, lookup
//! ```
//!
//! * [`blob`] and [`blobmsg`]: the encoding, with serde both ways ([`to_members`],
//!   [`from_members`])
//! * [`message`]: frames and their attributes
//! * [`protocol`]: what is under way and what has to exist on the bus, as a pure state machine
//! * [`Connection`]: the driver; reconnects, registers and subscribes again
//! * [`Client`]: the handle
//!
//! ```no_run
//! use std::path::Path;
//! use std::time::Duration;
//!
//! #[derive(serde::Deserialize)]
//! struct Board {
//!     model: String,
//! }
//!
//! # async fn run() -> Result<(), ubus::Error> {
//! let (client, connection) = ubus::connect(Path::new("/var/run/ubus/ubus.sock"));
//! tokio::spawn(connection.run());
//! client.connected(Duration::from_secs(5)).await?;
//! let board: Board = client.call("system", "board", &(), Duration::from_secs(5)).await?;
//! println!("{}", board.model);
//! # Ok(())
//! # }
//! ```
//!
//! Nothing a peer sends can make it panic, recurse without bound or reserve memory for what has not
//! arrived; the bounds are the constants of these modules. Every call has a deadline, because the
//! bus says nothing when a callee dies.

#![warn(missing_docs)]

pub mod blob;
pub mod blobmsg;
mod client;
mod command;
mod connection;
mod de;
mod error;
mod key;
mod listening;
pub mod message;
pub mod object;
mod ordered;
pub mod protocol;
mod ser;
mod served;
#[cfg(test)]
mod tests;

pub use client::{connect, Client, State, EVENTS, REQUESTS};
pub use connection::{Connection, MAX_UNSENT, RETRY_MAX, WRITE_TIMEOUT};
pub use de::{from_arguments, from_members, lenient};
pub use error::{Error, Malformed, Status};
pub use listening::{Events, Heard, Subscription};
pub use object::{matches, Method, ObjectInfo};
pub use protocol::Notice;
pub use ser::to_members;
pub use served::{Object, Request, Responder};
