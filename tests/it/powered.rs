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

    /// Something that needs power.
    pub(crate) fn call(&self) -> io::Result<()> {
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
    durable::pass_on!(self => self.on()?; list size read create append truncate rename remove sync sync_names);
}
