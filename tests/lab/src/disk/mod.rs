//! A disk that forgets what was not synced, and fails on command.
//!
//! ```text
//!  SimDisk ──calls──► files: bytes on the medium + changes since the last sync
//!     │               names: those on the medium + changes since the last sync_names
//!     │
//!     └─ crash(chooser) ──► a new SimDisk with one legal outcome
//! ```
//!
//! States that a power cut may leave of data that was not synced:
//!
//! * of each file, independently of all others: its changes up to any point, the last of them torn at
//!   any byte; instead of the bytes that are missing, zeros up to the length the file was to have; the
//!   last bytes before the first, with zeros in the place of those (f2fs and UBIFS write the pages of a
//!   file in any order); a file that was cut off and then written to may have the new bytes and yet not be cut off
//! * of the names: any selection of the changes in which those that concern a same name keep their
//!   order and none is left out before another; a rename has happened or not
//! * of bytes whose sync has failed: they or zeros, even after a later sync that succeeded
//!
//! Synced data is always there.

mod chooser;
mod fault;
mod file;
mod names;
mod sim;
#[cfg(test)]
mod tests;

pub use chooser::Chooser;
pub use fault::{Call, Error, Fault, When};
pub use sim::SimDisk;
