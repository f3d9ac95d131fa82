//! Ends of a process, and the part of its world that survives.

use durable::Disk;
use socketman::process::clock::Reading;
use socketman_lab::disk::{Chooser, SimDisk};
use spool::Spool;

use super::super::disks::Fate;
use super::super::ledger::Id;
use super::super::report;
use super::{World, BOUNDS};

impl World {
    /// The same world on disks of its own, with no process in it and another fate.
    pub(super) fn fork(&self) -> Self {
        World {
            ram: self.ram.fork(),
            flash: self.flash.fork(),
            fate: Fate::default(),
            ledger: self.ledger.clone(),
            context: self.context.clone(),
            spool: None,
            last: None,
            aside: Vec::new(),
            late: self.late.clone(),
            ..*self
        }
    }

    /// The same world after the process has ended in the middle of something.
    fn after_end(&self) -> Self {
        let mut world = self.fork();
        world.ledger.ends += 1;
        world.now += 60;
        world
    }

    /// The number of bytes of the append that the end interrupted.
    pub(crate) fn cut_off(&self) -> usize {
        self.fate.cut_off().map_or(0, |(_, bytes)| bytes.len())
    }

    /// Appends the first `len` of them all the same.
    pub(crate) fn tear(&mut self, len: usize) {
        let Some((name, bytes)) = self.fate.cut_off() else {
            return;
        };
        // A name is in one of the stores alone.
        for disk in [&mut self.ram, &mut self.flash] {
            if disk.content(&name).is_some() {
                disk.append(&name, &bytes[..len.min(bytes.len())]).unwrap();
            }
        }
    }

    /// The world after a kill in the middle of an append, of which so many bytes were written.
    pub(crate) fn after_torn_kill(&self, len: usize) -> Self {
        let mut world = self.after_end();
        world.fate = self.fate.clone();
        world.tear(len);
        world.fate = Fate::default();
        world
    }

    /// The world after a kill: the disks stay as they are.
    pub(crate) fn after_kill(&self) -> Self {
        self.after_end()
    }

    /// The world after a power cut: RAM is empty, and flash what it can be.
    pub(crate) fn after_power_cut(&self, chooser: &mut Chooser) -> Self {
        let mut world = self.after_end();
        world.ram = SimDisk::new();
        world.flash = self.flash.crash(chooser);
        world.ledger.power_cuts += 1;
        world.reboot();
        let back: Vec<Id> = waiting(&world.flash);
        let back = back.iter().filter(|id| world.ledger.arrived.contains(id));
        world.ledger.unnoticed.extend(back);
        world
    }
}

/// The reports that wait on `flash`, read without any other knowledge.
fn waiting(flash: &SimDisk) -> Vec<Id> {
    let none = SimDisk::new();
    let mut spool = Spool::on(none, Some(flash.fork()), "boot-none", BOUNDS).unwrap();
    let now = Reading {
        epoch: 0,
        mono: 0,
        synced: true,
    };
    let mut ids = Vec::new();
    while let Some(batch) = spool.next_batch(u64::MAX, now) {
        let lines = report::lines(&batch);
        ids.extend(lines.iter().map(|line| report::id(line)));
        spool.delivered(batch.id, now);
    }
    ids
}
