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
use super::stores::Stores;
use crate::Reading;

/// Longest wait of a report for the time, s.
pub(super) const HOLD: u64 = 600;

/// Corrections of this boot's wrong times that are under way; those that are done are in the segments.
#[derive(Debug, Default)]
pub(super) struct Corrections {
    /// A correction that is not noted everywhere yet, because a disk fails, and since when, seconds since the boot.
    unsure: Option<(Anchor, u64)>,
    /// Not every segment tells what it should of times.
    pub(super) untold: bool,
}

impl Corrections {
    /// True if a report still waits for the time, which never comes if there is no room for another correction.
    fn hold<R: Disk, F: Disk>(&self, stores: &Stores<R, F>, pick: &Pick, now: Reading) -> bool {
        let of_this_boot = pick.rank + 1 == stores.boots.len();
        // A report collected later than now is not of this boot, even if its file is named after it.
        let Some(age) = now.mono.checked_sub(pick.head.mono.into()) else {
            return false;
        };
        let concerns = |(anchor, _): (Anchor, u64)| anchor.concerns(&pick.head);
        let comes = age < HOLD && stores.notes().anchors.len() < ANCHORS_MAX;
        of_this_boot
            && stores.time(pick).1 == Certainty::Unsynced
            && pick.head.seq > settled(stores.notes())
            && (comes || self.unsure.is_some_and(concerns))
    }

    /// Sets the times of this boot right if the clock is, and goes on with what a disk did not take.
    ///
    /// # Errors
    ///
    /// A disk that does not take a note now, and took all of them before.
    fn set_right<R: Disk, F: Disk>(
        &mut self,
        stores: &mut Stores<R, F>,
        now: Reading,
    ) -> io::Result<()> {
        let unsure = self.unsure.take();
        let unsure = unsure.or_else(|| Some((wrong_times(stores, now)?, now.mono)));
        let Some((anchor, since)) = unsure else {
            return match self.untold {
                true => self.tell(stores, false).1,
                false => Ok(()),
            };
        };
        stores.notes_mut().anchors.push(anchor);
        let waits_for_flash = now.mono.saturating_sub(since) < HOLD;
        let (told, result) = self.tell(stores, waits_for_flash);
        if !told {
            stores.notes_mut().anchors.pop();
            self.unsure = Some((anchor, since));
        }
        result
    }

    /// Has every segment with reports that were set right tell so itself, and those that will have
    /// some: a report must not go out with a time that is forgotten. What a disk does not take comes
    /// again with [`Corrections::set_right`]. False if RAM did not take it, or flash and it `needs_flash`;
    /// an error if that is new.
    fn tell<R: Disk, F: Disk>(
        &mut self,
        stores: &mut Stores<R, F>,
        needs_flash: bool,
    ) -> (bool, io::Result<()>) {
        let flash = tell_flash(stores);
        let lacks_flash = needs_flash && flash.is_err();
        let ram = match lacks_flash {
            true => Ok(()),
            false => stores.ram.tell(&stores.boots),
        };
        let told = ram.is_ok() && !lacks_flash;
        let known = self.untold;
        let result = flash.and(ram);
        self.untold = result.is_err();
        (told, if known { Ok(()) } else { result })
    }
}

impl<R: Disk, F: Disk> Spool<R, F> {
    /// True if a report still waits for the time.
    pub(super) fn is_held(&self, pick: &Pick, now: Reading) -> bool {
        self.corrections.hold(&self.stores, pick, now)
    }

    /// Sets the times of this boot right if the clock is.
    pub(super) fn set_right(&mut self, now: Reading) {
        let result = self.corrections.set_right(&mut self.stores, now);
        self.noted(result);
    }

    /// Has every segment tell what is known of the times of its reports.
    pub(super) fn tell_times(&mut self) {
        let (_, result) = self.corrections.tell(&mut self.stores, false);
        self.noted(result);
    }

    fn noted(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.failed("note the time", &error);
        }
    }
}

/// Times up to this seq are set right, or stay as they are.
fn settled(notes: &Notes) -> u64 {
    let corrected = notes.anchors.iter().map(|anchor| anchor.last);
    corrected.fold(notes.fixed, u64::max)
}

/// The correction for this boot's wrong times so far, if the clock is right by now.
fn wrong_times<R: Disk, F: Disk>(stores: &Stores<R, F>, now: Reading) -> Option<Anchor> {
    let notes = stores.notes();
    if !now.synced || notes.anchors.len() >= ANCHORS_MAX {
        return None;
    }
    let first = settled(notes) + 1;
    stores.has_unsynced(first).then(|| Anchor {
        first,
        last: notes.next_seq.saturating_sub(1),
        base: now.epoch.saturating_sub(now.mono),
    })
}

/// Tells the segments on flash, for certain.
fn tell_flash<R: Disk, F: Disk>(stores: &mut Stores<R, F>) -> io::Result<()> {
    let Some(archive) = &mut stores.archive else {
        return Ok(());
    };
    archive.store.tell(&stores.boots)?;
    match stores
        .boots
        .iter()
        .all(|(_, notes)| notes.anchors.is_empty())
    {
        true => Ok(()),
        false => archive.store.sync(),
    }
}
