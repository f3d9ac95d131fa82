//! Reports taken while nobody knew the time: held back, and set right when somebody does.
//!
//! Their lines stay as they are in the segments. When the clock is right, a note says when the boot
//! was, and from then on they go out with the time that follows from it, each time the same: every
//! segment they are in has the note, for it may outlive the others. What went out before that, after
//! [`HOLD`], keeps the time it has for ever; another note says so first.
//!
//! A disk that fails may have taken a part of a note, which counts after a restart. So what the note is
//! about does not go out as it is until that has failed for [`HOLD`] too.

use std::io;

use super::entry::Clock;
use super::notes::{Anchor, Notes, ANCHORS_MAX};
use super::order::Pick;
use super::queue::Spool;
use crate::clock::Reading;
use crate::durable::Disk;

/// How long a report waits for the time, s.
pub(super) const HOLD: u64 = 600;

impl<R: Disk, F: Disk> Spool<R, F> {
    /// Whether a report still waits for the time.
    pub(super) fn is_held(&self, pick: &Pick, now: Reading) -> bool {
        let of_this_boot = pick.rank + 1 == self.boots.len();
        let unsure = self
            .unsure
            .filter(|(anchor, _)| anchor.concerns(&pick.head));
        let since = unsure.map_or(pick.head.mono.into(), |(_, since)| since);
        of_this_boot
            && self.time(pick).1 == Clock::Unsynced
            && pick.head.seq > self.notes().fixed
            && now.mono.saturating_sub(since) < HOLD
    }

    /// Sets the times of this boot right if the clock is.
    pub(super) fn set_right(&mut self, now: Reading) {
        if self.untold {
            if let Err(error) = self.tell_times() {
                return self.failed("note the time", &error);
            }
        }
        let notes = self.notes();
        if !now.synced || notes.anchors.len() >= ANCHORS_MAX {
            return;
        }
        let settled = notes.anchors.iter().map(|anchor| anchor.last).max();
        let first = settled.unwrap_or(0).max(notes.fixed) + 1;
        let last = notes.next_seq.saturating_sub(1);
        if !self.has_unsynced(first) {
            return;
        }
        let anchor = Anchor {
            first,
            last,
            base: now.epoch.saturating_sub(now.mono),
        };
        // One that may be there in part is the one to be there.
        let unsure = self.unsure.filter(|(unsure, _)| unsure.first == first);
        let (anchor, since) = unsure.unwrap_or((anchor, now.mono));
        self.notes_mut().anchors.push(anchor);
        let notes = self.notes().clone();
        self.unsure = None;
        if let Err(error) = self.note(&notes).and_then(|()| self.tell_times()) {
            self.unsure = Some((anchor, since));
            self.notes_mut().anchors.pop();
            self.failed("note the time", &error);
        }
    }

    /// Has every segment with reports that were set right tell so itself, on flash first and for
    /// certain: a report must not go out with a time that is forgotten.
    pub(super) fn tell_times(&mut self) -> io::Result<()> {
        let told = self.try_to_tell_times();
        self.untold = told.is_err();
        told
    }

    fn try_to_tell_times(&mut self) -> io::Result<()> {
        if self.boots.iter().all(|(_, notes)| notes.anchors.is_empty()) {
            return Ok(());
        }
        if let Some(archive) = &mut self.archive {
            for (boot, notes) in &self.boots {
                archive.store.tell(boot, &notes.anchors)?;
            }
            archive.store.sync()?;
        }
        for (boot, notes) in &self.boots {
            self.ram.tell(boot, &notes.anchors)?;
        }
        Ok(())
    }

    /// Whether a report of this boot from seq `first` on was taken without knowing the time.
    fn has_unsynced(&self, first: u64) -> bool {
        let boot = &self.boot().0;
        let flash = self
            .archive
            .iter()
            .flat_map(|archive| &archive.store.segments);
        let segments = self.ram.segments.iter().chain(flash);
        let of_this_boot = segments.filter(|segment| segment.name.boot == *boot);
        of_this_boot
            .flat_map(|segment| segment.waiting())
            .any(|entry| entry.head.clock == Clock::Unsynced && entry.head.seq >= first)
    }

    /// Notes that the reports up to `seq` of this boot go out as they are.
    pub(super) fn fix(&mut self, seq: u64) -> io::Result<()> {
        let mut notes = self.notes().clone();
        notes.fixed = notes.fixed.max(seq);
        self.note(&notes)?;
        *self.notes_mut() = notes;
        Ok(())
    }

    /// Writes notes of this boot down, for the reports to come too.
    fn note(&mut self, notes: &Notes) -> io::Result<()> {
        let boot = self.boot().0.clone();
        if let Some(archive) = &mut self.archive {
            let tail = archive.store.segments.len().checked_sub(1);
            let tail = tail.filter(|at| archive.store.segments[*at].name.boot == boot);
            if let Some(tail) = tail {
                // What it does not know to be declared is for itself to find out.
                let declared = archive.store.segments[tail].notes.declared;
                let notes = Notes {
                    declared,
                    ..notes.clone()
                };
                archive.store.note(tail, &notes)?;
            }
        }
        let declared = self.ram.declared();
        let notes = Notes {
            declared,
            next_seq: 0,
            ..notes.clone()
        };
        let tail = self.ram.segments.len() - 1;
        self.ram.note(tail, &notes)
    }
}
