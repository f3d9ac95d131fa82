//! Reports on disk: kept until a server took them, bounded, and whole after a kill at any point.
//!
//! ```text
//!  append ──► pending ──► RAM: segments ─────────────┐ oldest first
//!             (memory,      │                        ├──► batch ──► delivered: forgotten
//!              usually      └ offline, every 10 min ─┤
//!              empty)         flash: segments ───────┘
//!                             (one a minute, 5 minutes, hour)
//! ```
//!
//! * The spool gives every report its identity (boot id, seq), and knows the next one after a restart
//!   from the notes in its last segment, which is always there.
//! * A report is lost only when neither store has it and no server took it. Its loss is written into
//!   the segment it was in, in the same moment, and stays there until a report that declares it is
//!   kept. So a kill between any two file calls leaves nothing unsaid and says nothing twice.
//! * What is in flash is a copy of what is in RAM, until RAM has no room for it any more.
//! * A report taken while nobody knew the time is held back; see [`entry`](Clock).
//!
//! [`Spool`] does plain file calls and has no clock of its own; [`run`] owns one and serves it through
//! a [`Handle`]. Spool and stores are synchronous, so that a test can stop them between any two calls.

mod archive;
mod aside;
mod batch;
mod deflate;
mod entry;
mod gap;
mod governor;
mod handle;
mod keeper;
mod moving;
mod name;
mod notes;
mod open;
mod order;
mod queue;
mod restamp;
mod room;
mod segment;
mod serve;
mod store;
#[cfg(test)]
mod tests;
mod thin;
mod times;

use std::io;
use std::path::PathBuf;

use serde::Serialize;

pub use aside::ReportId;
pub use batch::{Batch, BatchId};
pub use entry::Clock;
pub use gap::{Gap, Reason};
pub use handle::{Flash, Handle, Inbox, Place, Settings, Stopped};
pub use queue::{Bounds, Builder, Spool, PENDING_MAX};
pub use serve::run;

/// The options that say where reports are kept, and how many.
pub const OPTIONS: &[&str] = &[
    "spool_dir",
    "spool_max",
    "archive_dir",
    "archive_max",
    "archive_daily",
    // It takes a share of archive_daily.
    "boot_log",
];

/// The identity of a report, and what it has to say about those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp<'a> {
    pub boot_id: &'a str,
    /// From 1 in each boot.
    pub seq: u64,
    /// When it is taken, seconds since the epoch.
    pub created_at: u64,
    /// The certainty of that time.
    pub clock: Clock,
    /// To stand in the report as `gaps`, unless there are none.
    pub gaps: &'a [Gap],
}

/// The state of the spool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Reports that wait to be delivered, those set aside included.
    pub reports: u64,
    /// Reports set aside because the server refused each of them alone and then accepted others.
    #[serde(skip_serializing_if = "is_zero")]
    pub set_aside: u64,
    /// Their size in RAM, packed, bytes.
    pub bytes: u64,
    /// When the oldest of them was taken, seconds since the epoch.
    pub oldest: Option<u64>,
    /// Reports lost since the agent started because there was room for fewer in that time only; all
    /// of them are declared in `gaps`.
    pub thinned: u64,
    /// Reports lost since the agent started for any other reason; all of them are declared.
    pub dropped: u64,
    /// Bytes of reports written to flash in the last day at most.
    pub flash_today: u64,
    /// Why a disk does not take reports, while it does not.
    pub last_error: Option<String>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Errors of the spool.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("spool directory {path}: {source}")]
    Directory { path: PathBuf, source: io::Error },
    #[error("spool directory cannot be read: {0}")]
    List(io::Error),
    #[error("archive directory cannot be read: {0}")]
    Archive(io::Error),
    #[error("{0} holds other reports")]
    Occupied(PathBuf),
    #[error("reports wait for a disk that does not take them")]
    Waiting,
    #[error("reports cannot be copied: {0}")]
    Copy(io::Error),
    #[error("spool cannot begin a segment: {0}")]
    Create(io::Error),
    #[error("spool: the boot id is not 1 to 64 letters, digits and '-'")]
    BootId,
    #[error("spool: a report must be one line")]
    NotALine,
    #[error("spool: a report of {len} bytes does not fit into spool_max, which is {max} bytes")]
    TooLarge { len: u64, max: u64 },
}
