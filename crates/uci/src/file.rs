//! Reading the file of a package.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use super::MAX_FILE;

/// The bytes of the regular file at `path`, links followed. Never waits.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Without NONBLOCK the open of a FIFO would wait for its writer.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)?;
    if !file.metadata()?.is_file() {
        let kind = io::ErrorKind::InvalidInput;
        return Err(io::Error::new(kind, "is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        let kind = io::ErrorKind::FileTooLarge;
        let why = format!("is larger than {MAX_FILE} bytes");
        return Err(io::Error::new(kind, why));
    }
    Ok(bytes)
}
