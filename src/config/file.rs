//! Reading a small file that has to be read whole or not at all.

use std::fs::{Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use thiserror::Error;

use crate::file::{open_regular, read_from, read_up_to};

/// Mode bits that let somebody else than the owner write.
const WRITERS: u32 = 0o022;

/// Mode bits that let somebody else than the owner read.
const READERS: u32 = 0o044;

/// Mode of a settings file.
const MODE: u32 = 0o600;

/// Why a small file could not be read.
#[derive(Debug, Error)]
pub enum FileError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("is larger than {0} bytes")]
    TooLarge(u64),
    #[error("belongs to user {0}: look at what it says, then chown root it")]
    OtherOwner(u32),
    #[error("can be written by others: look at what it says, then chmod 600 it")]
    OpenToWriters,
}

impl FileError {
    /// Is there no such file?
    pub fn is_absent(&self) -> bool {
        matches!(self, FileError::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// The bytes of the regular file at `path`, which has to have at most `max` of them. Links are
/// followed. A FIFO or a device is an error, and opening one does not wait.
pub fn read_small(path: &Path, max: u64) -> Result<Vec<u8>, FileError> {
    whole(read_up_to(path, max)?, max)
}

fn whole((bytes, more): (Vec<u8>, bool), max: u64) -> Result<Vec<u8>, FileError> {
    match more {
        false => Ok(bytes),
        true => Err(FileError::TooLarge(max)),
    }
}

/// A settings file that only its rightful owner may have written.
pub(super) struct SettingsFile {
    pub(super) bytes: Vec<u8>,
    /// Others may read it.
    pub(super) is_readable: bool,
}

impl SettingsFile {
    /// Reads the file at `path` as [`read_small`] does.
    ///
    /// # Errors
    ///
    /// The file also has to belong to root or to us, and nobody else may write it: whoever could would own
    /// the device.
    pub(super) fn read(path: &Path, max: u64) -> Result<Self, FileError> {
        let file = open_regular(path)?;
        let found = file.metadata()?;
        if !is_owner_trusted(&found) {
            return Err(FileError::OtherOwner(found.uid()));
        }
        if found.mode() & WRITERS != 0 {
            return Err(FileError::OpenToWriters);
        }
        Ok(SettingsFile {
            bytes: whole(read_from(file, max)?, max)?,
            is_readable: found.mode() & READERS != 0,
        })
    }
}

/// Takes the right to write the settings file at `path` from others, if they have it; says whether
/// they had. A file that is not there or not ours to judge is left alone.
pub(super) fn mend(path: &Path) -> io::Result<bool> {
    let file = match open_regular(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    let found = file.metadata()?;
    if found.mode() & WRITERS == 0 || !is_owner_trusted(&found) {
        return Ok(false);
    }
    file.set_permissions(Permissions::from_mode(MODE))?;
    Ok(true)
}

fn is_owner_trusted(found: &Metadata) -> bool {
    found.uid() == 0 || found.uid() == rustix::process::geteuid().as_raw()
}
