//! Calls that fail.

use std::io;

use rustix::io::Errno;

/// The calls of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    List,
    Size,
    Read,
    Create,
    Append,
    Truncate,
    Rename,
    Remove,
    Sync,
    SyncNames,
}

/// The error of a call that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// ENOSPC: no space left on the device.
    NoSpace,
    /// EIO: the medium does not work.
    Io,
}

/// Which calls fail. Calls are numbered from 0 on, over the life of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The call of this number.
    At(u64),
    /// The call of this number and all after it.
    From(u64),
    /// All calls of this kind.
    Every(Call),
}

/// Calls that fail, changing nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub error: Error,
    pub when: When,
}

impl Fault {
    /// True if call number `number` fails.
    pub(super) fn hits(&self, call: Call, number: u64) -> bool {
        match self.when {
            When::At(at) => number == at,
            When::From(from) => number >= from,
            When::Every(kind) => call == kind,
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::NoSpace => Errno::NOSPC.into(),
            Error::Io => Errno::IO.into(),
        }
    }
}
