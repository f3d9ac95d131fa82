//! Taking over what an earlier run left, however it ended.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use durable::{Directory, Disk};

use super::archive::Archive;
use super::corrections::Corrections;
use super::gap::{Gap, Reason};
use super::losses::Losses;
use super::name::is_boot_id;
use super::notes::Notes;
use super::order::{time, Cursors, Medium};
use super::record::Certainty;
use super::segment::{Harm, Segment};
use super::spool::{Bounds, Spool};
use super::store::Store;
use super::stores::Stores;
use super::SpoolError;
use crate::Crashes;

/// A segment takes no more reports once it has this many bytes.
const SEAL_AT: u64 = 64 << 10;

impl Spool {
    /// Opens the spool in `dir` for the boot `boot_id`, without flash.
    ///
    /// # Errors
    ///
    /// A directory that is not safely ours ([`Directory::open`]) or cannot be read, a boot id that
    /// cannot stand in a file name.
    pub fn open(dir: &Path, boot_id: &str, bounds: Bounds) -> Result<Self, SpoolError> {
        let failed = |source| SpoolError::Directory {
            path: dir.to_path_buf(),
            source,
        };
        let disk = Directory::open(dir).map_err(failed)?;
        Spool::on(disk, None, boot_id, bounds)
    }
}

impl<R: Disk, F: Disk> Spool<R, F> {
    /// Opens the spool on `ram` and, if there is one, `flash`: repairs it, finds out what was lost,
    /// and counts on.
    ///
    /// # Errors
    ///
    /// A disk that does not read, RAM that takes no new file, a boot id that cannot stand in a file
    /// name.
    pub fn on(ram: R, flash: Option<F>, boot_id: &str, bounds: Bounds) -> Result<Self, SpoolError> {
        let crashes: Arc<dyn Crashes> = Arc::new(());
        Spool::after(&crashes, ram, flash, boot_id, bounds)
    }

    /// The same for an agent that has ended as `crashes` tell: what ended it too often is not read again.
    ///
    /// # Errors
    ///
    /// As of [`Spool::on`].
    pub(super) fn after(
        crashes: &Arc<dyn Crashes>,
        ram: R,
        flash: Option<F>,
        boot_id: &str,
        bounds: Bounds,
    ) -> Result<Self, SpoolError> {
        if !is_boot_id(boot_id) {
            return Err(SpoolError::BootId);
        }
        // Small spools have small segments, so that making room never costs most of the queue.
        let (ram, harms) = Store::open(ram, false, SEAL_AT.min(bounds.ram / 8), crashes)
            .map_err(SpoolError::List)?;
        let mut spool = Spool {
            stores: Stores {
                ram,
                archive: None,
                boots: Vec::new(),
                next_ordinal: 1,
            },
            losses: Losses::default(),
            corrections: Corrections::default(),
            bounds,
            pending: Default::default(),
            taken: None,
            aside: Default::default(),
            batches: 0,
            offline_since: None,
            unread_since: None,
            last_error: None,
        };
        let mut flash_harms = Vec::new();
        if let Some(flash) = flash {
            let seal_at = SEAL_AT.min(bounds.flash / 8);
            let (archive, harms) = Archive::open(flash, seal_at, bounds, boot_id, crashes)
                .map_err(SpoolError::Archive)?;
            spool.stores.archive = Some(archive);
            flash_harms = harms;
        }
        spool.know_boots(boot_id);
        spool.losses.promised = spool.stores.declared();
        for (ordinal, harm) in harms {
            spool.mend(Medium::Ram, ordinal, harm);
        }
        for (ordinal, harm) in flash_harms {
            spool.mend(Medium::Flash, ordinal, harm);
        }
        spool.tell_times();
        spool.doubt_what_waits();
        spool.declare_power_cut();
        spool.find_tail()?;
        spool.sweep();
        Ok(spool)
    }

    /// Collects the boots, in the order they happened, and what they have to remember.
    fn know_boots(&mut self, boot_id: &str) {
        let mut first: BTreeMap<Arc<str>, (u64, Notes)> = BTreeMap::new();
        let flash = self
            .stores
            .archive
            .iter()
            .flat_map(|archive| &archive.store.segments);
        for segment in self.stores.ram.segments.iter().chain(flash) {
            let ordinal = segment.name.ordinal;
            self.stores.next_ordinal = self.stores.next_ordinal.max(ordinal + 1);
            let ids = segment.lost.iter().map(|(id, _)| *id);
            let used = ids.max().unwrap_or(0).max(segment.notes.declared);
            self.losses.next_id = self.losses.next_id.max(used + 1);
            let boot = first
                .entry(segment.name.boot.clone())
                .or_insert_with(|| (ordinal, Notes::default()));
            boot.0 = boot.0.min(ordinal);
            boot.1.join(&segment.notes);
        }
        let this = first.remove(boot_id).unwrap_or_default().1;
        let mut boots: Vec<(_, (u64, Notes))> = Vec::with_capacity(first.len());
        for boot in first {
            let ordinal = boot.1 .0;
            let at = boots.partition_point(|(_, (other, _))| *other <= ordinal);
            boots.insert(at, boot);
        }
        self.stores.boots = boots
            .into_iter()
            .map(|(boot, (_, notes))| (boot, notes))
            .collect();
        self.stores.boots.push((boot_id.into(), this));
        let notes = self.stores.notes_mut();
        notes.next_seq = notes.next_seq.max(1);
    }

