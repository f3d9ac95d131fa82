//! The last good copy of config.json, for the day a power cut or an editor leaves half a file.
//!
//! It lies in the state directory, in which only we write: what stands in for the file was the file.

use std::io;
use std::path::Path;

use thiserror::Error;

use super::json::MAX_FILE;
use crate::durable::{read_whole, replace, Directory};

/// Name of the copy in the state directory.
pub const NAME: &str = "config.json";

/// Why no copy could be written.
#[derive(Debug, Error)]
#[error("no copy of config.json can be kept: {0}")]
pub struct KeepError(#[from] io::Error);

/// The copy in `state_dir`, if there is one. Makes no directory for that.
pub(super) fn read(state_dir: &Path) -> Option<Vec<u8>> {
    if !state_dir.join(NAME).exists() {
        return None;
    }
    match Directory::open(state_dir).and_then(|mut dir| read_whole(&mut dir, NAME, MAX_FILE)) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            log::warn!("{}/{NAME}: {error}; it is not used", state_dir.display());
            None
        }
    }
}

/// Makes `bytes` the copy in `state_dir`, whole or not at all. Nothing is written if they are the copy
/// already: flash wears.
pub(super) fn keep(state_dir: &Path, bytes: &[u8]) -> Result<(), KeepError> {
    let mut dir = Directory::open(state_dir)?;
    // One that cannot be read is replaced.
    if read_whole(&mut dir, NAME, MAX_FILE).is_ok_and(|copy| copy == bytes) {
        return Ok(());
    }
    Ok(replace(&mut dir, NAME, bytes)?)
}
