//! The few file calls the spool needs, and the real directory behind them.

use std::io::{self, Read, Write};
use std::time::SystemTime;

use rustix::fs::OFlags;

use crate::durable::Directory;

/// No segment comes near this size; a longer file is not read into memory.
const FILE_MAX: u64 = 16 << 20;

/// A file, read whole.
#[derive(Debug)]
pub struct Content {
    pub bytes: Vec<u8>,
    pub modified: SystemTime,
}

/// Files of one flat directory. Every call is complete or fails; none follows links.
pub trait Disk {
    /// The names of all files there.
    fn list(&mut self) -> io::Result<Vec<String>>;
    fn read(&mut self, name: &str) -> io::Result<Content>;
    /// Makes an empty file; fails if there is one of that name.
    fn create(&mut self, name: &str) -> io::Result<()>;
    /// Appends with one write; returns how much of `bytes` was taken.
    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize>;
    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()>;
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&mut self, name: &str) -> io::Result<()>;
}

impl Disk for Directory {
    fn list(&mut self) -> io::Result<Vec<String>> {
        self.names()
    }

    fn read(&mut self, name: &str) -> io::Result<Content> {
        let file = self.file(name, OFlags::RDONLY)?;
        let metadata = file.metadata()?;
        if metadata.len() > FILE_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "is larger than any segment",
            ));
        }
        let mut bytes = Vec::with_capacity(metadata.len() as usize);
        file.take(FILE_MAX).read_to_end(&mut bytes)?;
        let modified = metadata.modified()?;
        Ok(Content { bytes, modified })
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.file(name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?;
        Ok(())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize> {
        self.file(name, OFlags::WRONLY | OFlags::APPEND)?
            .write(bytes)
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        self.file(name, OFlags::WRONLY)?.set_len(len)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        Directory::rename(self, from, to)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        Directory::remove(self, name)
    }
}
