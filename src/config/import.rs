//! Taking over a config.json of the original, when a person asks for it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::file::SettingsFileError;
use super::json::{self, DocumentError};
use super::options::find;
use crate::process::file::read_small;

/// Why nothing was taken over.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("{0} is there already")]
    Taken(PathBuf),
    #[error("{0} {1}")]
    Unreadable(PathBuf, DocumentError),
    #[error("{0} holds no setting of SocketMan")]
    Foreign(PathBuf),
    #[error("{0} is a file, where a directory has to be: mv {0} {0}.json, then import {0}.json")]
    InTheWay(PathBuf),
    #[error("{0} cannot be written: {1}")]
    Unwritable(PathBuf, io::Error),
}

/// The settings that were taken over.
#[derive(Debug, PartialEq, Eq)]
pub struct Imported {
    /// Keys that are options.
    pub known: Vec<String>,
    /// Keys that are not; they are copied, and have no effect.
    pub unknown: Vec<String>,
}

/// Copies the settings in `from` to `to`, which gets mode 0600 and appears whole or not at all. `from`
/// stays as it is.
///
/// # Errors
///
/// There is something at `to`, `from` cannot be read or is not ours, or `to` cannot be written; nothing
/// has changed then.
pub fn import(from: &Path, to: &Path) -> Result<Imported, ImportError> {
    if to.symlink_metadata().is_ok() {
        return Err(ImportError::Taken(to.into()));
    }
    let unreadable = |error: DocumentError| ImportError::Unreadable(from.into(), error);
    let read = read_small(from, json::MAX_FILE);
    let bytes = read.map_err(|error| unreadable(SettingsFileError::from(error).into()))?;
    let entries = json::parse(&bytes).map_err(unreadable)?;
    let keys = entries.into_iter().map(|entry| entry.key);
    let (known, unknown): (Vec<_>, Vec<_>) = keys.partition(|key| find(key).is_some());
    if known.is_empty() {
        return Err(ImportError::Foreign(from.into()));
    }
    let dir = to.parent().unwrap_or(Path::new("/"));
    if dir.is_file() {
        return Err(ImportError::InTheWay(dir.into()));
    }
    let written = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    let written = written.and_then(|()| put(dir, to, &bytes));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => ImportError::Taken(to.into()),
        _ => ImportError::Unwritable(to.into(), error),
    })?;
    Ok(Imported { known, unknown })
}

/// Makes the file `to` in `dir`, unless there is one.
fn put(dir: &Path, to: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut fresh = to.as_os_str().to_owned();
    fresh.push(format!(".import-{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    let linked = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        // A rename would replace what came there meanwhile.
        .and_then(|()| fs::hard_link(&fresh, to));
    let removed = fs::remove_file(&fresh);
    linked.and(removed)?;
    File::open(dir)?.sync_all()
}
