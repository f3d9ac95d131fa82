//! A ubusd of our own: the bus daemon's side of the protocol, quirks included.
//!
//! [`Bus`] is the daemon without its sockets: what a client sends goes in, and what the daemon would
//! write comes out through [`Outgoing`], in the order it would be written. It does no I/O and knows
//! no time. [`Ubusd`] puts it on a unix socket, with the peers' credentials, the bounded send queue
//! and the file descriptors that ride along.
//!
//! A client that ubusd would disconnect is disconnected here; a request that it would drop without
//! a word is dropped. Only reads beyond the end of a buffer are not imitated.

mod acl;
mod arrivals;
mod bus;
mod calls;
mod credentials;
mod daemon;
mod events;
mod lookup;
mod message;
mod monitor;
mod objects;
mod queue;
mod request;
mod socket;
mod subscriptions;

pub use acl::{Acl, AclError};
pub use bus::Bus;
pub use credentials::Credentials;
pub use daemon::{Options, Peers, Ubusd};
pub use message::{Message, Outgoing};
pub use queue::MAX_QUEUE;
