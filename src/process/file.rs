//! Reading files somebody else may have put there: bounded, and without ever waiting for a writer.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;
use thiserror::Error;

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
    let (file, size) = regular(path)?;
    // Of a file that says how long it is, the end is not asked for.
    let known = Some(size).filter(|size| *size > 0);
    read_bytes(file.take(known.unwrap_or(u64::MAX)), max, SMALL)
}

/// Why a small file could not be read.
#[derive(Debug, Error)]
pub enum FileError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("is larger than {0} bytes")]
    TooLarge(u64),
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

/// The bytes of an open file, which has to have at most `max` of them.
pub fn read_whole(file: File, max: u64) -> Result<Vec<u8>, FileError> {
    whole(read_bytes(file, max, SMALL)?, max)
}

fn whole((bytes, more): (Vec<u8>, bool), max: u64) -> Result<Vec<u8>, FileError> {
    match more {
        false => Ok(bytes),
        true => Err(FileError::TooLarge(max)),
    }
}

/// The kernel tells its tables and attributes a page at a time, in whole lines.
const PAGE: usize = 4096;

/// A file of the kernel, read from its beginning: after less than half a page there is no more to ask for.
#[derive(Debug)]
pub struct KernelFile {
    file: Arc<File>,
    at: u64,
    ended: bool,
}

impl KernelFile {
    /// Opens the file at `path` for reading.
    ///
    /// # Errors
    ///
    /// As of open. Opening a FIFO does not wait.
    pub fn open(path: &Path) -> io::Result<Arc<File>> {
        open(path).map(Arc::new)
    }

    /// Reads an open file as it is now.
    pub fn again(file: Arc<File>) -> Self {
        KernelFile {
            file,
            at: 0,
            ended: false,
        }
    }

    /// The first `max` bytes, and whether there are more.
    ///
    /// # Errors
    ///
    /// As of read.
    pub fn read_up_to(self, max: u64) -> io::Result<(Vec<u8>, bool)> {
        read_bytes(self, max, PAGE)
    }
}

impl Read for KernelFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        self.ended = read < PAGE / 2 && buffer.len() >= PAGE;
        Ok(read)
    }
}

/// Opens the regular file at `path` for reading. Links are followed.
///
/// # Errors
///
/// As of open; a FIFO, a device or a directory is an invalid input, and opening one does not wait.
pub fn open_regular(path: &Path) -> io::Result<File> {
    regular(path).map(|(file, _)| file)
}

/// The file, and its size.
fn regular(path: &Path) -> io::Result<(File, u64)> {
    let file = open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        let kind = io::ErrorKind::InvalidInput;
        return Err(io::Error::new(kind, "is not a regular file"));
    }
    Ok((file, found.len()))
}

fn open(path: &Path) -> io::Result<File> {
    // Without NONBLOCK the open of a FIFO would wait for its writer.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags.bits() as i32);
    options.open(path)
}

/// The size of most files that are read.
const SMALL: usize = 1024;

fn read_bytes(file: impl Read, max: u64, usual: usize) -> io::Result<(Vec<u8>, bool)> {
    // Most are small, and asked for often: one read, and one that finds the end.
    let mut bytes = Vec::with_capacity(usual);
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
    fn a_file_of_the_kernel_is_read_whole_again_and_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "").unwrap();
        let file = KernelFile::open(&path).unwrap();
        let read = |max| {
            KernelFile::again(Arc::clone(&file))
                .read_up_to(max)
                .unwrap()
        };
        for length in [0, 1, 2047, 2048, 4095, 4096, 5000, 9000] {
            let bytes: Vec<u8> = (0..length).map(|n| n as u8).collect();
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(read(1 << 20), (bytes, false));
        }
        let (cut, more) = read(10);
        assert_eq!((cut.len(), more), (10, true));
        let maps = KernelFile::open(Path::new("/proc/self/maps")).unwrap();
        let (maps, _) = KernelFile::again(maps).read_up_to(1 << 20).unwrap();
        let maps = String::from_utf8_lossy(&maps);
        assert!(maps.ends_with("\n") && maps.contains("[stack]"), "{maps}");
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
