//! Both stores, and the boots whose reports they have.

use std::io;
use std::sync::Arc;

use durable::Disk;

use super::archive::Archive;
use super::notes::Notes;
use super::record::Certainty;
use super::store::Store;

/// The stores of a spool.
#[derive(Debug)]
pub(super) struct Stores<R, F> {
    pub(super) ram: Store<R>,
    /// The copy on flash, if there is one.
    pub(super) archive: Option<Archive<F>>,
    /// Boots in the order they happened, each with what has to be remembered of it. The last is this
    /// one; the next seq of its notes counts reports that are pending.
    pub(super) boots: Vec<(Arc<str>, Notes)>,
    /// Of the next segment.
    pub(super) next_ordinal: u64,
}

impl<R: Disk, F: Disk> Stores<R, F> {
    pub(super) fn boot(&self) -> &(Arc<str>, Notes) {
        self.boots.last().expect("this boot is always there")
    }

    pub(super) fn notes(&self) -> &Notes {
        &self.boot().1
    }

    pub(super) fn notes_mut(&mut self) -> &mut Notes {
        let this = self.boots.last_mut().expect("this boot is always there");
        &mut this.1
    }

    /// Losses up to this id are declared by a report that was written.
    pub(super) fn declared(&self) -> u64 {
        let all = self.boots.iter().map(|(_, notes)| notes.declared);
        all.max().unwrap_or(0)
    }

    /// True if a report of this boot from seq `first` on was taken without knowing the time.
    pub(super) fn has_unsynced(&self, first: u64) -> bool {
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
