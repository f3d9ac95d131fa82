//! Reading a small file that has to be read whole or not at all.

use std::io;
use std::path::Path;

use thiserror::Error;

use crate::file::read_up_to;

/// Why a small file could not be read.
#[derive(Debug, Error)]
pub enum FileError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("is larger than {0} bytes")]
    TooLarge(u64),
}

/// The bytes of the regular file at `path`, which has to have at most `max` of them. Links are
/// followed. A FIFO or a device is an error, and opening one does not wait.
pub fn read_small(path: &Path, max: u64) -> Result<Vec<u8>, FileError> {
    match read_up_to(path, max)? {
        (bytes, false) => Ok(bytes),
        (_, true) => Err(FileError::TooLarge(max)),
    }
}
