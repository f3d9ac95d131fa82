//! A queue of reports on disk: kept until a server took them, bounded, and whole after a kill at any point.
//!
//! # Constraints
//!
//! The device is a router. It has a few MiB of RAM to spare, in which files live until the power goes, and flash that
//! survives but wears with every write. It may be offline for weeks, it may be killed between any two file calls and
//! lose power at any of them, its disks may be full or fail, and its clock is wrong until somebody tells it the time.
//! Therefore
//!
//! * everything is bounded: bytes in RAM, bytes on flash, bytes written to flash in a day;
//! * nothing is lost in silence: what is gone is declared in a later report as a [`Gap`], once and with its exact number,
//!   unless only a power cut could have told the number;
//! * a report that a server took does not come again, unless the device was killed before it could note that.
//!
//! # Format
//!
//! A spool is a directory of segments. Each is a [log](durable::Log) of records with reports of one boot, is called after its
//! ordinal and the boot, and takes no more when it has 64 KiB (or an eighth of the bound, if that is less).
//!
//! ```text
//!  0000000000000017.BOOT-ID.reports
//!    notes    the next seq; losses up to this id are declared; how wrong the clock was, and for which seqs
//!    report   seq, time, certainty of the time, length and checksum of the line, then its piece of deflate
//!    report   ...                              (pieces go on where the one before ended)
//!    sent     seqs that arrived
//!    lost     id, gap                          (until a report that declares it is kept)
//! ```
//!
//! The pieces of a segment are one stream of deflate, flushed behind every report. A batch is a gzip header, pieces as they
//! stand on disk, and a trailer that is worked out from their checksums: nothing is packed twice. A report keeps its
//! identity, boot id and seq, wherever it is.
//!
//! # Operation
//!
//! ```text
//!  append ──► pending ──► RAM: segments ─────────────┐ oldest first
//!             (memory,      │                        ├──► batch ──► delivered: forgotten
//!              usually      └ offline, every 10 min ─┤
//!              empty)         flash: segments ───────┘
//!                             (one a minute, 5 minutes, hour)
//! ```
//!
//! [`Spool::append`] gives a report its stamp and writes it to the last segment in RAM; while that fails it waits in memory.
//! After nine minutes offline, and every ten minutes from then on, what has come since is copied to flash, as densely as the
//! budget of the day allows. [`Spool::next_batch`] walks both stores in the order of boots and seqs, and takes RAM's copy if
//! both have one. [`Spool::delivered`] notes what arrived, and removes segments that nobody needs.
//!
//! If a store is over its bound, segments are rewritten with fewer reports: one a minute, one in five minutes, one an hour, the
//! oldest first, and at last none. A report that is in the other store for certain is simply left out. The loss of any other is
//! written into the rewritten segment, which takes the place of the old one in one rename. There it stays until the next
//! report, which declares all that is owed, is kept.
//!
//! A report taken while nobody knew the time is held back for ten minutes. When the clock is right, an anchor is noted in every
//! segment that has such reports, and from then on they go out with the time that follows from it, the same each time. What
//! went out before that keeps its time for ever, and a note says so first.
//!
//! A report that a server refuses alone can be set aside. Which ones are aside is known in memory only.
//!
//! # What a crash leaves
//!
//! * **A kill** leaves RAM's files as they are. A record that was cut off is cut away by the log, pieces of a report that never
//!   came by rewriting the segment, and the report, which was not kept yet, is declared. The next seq is in the notes of the last segment, which is always there. A rewritten segment that has not taken
//!   its place is removed.
//! * **A power cut** takes RAM, and of flash what was not synced. The next boot declares reports missing since the time from
//!   which any could have been in RAM alone, with an unknown number.
//! * **Damage** costs the reports in the damaged records and those behind them in the same stream. The segment is rewritten and
//!   the loss declared in it. Until it is, no report is added to it; nor is one to a stream in which it could not be read
//!   back, which is tried with the first.
//! * **A segment that ends the process** whenever it is read ([`Crashes`]) is kept under another name, unread, and declared.
//! * **A disk that fails** leaves the spool where it was: what it did not take is tried again with the next report, and
//!   [`Facts::last_error`] says so. A segment that cannot be read, or is damaged where there is no room to rewrite it, holds up
//!   the queue for ten minutes. From then on the reports behind it go ahead, and its own when it can be read.
//!
//! [`Spool`] does plain file calls and has no clock of its own: each [`Reading`] is an argument. [`run`] owns a clock and serves a
//! spool through a [`Handle`]. Spool and stores are synchronous, so that a test can stop them between any two calls.
//!
//! ```
//! use spool::{Bounds, Reading, Spool, Stamp};
//!
//! # let tmp = tempfile::tempdir()?;
//! # let directory = tmp.path().join("spool");
//! let bounds = Bounds { ram: 1 << 20, flash: 0, flash_daily: 0 };
//! let mut spool = Spool::open(&directory, "boot-1", bounds)?;
//! let now = Reading { epoch: 1_780_000_000, mono: 60, synced: true };
//! let line = |stamp: &Stamp<'_>| format!("{{\"seq\":{}}}", stamp.seq).into_bytes();
//! spool.append(&line, now)?;
//! let batch = spool.next_batch(64 << 10, now).expect("a report waits");
//! assert_eq!(batch.lines()?, b"{\"seq\":1}\n");
//! spool.delivered(batch.id, now);
//! assert_eq!(spool.facts().reports, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(missing_docs)]

