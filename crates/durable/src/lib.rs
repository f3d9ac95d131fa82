//! Bytes that survive: files in directories that are ours alone.
//!
//! * [`disk`](Disk): the few file calls that everything here is made of; [`pass_on!`] for one that stands before another
//! * [`directory`](Directory): the real ones; opens and checks, follows no link, waits for no FIFO
//! * `checkpoint`: file systems on which a sync of a file is not enough
//! * [`medium`](Medium): memory or a disk, by what is mounted
//! * [`replace`](replace()): a file in the place of another, whole
//! * [`cell`](Cell): a small value replaced whole, which knows whether it is damaged
//! * [`log`](Log): records one behind the other; repairs its own end, finds its way past damage
//! * [`thread`](RealDisk): a store on a thread of its own, requests that wait together share a sync
//! * [`latest`](Latest): a cell that a thread of its own writes
//! * [`meter`](Meter): how much is written
//!
//! All but the thread is plain code over a [`Disk`], without a clock, so that every outcome of every
//! power cut can be tried on a simulated one. What a kill left behind may be read but not be certain
//! yet: who acts on it syncs first.
//!
//! ```
//! use durable::{Cell, Directory, Log};
//!
//! # let tmp = tempfile::tempdir()?;
//! # let path = tmp.path().join("state");
//! let mut directory = Directory::open(&path)?;
//! let boots = Cell::new("boots");
//! boots.write(&mut directory, b"17")?;
//! assert_eq!(boots.read(&mut directory)?.as_deref(), Some(&b"17"[..]));
//!
//! let (mut log, _) = Log::open(&mut directory, "journal", &mut |_, _| {})?;
//! log.append(&mut directory, b"begun")?;
//! log.sync(&mut directory)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(missing_docs)]

mod cell;
mod checkpoint;
mod checksum;
mod directory;
mod disk;
mod latest;
mod log;
mod medium;
mod meter;
mod mounts;
mod record;
mod replace;
mod scan;
#[cfg(test)]
mod tests;
mod thread;

pub use cell::{Cell, CellError, VALUE_MAX};
pub use directory::Directory;
pub use disk::{read_whole, Disk};
pub use latest::Latest;
pub use log::{Log, Mark};
pub use medium::Medium;
pub use meter::{Daily, Meter, Metered, Usage};
pub use record::{HEAD, PAYLOAD_MAX};
pub use replace::replace;
pub use scan::Opened;
pub use thread::{Answer, AskError, Handle, RealDisk, Store, QUEUE};
