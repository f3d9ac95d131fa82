//! The memory on its disk.

use std::io;

use durable::{Cell, CellError, Disk};

use super::counters::Refusal;
use super::memory::{Change, Memory, Now};

/// The file in `state_dir`/keep, which an upgrade of the firmware keeps.
pub(super) const FILE: &str = "boot";

/// Why a change does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("{0}")]
    Cell(#[from] CellError),
    #[error("{FILE}: {0}")]
    Disk(#[from] io::Error),
}

/// The memory, and the disk that keeps it.
#[derive(Debug)]
pub struct Book<D> {
    disk: D,
    memory: Memory,
}

impl<D: Disk> Book<D> {
    /// Reads the memory from `disk`. A damaged one counts as used up.
    ///
    /// # Errors
    ///
    /// A disk that does not read.
    pub fn open(mut disk: D, now: Now<'_>) -> Result<Self, ChangeError> {
        let mut memory = match Cell::new(FILE).read(&mut disk) {
            Ok(None) => Memory::default(),
            Ok(Some(bytes)) => Memory::decode(&bytes).unwrap_or_else(|| {
                log::warn!("keep/{FILE} is not as an agent wrote it; no reboots for 24 h");
                Memory::lost()
            }),
            Err(error @ CellError::Damaged(_)) => {
                log::warn!("keep/{error}; no reboots for 24 h");
                Memory::lost()
            }
            Err(error) => return Err(error.into()),
        };
        // A name may be there that a power cut would take back.
        disk.sync_names()?;
        memory.advance(now);
        Ok(Book { disk, memory })
    }

    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Applies a change. When this returns it survives a power cut.
    ///
    /// # Errors
    ///
    /// A reboot that may not be; a disk that does not write: the change may survive or not.
    pub fn change(&mut self, change: Change, now: Now<'_>) -> Result<(), ChangeError> {
        let mut memory = self.memory.clone();
        memory.apply(change, now)?;
        let bytes = serde_json::to_vec(&memory).map_err(io::Error::from)?;
        Cell::new(FILE).write(&mut self.disk, &bytes)?;
        self.memory = memory;
        Ok(())
    }

    pub fn into_disk(self) -> D {
        self.disk
    }
}
