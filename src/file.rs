//! Reading files somebody else may have put there: bounded, and without ever waiting for a writer.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// `path` of the device whose file system begins at `root`.
pub fn under(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// The first `max` bytes of the regular file at `path`, and whether there are more. Links are
/// followed.
///
/// # Errors
///
/// As of open and read; a FIFO, a device or a directory is an invalid input, and opening one does
/// not wait.
pub fn read_up_to(path: &Path, max: u64) -> io::Result<(Vec<u8>, bool)> {
    read_from(open_regular(path)?, max)
}

/// Opens the regular file at `path` for reading. Links are followed.
///
/// # Errors
///
/// As of open; a FIFO, a device or a directory is an invalid input, and opening one does not wait.
pub fn open_regular(path: &Path) -> io::Result<File> {
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
    Ok(file)
}

/// The size of most files that are read.
const SMALL: usize = 1024;

/// The first `max` bytes of `file`, and whether there are more.
pub fn read_from(file: File, max: u64) -> io::Result<(Vec<u8>, bool)> {
    // Most are small, and asked for often: one read, and one that finds the end.
    let mut bytes = Vec::with_capacity(SMALL);
    file.take(max + 1).read_to_end(&mut bytes)?;
    let more = bytes.len() as u64 > max;
    bytes.truncate(max as usize);
    Ok((bytes, more))
}

#[cfg(test)]
mod tests {
    use rustix::fs::{FileType, Mode};

    use super::*;

    #[test]
    fn a_fifo_and_a_directory_are_refused_without_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, mode, 0).unwrap();
        for path in [&fifo, dir.path()] {
            let refused = read_up_to(path, 10).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{path:?}");
        }
        let none = read_up_to(&dir.path().join("none"), 10).unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_large_file_is_read_up_to_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, b"123456").unwrap();
        assert_eq!(read_up_to(&path, 3).unwrap(), (b"123".to_vec(), true));
        assert_eq!(read_up_to(&path, 6).unwrap(), (b"123456".to_vec(), false));
        assert_eq!(read_up_to(&path, 9).unwrap(), (b"123456".to_vec(), false));
    }
}
