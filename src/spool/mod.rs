//! Reports on disk: kept until somebody took them, bounded, and whole after a kill at any point.
//!
//! ```text
//!  append ──► pending ──► tail ──► sealed segments ──► batch ──► delivered: deleted
//!             (memory,             (oldest first)
//!              usually
//!              empty)               too many bytes: dropped, and declared by the next report
//! ```
//!
//! The spool gives every report its identity (boot id, seq) and knows the next one after a restart
//! from the name of the tail, which is always there, even when it is empty.
//!
//! [`Spool`] does plain file calls on a RAM disk; [`run`] owns one and serves it through a
//! [`Handle`].

mod batch;
mod gap;
mod handle;
mod open;
mod segment;
mod store;
mod takeover;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

use serde::Serialize;

pub use batch::{Batch, BatchId};
pub use gap::{Gap, Reason};
pub use handle::{run, Handle, Inbox, Settings, Stopped};
pub use store::{Builder, Spool, PENDING_MAX};

/// The options a spool is made from.
pub const OPTIONS: &[&str] = &["spool_dir", "spool_max", "no-cache"];

/// The identity of a report, and what it has to say about those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp<'a> {
    pub boot_id: &'a str,
    /// From 1 in each boot.
    pub seq: u64,
    /// To stand in the report as `gaps`, unless there are none.
    pub gaps: &'a [Gap],
}

/// What the spool tells of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Reports that wait to be delivered.
    pub reports: u64,
    /// Their size, bytes.
    pub bytes: u64,
    /// When the oldest of them was taken, seconds since the epoch.
    pub oldest: Option<u64>,
    /// Reports lost since the agent started; all of them are declared in `gaps`.
    pub dropped: u64,
    /// Why the disk does not take reports, while it does not.
    pub last_error: Option<String>,
}

/// What can go wrong with the spool.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("spool directory {path}: {source}")]
    Directory { path: PathBuf, source: io::Error },
    #[error("spool directory cannot be read: {0}")]
    List(io::Error),
    #[error("spool cannot create segment {name}: {source}")]
    Create { name: String, source: io::Error },
    #[error("spool: the boot id is not 1 to 64 letters, digits and '-'")]
    BootId,
    #[error("spool: a report must be one line")]
    NotALine,
    #[error("spool: a report of {len} bytes does not fit into spool_max, which is {max} bytes")]
    TooLarge { len: u64, max: u64 },
}