mod archive;
mod aside;
mod batch;
mod clock;
mod corrections;
mod crashes;
mod deflate;
mod gap;
mod governor;
mod handle;
mod keeper;
mod losses;
mod moving;
mod name;
mod notes;
mod open;
mod order;
mod record;
mod restamp;
mod room;
mod segment;
mod serve;
mod sorted;
mod spool;
mod store;
mod stores;
#[cfg(test)]
mod tests;
mod thin;

use std::io;
use std::path::PathBuf;

use serde::Serialize;

pub use aside::ReportId;
pub use batch::{Batch, BatchId};
pub use clock::{Clock, Reading};
pub use crashes::{Crashes, Handling};
pub use gap::{Gap, Reason};
pub use handle::{Flash, Handle, Inbox, Place, Settings, Stopped};
pub use record::Certainty;
pub use serve::run;
pub use spool::{Bounds, Builder, Spool, PENDING_MAX};

/// The identity of a report, and what it has to say about those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp<'a> {
    /// The boot it belongs to.
    pub boot_id: &'a str,
    /// From 1 in each boot.
    pub seq: u64,
    /// When it is taken, seconds since the epoch.
    pub created_at: u64,
    /// The certainty of that time.
    pub clock: Certainty,
    /// To stand in the report as `gaps`, unless empty.
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
#[non_exhaustive]
pub enum SpoolError {
    /// It cannot be opened.
    #[error("spool directory {path}: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why it is not used.
        source: io::Error,
    },
    /// Its files cannot be listed or read.
    #[error("spool directory cannot be read: {0}")]
    List(io::Error),
    /// The files on flash cannot be listed or read.
    #[error("archive directory cannot be read: {0}")]
    Archive(io::Error),
    /// A directory that reports are to move to has others.
    #[error("{0} holds other reports")]
    Occupied(PathBuf),
    /// Reports wait in memory.
    #[error("reports wait for a disk that does not take them")]
    Waiting,
    /// A disk refuses to read or to write.
    #[error("reports cannot be copied: {0}")]
    Copy(io::Error),
    /// A disk refuses a new file.
    #[error("spool cannot begin a segment: {0}")]
    Create(io::Error),
    /// It cannot stand in the name of a file.
    #[error("spool: the boot id is not 1 to 64 letters, digits and '-'")]
    BootId,
    /// It has an end of line in it, or nothing.
    #[error("spool: a report must be one line")]
    NotALine,
    /// It would leave no room for others.
    #[error("spool: a report of {len} bytes does not fit into spool_max, which is {max} bytes")]
    TooLarge {
        /// Bytes of the report.
        len: u64,
        /// Bytes it may have.
        max: u64,
    },
}
