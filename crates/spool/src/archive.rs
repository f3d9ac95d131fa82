//! The copy on flash of what waits in a long outage.

use std::io;
use std::sync::Arc;

use durable::{Disk, Meter, Metered};

use super::governor::Governor;
use super::notes::Notes;
use super::order::find;
use super::segment::{Harm, Segment};
use super::spool::{Bounds, Spool};
use super::store::Store;
use crate::Crashes;
use crate::Reading;

/// Between two times that flash is waited for, s.
const SYNC_EVERY: u64 = 600;

/// An outage is worth flash when its oldest report is this old, s.
const WORTH: u64 = 540;

/// The store on flash, and what is certain of it.
#[derive(Debug)]
pub(super) struct Archive<F> {
    pub(super) store: Store<Metered<F>>,
    meter: Meter,
    governor: Governor,
    /// Bytes written before this run, as far as they are known.
    before: u64,
    boot: String,
    /// Reports of this boot up to this seq are on the medium, if they are in the store.
    certain: u64,
    /// Every loss up to this id is declared by a report that is on the medium or has arrived.
    pub(super) certain_declared: u64,
    /// Reports of this boot up to this seq have been looked at.
    covered: u64,
    /// When it was last synced, or tried, seconds since the boot.
    synced_at: Option<u64>,
}

impl<F: Disk> Archive<F> {
    /// Opens what is on flash, as it is found by the boot `boot`.
    pub(super) fn open(
        flash: F,
        seal_at: u64,
        bounds: Bounds,
        boot: &str,
        crashes: &Arc<dyn Crashes>,
    ) -> io::Result<(Self, Vec<(u64, Harm)>)> {
        let meter = Meter::new();
        let disk = Metered::new(flash, meter.clone());
        let (mut store, harms) = Store::open(disk, true, seal_at, crashes)?;
        let (mut covered, mut synced_at, mut certain_declared) = (0, None, 0);
        for segment in &mut store.segments {
            let of_this_boot = *segment.name.boot == *boot;
            // What an earlier boot left was read from the medium, but for times told since.
            segment.dirty = of_this_boot || !segment.notes.anchors.is_empty();
            if !of_this_boot {
                certain_declared = certain_declared.max(segment.notes.declared);
            } else if let Some(last) = segment.entries.last() {
                covered = covered.max(last.head.seq);
                synced_at = Some(u64::from(last.head.mono));
            }
        }
        let reports = || store.segments.iter().flat_map(|segment| &segment.entries);
        let newest = reports().map(|entry| entry.head.at).max().unwrap_or(0);
        let of_the_day = reports().filter(|entry| entry.head.at.saturating_add(86_400) > newest);
        let before = of_the_day.map(|entry| entry.size()).sum();
        let archive = Archive {
            governor: Governor::new(bounds.flash_daily, before),
            store,
            meter,
            before,
            boot: boot.to_owned(),
            certain: 0,
            certain_declared,
            covered,
            synced_at,
        };
        Ok((archive, harms))
    }

    /// True if a report is here and survives a power cut.
    pub(super) fn is_certain(&self, boot: &str, seq: u64) -> bool {
        (*boot != *self.boot || seq <= self.certain)
            && find(&self.store, boot, seq)
                .is_some_and(|(at, entry)| !self.store.segments[at].entries[entry].gone)
    }

    /// Holds it to another budget from now on.
    pub(super) fn bound(&mut self, bounds: Bounds) {
        self.governor.budget = bounds.flash_daily;
    }

    /// True if this many bytes may be written today.
    pub(super) fn affords(&self, bytes: u64) -> bool {
        bytes <= self.governor.left()
    }

    pub(super) fn written_today(&self) -> u64 {
        self.governor.today()
    }

    fn count(&mut self, now: Reading) {
        let written = self.before + self.meter.total().bytes;
        self.governor.saw(now.mono, written);
    }

    /// Makes certain what is in it.
    fn sync(&mut self) -> io::Result<()> {
        self.store.sync()?;
        let of_this_boot = |segment: &&Segment| *segment.name.boot == *self.boot;
        let segments = self.store.segments.iter().filter(of_this_boot);
        let last = segments.filter_map(|segment| Some(segment.entries.last()?.head.seq));
        self.certain = last.max().unwrap_or(self.certain);
        self.certain_declared = self.certain_declared.max(self.store.declared());
        Ok(())
    }

    /// Learns that reports which declare every loss up to `declared` have arrived.
    pub(super) fn arrived(&mut self, declared: u64) -> io::Result<()> {
        let undeclared = self.store.owed(self.certain_declared);
        if !undeclared.into_iter().any(|(id, _)| *id <= declared) {
            return Ok(());
        }
        let Some(tail) = self.store.segments.len().checked_sub(1) else {
            return Ok(());
        };
        let notes = Notes {
            declared,
            ..Notes::default()
        };
        self.store.note(tail, &notes)?;
        self.sync()
    }

    /// Removes files that nobody needs any more. The last one knows what is declared: it goes when
    /// the others are certain to be gone.
    pub(super) fn sweep(&mut self) -> io::Result<()> {
        self.store.sweep(self.certain_declared, true)?;
        if let [last] = self.store.segments.make_contiguous() {
            if last.is_done(self.certain_declared) {
                last.dirty = false;
                self.store.sync()?;
                self.store.sweep(self.certain_declared, false)?;
            }
        }
        Ok(())
    }
}

