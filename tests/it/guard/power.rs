//! Disks that lose their power together, and a directory on one whose files have modes.

use std::io;
use std::sync::{Arc, Mutex};

use durable::Disk;
use socketman::guard::folder::{Access, Folder};
use socketman_lab::disk::SimDisk;

/// The power of several disks: it goes before a call, counted over all of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Power(Arc<Mutex<Count>>);

#[derive(Debug, Default)]
struct Count {
    calls: u64,
    cut: Option<u64>,
}

impl Power {
    pub(super) fn cut_at(&self, call: u64) {
        self.0.lock().unwrap().cut = Some(call);
    }

    pub(super) fn is_out(&self) -> bool {
        let count = self.0.lock().unwrap();
        count.cut.is_some_and(|cut| count.calls > cut)
    }

    pub(super) fn calls(&self) -> u64 {
        self.0.lock().unwrap().calls
    }

    fn call(&self) -> io::Result<()> {
        let mut count = self.0.lock().unwrap();
        let number = count.calls;
        count.calls += 1;
        match count.cut {
            Some(cut) if number >= cut => Err(io::Error::other("no power")),
            _ => Ok(()),
        }
    }
}

/// A disk of that power.
#[derive(Debug, Clone)]
pub(super) struct Powered {
    pub(super) disk: SimDisk,
    pub(super) power: Power,
}

impl Disk for Powered {
    fn list(&mut self) -> io::Result<Vec<String>> {
        self.power.call()?;
        self.disk.list()
    }

    fn size(&mut self, name: &str) -> io::Result<u64> {
        self.power.call()?;
        self.disk.size(name)
    }

    fn read(&mut self, name: &str, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.power.call()?;
        self.disk.read(name, offset, buf)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.power.call()?;
        self.disk.create(name)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize> {
        self.power.call()?;
        self.disk.append(name, bytes)
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        self.power.call()?;
        self.disk.truncate(name, len)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.power.call()?;
        self.disk.rename(from, to)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.power.call()?;
        self.disk.remove(name)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.power.call()?;
        self.disk.sync(name)
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.power.call()?;
        self.disk.sync_names()
    }
}

/// Bytes before those of a file that hold its mode and owner: they are lost and torn as the others are.
const HEAD: usize = 12;

/// A directory with modes and owners.
#[derive(Debug, Clone)]
pub(super) struct SimFolder(pub(super) Powered);

impl SimFolder {
    fn head(access: Access) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        let words = [access.mode, access.uid, access.gid];
        for (bytes, word) in head.chunks_mut(4).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        head
    }
}

impl Disk for SimFolder {
    fn list(&mut self) -> io::Result<Vec<String>> {
        self.0.list()
    }

    fn size(&mut self, name: &str) -> io::Result<u64> {
        Ok(self.0.size(name)?.saturating_sub(HEAD as u64))
    }

    fn read(&mut self, name: &str, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(name, offset + HEAD as u64, buf)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let access = Access {
            mode: 0o600,
            uid: 0,
            gid: 0,
        };
        self.create_as(name, access)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(name, bytes)
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        self.0.truncate(name, len + HEAD as u64)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.0.sync(name)
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.0.sync_names()
    }
}

impl Folder for SimFolder {
    fn access(&mut self, name: &str) -> io::Result<Option<Access>> {
        let mut head = [0; HEAD];
        self.0.read(name, 0, &mut head)?;
        let word =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        Ok(Some(Access {
            mode: word(0),
            uid: word(4),
            gid: word(8),
        }))
    }

    fn create_as(&mut self, name: &str, access: Access) -> io::Result<()> {
        self.0.create(name)?;
        let taken = self.0.append(name, &SimFolder::head(access))?;
        assert_eq!(taken, HEAD);
        Ok(())
    }
}
