//! A real directory, which can be used without waiting for its medium.

use std::io;
use std::path::Path;

use durable::{Directory, Disk};
use socketman::guard::folder::{self, Access, Folder};

/// A directory of the agent.
#[derive(Debug, Clone)]
pub struct Medium {
    directory: Directory,
    syncs: bool,
}

impl Medium {
    /// Opens a directory that is the agent's own.
    ///
    /// # Errors
    ///
    /// As [`Directory::open`].
    pub fn open(path: &Path, syncs: bool) -> io::Result<Self> {
        let directory = Directory::open(path)?;
        Ok(Medium { directory, syncs })
    }

    /// Opens a directory as /etc/config is one.
    ///
    /// # Errors
    ///
    /// As [`folder::open`].
    pub fn of_others(path: &Path, syncs: bool) -> io::Result<Self> {
        let directory = folder::open(path)?;
        Ok(Medium { directory, syncs })
    }
}

impl Disk for Medium {
    fn list(&mut self) -> io::Result<Vec<String>> {
        self.directory.list()
    }

    fn size(&mut self, name: &str) -> io::Result<u64> {
        self.directory.size(name)
    }

    fn read(&mut self, name: &str, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.directory.read(name, offset, buf)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.directory.create(name)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize> {
        self.directory.append(name, bytes)
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        self.directory.truncate(name, len)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.directory.rename(from, to)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.directory.remove(name)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        match self.syncs {
            true => self.directory.sync(name),
            false => Ok(()),
        }
    }

    fn sync_names(&mut self) -> io::Result<()> {
        match self.syncs {
            true => self.directory.sync_names(),
            false => Ok(()),
        }
    }
}

impl Folder for Medium {
    fn access(&mut self, name: &str) -> io::Result<Option<Access>> {
        self.directory.access(name)
    }

    fn create_as(&mut self, name: &str, access: Access) -> io::Result<()> {
        self.directory.create_as(name, access)
    }
}
