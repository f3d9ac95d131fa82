//! Reports taken while nobody knew the time: held back, and set right when somebody does.
//!
//! Their lines stay as they are in the segments. When the clock is right, a note says when the boot
//! was, and from then on they go out with the time that follows from it, each time the same: every
//! segment they are in has the note, for it may outlive the others. What went out before that, after
//! [`HOLD`], keeps the time it has for ever; another note says so first.
//!
//! A disk that fails may have a part of the notes all the same, which would count after a restart. So
//! the reports they cover are held back until every note is written. Flash that has failed for [`HOLD`]
//! is not waited for any longer.

use std::io;

use durable::Disk;

use super::notes::{Anchor, Notes, ANCHORS_MAX};
use super::order::Pick;
use super::record::Certainty;
use super::spool::Spool;
use crate::Reading;

/// Longest wait of a report for the time, s.
pub(super) const HOLD: u64 = 600;

impl<R: Disk, F: Disk> Spool<R, F> {
    /// True if a report still waits for the time.
    pub(super) fn is_held(&self, pick: &Pick, now: Reading) -> bool {
        let of_this_boot = pick.rank + 1 == self.boots.len();
        // One taken later than now was not taken in this boot, whatever its file is called.
        let Some(age) = now.mono.checked_sub(pick.head.mono.into()) else {
            return false;
        };
        let concerns = |(anchor, _): (Anchor, u64)| anchor.concerns(&pick.head);
        of_this_boot
            && self.time(pick).1 == Certainty::Unsynced
            && pick.head.seq > self.notes().fixed
            && (age < HOLD || self.unsure.is_some_and(concerns))
    }

    /// Sets the times of this boot right if the clock is, and goes on with what a disk did not take.
    pub(super) fn set_right(&mut self, now: Reading) {
        let unsure = self.unsure.take();
        let unsure = unsure.or_else(|| Some((self.wrong_times(now)?, now.mono)));
        let Some((anchor, since)) = unsure else {
            if self.untold {
                self.tell_times(false);
            }
            return;
        };
        self.notes_mut().anchors.push(anchor);
        let waits_for_flash = now.mono.saturating_sub(since) < HOLD;
        if !self.tell_times(waits_for_flash) {
            self.notes_mut().anchors.pop();
            self.unsure = Some((anchor, since));
        }
    }

    /// The correction for this boot's wrong times so far, if the clock is right by now.
    fn wrong_times(&self, now: Reading) -> Option<Anchor> {
        let notes = self.notes();
        if !now.synced || notes.anchors.len() >= ANCHORS_MAX {
            return None;
        }
        let settled = notes.anchors.iter().map(|anchor| anchor.last).max();
        let first = settled.unwrap_or(0).max(notes.fixed) + 1;
        self.has_unsynced(first).then(|| Anchor {
            first,
            last: notes.next_seq.saturating_sub(1),
            base: now.epoch.saturating_sub(now.mono),
        })
    }

    /// Has every segment with reports that were set right tell so itself, and those that will have
    /// some: a report must not go out with a time that is forgotten. What a disk does not take comes
    /// again with [`Spool::set_right`]. False if RAM did not take it, or flash and it `needs_flash`.
    pub(super) fn tell_times(&mut self, needs_flash: bool) -> bool {
        let flash = self.tell_flash();
        let lacks_flash = needs_flash && flash.is_err();
        let ram = match lacks_flash {
            true => Ok(()),
            false => self.ram.tell(&self.boots),
        };
        let told = ram.is_ok() && !lacks_flash;
        let known = self.untold;
        let result = flash.and(ram);
        self.untold = result.is_err();
        if let (Err(error), false) = (result, known) {
            self.failed("note the time", &error);
        }
        told
    }

    /// Tells the segments on flash, for certain.
    fn tell_flash(&mut self) -> io::Result<()> {
        let Some(archive) = &mut self.archive else {
            return Ok(());
        };
        archive.store.tell(&self.boots)?;
        match self.boots.iter().all(|(_, notes)| notes.anchors.is_empty()) {
            true => Ok(()),
            false => archive.store.sync(),
        }
    }

    /// True if a report of this boot from seq `first` on was taken without knowing the time.
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
            .any(|entry| entry.head.clock == Certainty::Unsynced && entry.head.seq >= first)
    }

    /// Notes that the reports up to `seq` of this boot go out as they are. The next boot need not know:
    /// it sets no times of this one right.
    pub(super) fn fix(&mut self, seq: u64) -> io::Result<()> {
        let notes = Notes {
            fixed: seq,
            ..Notes::default()
        };
        let tail = self.ram.segments.len() - 1;
        self.ram.note(tail, &notes)?;
        self.notes_mut().join(&notes);
        Ok(())
    }
}
