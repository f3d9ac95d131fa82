//! Settings files: read whole or not at all, and only if nobody else could have written them.

use std::fs::{Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use thiserror::Error;

use crate::process::file::{open_regular, read_whole, FileError};

/// Mode bits that let somebody else than the owner write.
const WRITERS: u32 = 0o022;

/// Mode bits that let somebody else than the owner read.
const READERS: u32 = 0o044;

/// Mode of a settings file.
const MODE: u32 = 0o600;

/// Why a settings file cannot be used.
#[derive(Debug, Error)]
pub enum SettingsFileError {
    #[error(transparent)]
    Read(#[from] FileError),
    #[error("belongs to user {0}: look at what it says, then chown root it")]
    OtherOwner(u32),
    #[error("can be written by others: look at what it says, then chmod 600 it")]
    OpenToWriters,
}

impl SettingsFileError {
    /// Is there no such file?
    pub fn is_absent(&self) -> bool {
        matches!(self, SettingsFileError::Read(error) if error.is_absent())
    }
}

/// A settings file that only its rightful owner may have written.
pub(super) struct SettingsFile {
    pub(super) bytes: Vec<u8>,
    /// Others may read it.
    pub(super) is_readable: bool,
}

impl SettingsFile {
    /// Reads the file at `path` as [`read_small`](crate::process::file::read_small) does.
    ///
    /// # Errors
    ///
    /// The file also has to belong to root or to us, and nobody else may write it: whoever could would own
    /// the device.
    pub(super) fn read(path: &Path, max: u64) -> Result<Self, SettingsFileError> {
        let file = open_regular(path).map_err(FileError::Io)?;
        let found = file.metadata().map_err(FileError::Io)?;
        if !is_owner_trusted(&found) {
            return Err(SettingsFileError::OtherOwner(found.uid()));
        }
        if found.mode() & WRITERS != 0 {
            return Err(SettingsFileError::OpenToWriters);
        }
        Ok(SettingsFile {
            bytes: read_whole(file, max)?,
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
