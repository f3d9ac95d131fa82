//! Backups and upgrades: what outlives the ledger.

use std::collections::BTreeSet;

use durable::Disk;
use socketman_lab::disk::SimDisk;

use super::world::World;

/// The part of the device that a backup holds.
pub(super) struct Backup {
    keep: SimDisk,
    /// The jobs that had begun.
    ran: BTreeSet<String>,
}

impl World {
    /// A backup made at this moment; `None` if the register could not be written.
    pub(super) fn backup(&mut self) -> Option<Backup> {
        let is_kept = self.agent.as_ref().is_some_and(|agent| agent.kept);
        is_kept.then(|| Backup {
            keep: copy(&self.keep),
            ran: self.runs.keys().cloned().collect(),
        })
    }

    /// A new system, which has nothing of the old one but what a backup of now has.
    pub(super) fn upgrade(&mut self) {
        if self.agent.as_ref().is_some_and(|agent| agent.kept) {
            self.keep = copy(&self.keep);
            self.lose_ledger();
        }
    }

    /// The device as it comes from the factory, and a backup: what began after that may begin once more.
    pub(super) fn restore(&mut self, backup: &Backup) {
        self.keep = copy(&backup.keep);
        self.runs.retain(|id, _| backup.ran.contains(id));
        self.lose_ledger();
    }

    /// A backup over what is there.
    pub(super) fn restore_over(&mut self, backup: &Backup) {
        self.agent = None;
        self.keep = copy(&backup.keep);
        self.boot += 1;
        self.start();
    }

    fn lose_ledger(&mut self) {
        self.agent = None;
        self.disk = SimDisk::new();
        self.boot += 1;
        self.start();
    }
}

/// A register as whoever reads the files of this one sees it, half a new one beside it included.
fn copy(disk: &SimDisk) -> SimDisk {
    let mut copy = SimDisk::new();
    for name in ["ids", "ids.new"] {
        if let Some(bytes) = disk.content(name) {
            copy.create(name).unwrap();
            copy.append(name, &bytes).unwrap();
            copy.sync(name).unwrap();
        }
    }
    copy.sync_names().unwrap();
    copy
}