impl<R: Disk, F: Disk> Spool<R, F> {
    /// The agent ends: what flash would get within the next 10 min it gets now.
    pub fn close(&mut self, now: Reading) {
        self.flush();
        self.keep_on_flash(now, true);
    }

    /// Copies to flash what has come since the last time, if it is time or has to be `at_once`.
    pub(super) fn keep_on_flash(&mut self, now: Reading, at_once: bool) {
        let Some(archive) = &mut self.stores.archive else {
            return;
        };
        archive.count(now);
        let Some(since) = self.offline_since else {
            return;
        };
        let early = |at: u64| now.mono.saturating_sub(at) < SYNC_EVERY;
        // What it has not been told of times, a copy would lack too.
        if self.corrections.untold || !at_once && archive.synced_at.is_some_and(early) {
            return;
        }
        let covered = archive.covered;
        let boot = &self.stores.boots[self.stores.boots.len() - 1].0;
        let segments = self.stores.ram.segments.iter().enumerate();
        let fresh: Vec<(usize, usize)> = segments
            .filter(|(_, segment)| segment.name.boot == *boot)
            .flat_map(|(at, segment)| {
                let entries = segment.entries.iter().enumerate();
                entries
                    .filter(|(_, entry)| !entry.gone && entry.head.seq > covered)
                    .map(move |(entry, _)| (at, entry))
            })
            .collect();
        let Some(&(at, entry)) = fresh.first() else {
            return;
        };
        let oldest = self.stores.ram.segments[at].entries[entry].head.mono;
        if !at_once && now.mono.saturating_sub(oldest.into()) < WORTH {
            return;
        }
        archive.synced_at = Some(now.mono);
        let outage = now.mono.saturating_sub(since);
        if let Err(error) = self.copy(&fresh, now, outage) {
            self.failed("write to the archive", &error);
        }
        self.stores.ram.end_reading();
        if let Some(archive) = &mut self.stores.archive {
            archive.store.rest();
            archive.count(now);
        }
    }

    /// Copies of `fresh` what the budget lets it.
    fn copy(&mut self, fresh: &[(usize, usize)], now: Reading, outage: u64) -> io::Result<()> {
        let size =
            |&(at, entry): &(usize, usize)| self.stores.ram.segments[at].entries[entry].size();
        // Further apart, they have less in common.
        let cost = fresh.iter().map(size).sum::<u64>() / fresh.len() as u64 * 3 / 2;
        let Some(archive) = &self.stores.archive else {
            return Ok(());
        };
        let Some(grid) = archive.governor.grid(now.mono, outage, cost) else {
            return Ok(());
        };
        let seq =
            |&(at, entry): &(usize, usize)| self.stores.ram.segments[at].entries[entry].head.seq;
        let last = fresh.last().map(seq);
        let chosen: Vec<u64> = self.choose(fresh, grid).iter().map(seq).collect();
        if !self.make_flash_room(cost * chosen.len() as u64)? {
            return Ok(());
        }
        let (boot, mut notes) = self.stores.boot().clone();
        for seq in chosen {
            // Making room may have removed segments.
            let Some((at, entry)) = find(&self.stores.ram, &boot, seq) else {
                continue;
            };
            let head = self.stores.ram.segments[at].entries[entry].head;
            let line = self.stores.ram.line(at, entry)?;
            let Some(archive) = &mut self.stores.archive else {
                return Ok(());
            };
            notes.next_seq = seq;
            notes.declared = archive.certain_declared;
            let store = &mut archive.store;
            store.append(&boot, &head, &line, &mut self.stores.next_ordinal, &notes)?;
            // A failure from here on does not have it written twice.
            archive.covered = seq;
        }
        if let Some(archive) = &mut self.stores.archive {
            archive.sync()?;
            archive.covered = last.unwrap_or(archive.covered);
            archive.sweep()?;
        }
        Ok(())
    }

    /// The first of each `grid` s, and those that declare what flash has to know to be declared.
    fn choose(&self, fresh: &[(usize, usize)], grid: u64) -> Vec<(usize, usize)> {
        let Some(archive) = &self.stores.archive else {
            return Vec::new();
        };
        let boot = &self.stores.boot().0;
        let anchors = &self.stores.notes().anchors;
        let slot = |head| super::order::time(head, anchors).0 / grid;
        let tail = archive.store.segments.back();
        let tail = tail.filter(|tail| tail.name.boot == *boot);
        let mut last = tail.and_then(|tail| Some(slot(&tail.entries.last()?.head)));
        let mut declared = archive.certain_declared;
        let owed: Vec<u64> = archive.store.owed(declared).map(|(id, _)| *id).collect();
        let mut chosen = fresh.to_vec();
        chosen.retain(|&(at, entry)| {
            let head = &self.stores.ram.segments[at].entries[entry].head;
            let news = owed
                .iter()
                .any(|id| (declared + 1..=head.declared).contains(id));
            let chosen = news || last != Some(slot(head));
            if chosen {
                last = Some(slot(head));
                declared = declared.max(head.declared);
            }
            chosen
        });
        chosen
    }
}
