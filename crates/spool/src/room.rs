//! Making room: what is left out, and that it is remembered.

use std::io;

use durable::Disk;

use super::gap::{Gap, Gaps, Reason};
use super::order::{has, time, Medium};
use super::record::Certainty;
use super::restamp::restamp;
use super::segment::{Entry, Segment};
use super::spool::Spool;
use super::store::Fate;
use super::thin::{plan, Going, Item, Kind, SLOTS};
use crate::sorted::sort;

/// Of a bound, this part gets free whenever room is made, so that it is not made for every report.
const SLACK: u64 = 16;

/// Packed again without those between them, reports need more room than was thought: it is tried
/// this often.
const ROUNDS: usize = 8;

impl<R: Disk, F: Disk> Spool<R, F> {
    /// Holds RAM to its bound.
    pub(super) fn make_room(&mut self) {
        let max = self.bounds.ram;
        for _ in 0..ROUNDS {
            let used = self.stores.ram.bytes();
            if used <= max {
                return;
            }
            let need = used - max + max / SLACK;
            match self.thin(Medium::Ram, need, &SLOTS) {
                Ok(true) => {}
                // What is left is on its way, or the newest.
                Ok(false) => return,
                Err(error) => return self.failed("make room", &error),
            }
        }
    }

    /// Makes room on flash for `need` bytes. True if there is.
    pub(super) fn make_flash_room(&mut self, need: u64) -> io::Result<bool> {
        let max = self.bounds.flash;
        for _ in 0..ROUNDS {
            let Some(archive) = &self.stores.archive else {
                return Ok(false);
            };
            let used = archive.store.bytes() + need;
            if used <= max {
                return Ok(true);
            }
            let over = used - max + max / SLACK;
            // Rewritten once only, for flash wears: what is left is less than what goes.
            let slots = match archive.affords(over) {
                true => &SLOTS[2..],
                false => &[],
            };
            if !self.thin(Medium::Flash, over, slots)? {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// Leaves out what `need` bytes take up. False if nothing can be left out.
    fn thin(&mut self, place: Medium, need: u64, slots: &[u64]) -> io::Result<bool> {
        let count = match (place, &self.stores.archive) {
            (Medium::Flash, Some(archive)) => archive.store.segments.len(),
            _ => self.stores.ram.segments.len(),
        };
        let mut items = Vec::new();
        let mut reports = Vec::new();
        for at in 0..count {
            let segment = self.stores.segment(place, at);
            let rank = self.stores.rank(&segment.name.boot);
            for entry in &segment.entries {
                items.push(Item {
                    boot: rank as u32,
                    at: time(&entry.head, &self.stores.boots[rank].1.anchors).0,
                    bytes: entry.size(),
                    kind: self.kind(place, segment, rank, entry),
                });
                reports.push((segment.name.ordinal, entry.head.seq));
            }
        }
        let going = plan(&items, need, slots);
        let mut goes: Vec<(u64, u64, Going)> = Vec::new();
        for ((ordinal, seq), going) in reports.into_iter().zip(going) {
            goes.extend(going.map(|going| (ordinal, seq, going)));
        }
        let mut segments: Vec<u64> = goes.iter().map(|(ordinal, ..)| *ordinal).collect();
        sort(&mut segments, &u64::lt);
        segments.dedup();
        for ordinal in &segments {
            let Some(at) = self.stores.store_position(place, *ordinal) else {
                continue;
            };
            let here = goes.iter().filter(|(of, ..)| of == ordinal);
            let mut seqs: Vec<u64> = here.clone().map(|(_, seq, _)| *seq).collect();
            sort(&mut seqs, &u64::lt);
            // A segment is left out as a whole or thinned; where both meet, some are thinned.
            let full = here
                .clone()
                .any(|(.., going)| *going == Going::Lost(Reason::Full));
            let reason = match full {
                true => Reason::Full,
                false => Reason::Thinned,
            };
            self.rewrite(
                place,
                at,
                &|seq| seqs.binary_search(&seq).is_err(),
                reason,
                Gaps::default(),
            )?;
        }
        self.sweep();
        Ok(!segments.is_empty())
    }

    fn kind(&self, place: Medium, segment: &Segment, rank: usize, entry: &Entry) -> Kind {
        let seq = entry.head.seq;
        let is_taken = |taken: &super::batch::Taken| taken.holds(rank, seq);
        if entry.gone {
            return Kind::Free;
        }
        if self.taken.as_ref().is_some_and(is_taken) {
            return Kind::Spared;
        }
        let on_flash = self.stores.archive.as_ref();
        match place {
            Medium::Ram if on_flash.is_some_and(|a| a.is_certain(&segment.name.boot, seq)) => {
                Kind::Free
            }
            _ => Kind::Only,
        }
    }

    /// Rewrites a segment with the reports for which `keep` is true. Every other that is in no
    /// other store is lost for `reason`, and so is what it declared; that is written down in the same
    /// moment, together with `gaps`.
    pub(super) fn rewrite(
        &mut self,
        place: Medium,
        at: usize,
        keep: &dyn Fn(u64) -> bool,
        reason: Reason,
        gaps: Gaps,
    ) -> io::Result<()> {
        let segment = self.stores.segment(place, at);
        let boot = segment.name.boot.clone();
        let seqs = segment.entries.iter().map(|entry| entry.head.seq);
        let mut elsewhere: Vec<u64> = match (place, &self.stores.archive) {
            // Should the power be cut before that is certain, it lies in what is declared then.
            (Medium::Ram, Some(archive)) => seqs
                .filter(|seq| has(&archive.store, &boot, *seq))
                .collect(),
            (Medium::Ram, None) => Vec::new(),
            (Medium::Flash, _) => seqs
                .filter(|seq| has(&self.stores.ram, &boot, *seq))
                .collect(),
        };
        sort(&mut elsewhere, &u64::lt);
        let anchors = self.stores.boots[self.stores.rank(&boot)].1.anchors.clone();
        let declared = self.stores.declared();
        let gaps = std::cell::RefCell::new(gaps);
        let mut losses: Vec<Gap> = Vec::new();
        let mut judge = |fate: Fate<'_>| {
            let (entry, reason) = match &fate {
                Fate::Dropped(entry, _) => (entry, reason),
                Fate::Damaged(entry) => (entry, Reason::Damaged),
            };
            if elsewhere.binary_search(&entry.head.seq).is_ok() {
                return;
            }
            let (at, clock) = time(&entry.head, &anchors);
            let gap = Gap::one((clock != Certainty::Unsynced).then_some(at), reason);
            let mut declared = match &fate {
                Fate::Dropped(entry, line) => {
                    let head = &entry.head;
                    match clock {
                        Certainty::Restamped => {
                            Gaps::declared_in(&restamp(line, head.at, head.mono, at))
                        }
                        _ => Gaps::declared_in(line),
                    }
                }
                Fate::Damaged(_) => Gaps::default(),
            };
            if clock == Certainty::Unsynced {
                // What a wrong clock said must not stand beside what right ones say.
                declared.reopen(at);
            }
            losses.push(gap.clone());
            let mut gaps = gaps.borrow_mut();
            gaps.add(gap);
            gaps.extend(declared.into_vec());
        };
        let next_id = &mut self.losses.next_id;
        let mut with_ids = || {
            let gaps = gaps.take().into_vec().into_iter();
            let with_id = gaps.map(|gap| {
                *next_id += 1;
                (*next_id - 1, gap)
            });
            with_id.collect()
        };
        let keep = |entry: &Entry| keep(entry.head.seq);
        match (place, &mut self.stores.archive) {
            (Medium::Flash, Some(archive)) => {
                let declared = archive.certain_declared;
                let store = &mut archive.store;
                store.rewrite(at, declared, &keep, &mut judge, &mut with_ids)?;
            }
            _ => {
                let store = &mut self.stores.ram;
                store.rewrite(at, declared, &keep, &mut judge, &mut with_ids)?;
            }
        }
        losses.iter().for_each(|gap| self.losses.count(gap));
        Ok(())
    }

    /// Removes files that nobody needs any more; those that cannot be removed now are later.
    pub(super) fn sweep(&mut self) {
        let declared = self.stores.declared();
        if let Err(error) = self.stores.ram.sweep(declared, true) {
            self.failed("remove a segment", &error);
        }
        if let Some(archive) = &mut self.stores.archive {
            if let Err(error) = archive.sweep() {
                self.failed("remove a segment of the archive", &error);
            }
        }
    }
}
