//! Bytes that survive: files in directories that are ours alone.
//!
//! * [`directory`](Directory): opens, checks, reads and replaces; follows no link, waits for no FIFO

mod directory;

pub use directory::Directory;
