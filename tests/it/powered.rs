//! Disks that lose their power together.

use std::io;
use std::sync::{Arc, Mutex};

use durable::Disk;
use socketman_lab::disk::SimDisk;

/// The power of several disks: it goes before a call, counted over all of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Power(Arc<Mutex<Count>>);

#[derive(Debug, Default)]
struct Count {
    calls: u64,
    cut: Option<u64>,
}

impl Power {
    pub(crate) fn cut_at(&self, call: u64) {
        self.0.lock().unwrap().cut = Some(call);
    }

    pub(crate) fn is_out(&self) -> bool {
        let count = self.0.lock().unwrap();
        count.cut.is_some_and(|cut| count.calls > cut)
    }

    pub(crate) fn calls(&self) -> u64 {
        self.0.lock().unwrap().calls
    }

    /// A disk of this power.
    pub(crate) fn of(&self, disk: &SimDisk) -> Powered {
        Powered {
            disk: disk.clone(),
            power: self.clone(),
        }
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
pub(crate) struct Powered {
    pub(crate) disk: SimDisk,
    pub(crate) power: Power,
}

impl Powered {
    fn on(&mut self) -> io::Result<&mut SimDisk> {
        self.power.call()?;
        Ok(&mut self.disk)
    }
}

impl Disk for Powered {
    fn list(&mut self) -> io::Result<Vec<String>> {
        self.on()?.list()
    }

    fn size(&mut self, name: &str) -> io::Result<u64> {
        self.on()?.size(name)
    }

    fn read(&mut self, name: &str, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.on()?.read(name, offset, buf)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.on()?.create(name)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize> {
        self.on()?.append(name, bytes)
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        self.on()?.truncate(name, len)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.on()?.rename(from, to)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.on()?.remove(name)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.on()?.sync(name)
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.on()?.sync_names()
    }
}
