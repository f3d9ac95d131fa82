//! The time, as it is handed to the spool.

use std::fmt;

/// The time, read once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// Seconds since the epoch.
    pub epoch: u64,
    /// Seconds since the boot.
    pub mono: u64,
    /// The time since the epoch is known to be right.
    pub synced: bool,
}

/// The clock of the task that serves a spool.
pub trait Clock: fmt::Debug + Send {
    /// Reads it.
    fn read(&self) -> Reading;

    /// Takes what a server's clock says, seconds since the epoch.
    fn answered(&mut self, date: u64);

    /// True if only a server can say whether the clock is right, and none has yet.
    fn wants_answer(&self) -> bool;
}
