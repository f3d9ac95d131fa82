//! Bytes that survive: files in directories that are ours alone.
//!
//! * [`disk`](Disk): the few file calls that everything here is made of
//! * [`directory`](Directory): the real ones; opens, checks and replaces, follows no link, waits for
//!   no FIFO

mod directory;
mod disk;

pub use directory::Directory;
pub use disk::Disk;