    /// Repairs a segment. What was lost with it is declared, unless RAM has it.
    fn mend(&mut self, place: Medium, ordinal: u64, harm: Harm) {
        let Some(at) = self.stores.store_position(place, ordinal) else {
            return;
        };
        let segment = self.stores.segment(place, at);
        let known = segment.waiting().next_back().map(|entry| entry.head.at);
        let in_ram = place == Medium::Flash && segment.name.boot == self.stores.boot().0;
        // The end of a file on flash was not synced: RAM has it, or the power was cut.
        let torn = harm.torn && place == Medium::Ram;
        let count = match in_ram {
            true => 0,
            false => harm.damaged + u64::from(torn),
        };
        let gap = Gap {
            from: known,
            to: None,
            count: Some(count),
            reason: Reason::Damaged,
        };
        let gap = match harm.set_aside && !in_ram {
            true => Gap {
                from: None,
                count: None,
                ..gap
            },
            false => gap,
        };
        if count > 0 {
            log::warn!("spool: segment {ordinal}: {count} reports are damaged");
            self.losses.count(&gap);
        }
        if !harm.misplaced && harm.damaged == 0 {
            // The end was cut off already; a report that was never kept had no identity.
            return self.losses.owed.add(gap);
        }
        let mut gaps = harm.stray;
        gaps.add(gap);
        let known = gaps.clone();
        if let Err(error) = self.rewrite(place, at, &|_| true, Reason::Damaged, gaps) {
            self.failed("repair a segment", &error);
            self.losses.owed.extend(known.into_vec());
        }
    }

    /// Reports in RAM alone are gone with the power, unless this boot has begun or RAM kept those of an
    /// earlier one.
    fn declare_power_cut(&mut self) {
        let this = &self.stores.boot().0;
        let earlier = |segment: &Segment| segment.name.boot != *this;
        if self.stores.notes().next_seq > 1 || self.stores.ram.segments.iter().any(earlier) {
            return;
        }
        let unknown = |from, to| Gap {
            from,
            to,
            count: None,
            reason: Reason::Power,
        };
        let Some((newest, clock)) = self.newest_on_flash() else {
            self.losses.doubt(None);
            return self.losses.owed.add(unknown(None, None));
        };
        let newest = (clock != Certainty::Unsynced).then_some(newest);
        // What was copied is a choice: others were in RAM between them, up to the same second.
        let since = self.losses.since;
        if newest.is_none_or(|newest| since < newest) {
            self.losses
                .owed
                .add(unknown((since > 0).then_some(since), newest));
        }
        self.losses.owed.add(unknown(newest, None));
    }

    /// The time of the last report on flash that waits, and how sure it is.
    fn newest_on_flash(&self) -> Option<(u64, Certainty)> {
        let segments = &self.stores.archive.as_ref()?.store.segments;
        segments.iter().rev().find_map(|segment| {
            let anchors = &self.stores.boots[self.stores.rank(&segment.name.boot)]
                .1
                .anchors;
            let last = segment.waiting().next_back()?;
            Some(time(&last.head, anchors))
        })
    }

    /// Finds out since when a power cut would lose something.
    fn doubt_what_waits(&mut self) {
        let mut cursors = Cursors::default();
        while let Some(waiting) = self.stores.next_pick(&mut cursors) {
            self.losses.doubt(Some(waiting.head.since));
        }
        for gap in self.losses.gaps(&self.stores).into_vec() {
            self.losses.doubt(gap.from);
        }
    }

    /// Sees to it that the last segment in RAM is of this boot: it knows the next seq.
    fn find_tail(&mut self) -> Result<(), SpoolError> {
        let boot = self.stores.boot().0.clone();
        let fits = self.stores.ram.segments.back().is_some_and(|tail| {
            tail.name.boot == boot && tail.notes.next_seq == self.stores.notes().next_seq
        });
        if !fits {
            let notes = self.stores.notes().clone();
            self.stores
                .ram
                .begin(&boot, &mut self.stores.next_ordinal, &notes)
                .map_err(SpoolError::Create)?;
        }
        Ok(())
    }
}
