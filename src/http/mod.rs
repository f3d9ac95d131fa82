//! The agent's one HTTP client: requests to the API, and the page of the web check.
//!
//! ```text
//!  upload, rest ─Endpoint, Body─► Client ─┐                              ┌► Reply: Answer, Date
//!                                         ├► Transport ─► reqwest ─► head ┤
//!  health ────────────Url─────────────────┘      │                       └► the page's first bytes
//!                                            Addresses: look-up, TCP, TLS
//! ```
//!
//! * [`Client`] sends a [`Body`] to an [`Endpoint`] and judges the [`Answer`] by its head and its first
//!   bytes; how the body ends decides nothing.
//! * [`Transport`] sends one request with reqwest. No proxy is asked, no redirect followed, nothing
//!   unpacked. A kept connection that fails before the head is replaced by a new one, once.
//! * [`Addresses`] looks the name up in the resolver that the parts share, remembers which addresses
//!   failed, and hands out the next one when one does not answer.
//! * [`Trouble`] says in words for operators why there is no answer.
//! * [`Dates`] passes on what time it is by servers that were verified, [`Commands`] what they have the device run.
//! * [`Attempts`] is the course of retries, [`Facts`] what `status` tells of them.
//!
//! Three deadlines bound a request: 20 s for the look-up, 30 s for TCP and TLS over all addresses, and
//! [`deadline`] from the open connection to the head of the answer, interim answers included.

mod addresses;
mod answer;
mod attempts;
mod body;
mod client;
mod commands;
mod connector;
mod date;
mod dates;
mod endpoint;
mod facts;
mod page;
mod stage;
#[cfg(test)]
mod tests;
mod transport;
mod trouble;

use std::time::Duration;

pub use reqwest::Method;

pub use answer::Answer;
#[cfg(any(test, fuzzing))]
pub(crate) use answer::Head;
pub use attempts::Attempts;
pub use body::Body;
pub use client::{Client, HttpError, Reply};
pub use commands::{ApiCommand, Commands};
#[cfg(any(test, fuzzing))]
pub(crate) use date::parse as parse_date;
pub use dates::Dates;
pub use endpoint::{fits_path, path_part, Endpoint};
pub use facts::{Facts, Outcome};
pub use page::{BodyError, Page};
pub(crate) use trouble::refused;
pub use trouble::Trouble;

pub(crate) use addresses::{Addresses, Within};
pub(crate) use transport::{Asked, Transport};

/// The shortest deadline of a request, from the open connection to the head of the answer.
pub const SHORTEST: Duration = Duration::from_secs(30);

/// Bytes of a body that lengthen its deadline by 1 s: a link slower than 4 kbit/s is no link.
const BYTES_PER_SECOND: usize = 512;

/// The deadline of a request with a body of `len` bytes: 30 s and 1 s for every 512 bytes.
pub fn deadline(len: usize) -> Duration {
    SHORTEST + Duration::from_secs((len / BYTES_PER_SECOND) as u64)
}
