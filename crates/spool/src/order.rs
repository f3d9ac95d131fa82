//! The queue: what both stores hold, in the order it goes out.

use durable::Disk;

use super::aside::ReportId;
use super::notes::Anchor;
use super::record::{Certainty, Head};
use super::segment::{Entry, Segment};
use super::spool::Spool;
use super::store::Store;
use super::stores::Stores;

/// The store that a report is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Medium {
    Ram,
    Flash,
}

/// A report of the queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pick {
    pub(super) place: Medium,
    pub(super) segment: usize,
    pub(super) entry: usize,
    /// The boot it is of, in order.
    pub(super) rank: usize,
    pub(super) head: Head,
}

/// A position in both stores: the next segment and entry of each.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cursors {
    ram: (usize, usize),
    flash: (usize, usize),
}

/// The next report of a store that waits.
fn peek<D: Disk>(store: &Store<D>, at: &mut (usize, usize)) -> Option<Entry> {
    loop {
        let segment = store.segments.get(at.0)?;
        match segment.entries.get(at.1) {
            Some(entry) if !entry.gone => return Some(*entry),
            Some(_) => at.1 += 1,
            None => *at = (at.0 + 1, 0),
        }
    }
}

/// Where a store has a report of `boot`.
pub(super) fn find<D: Disk>(store: &Store<D>, boot: &str, seq: u64) -> Option<(usize, usize)> {
    let mut segments = store.segments.iter().enumerate();
    segments.find_map(|(at, segment)| {
        let first = segment.entries.first()?.head.seq;
        let last = segment.entries.last()?.head.seq;
        if *segment.name.boot != *boot || !(first..=last).contains(&seq) {
            return None;
        }
        let entries = &segment.entries;
        let found = entries.binary_search_by_key(&seq, |entry| entry.head.seq);
        found.ok().map(|entry| (at, entry))
    })
}

/// True if a store has a report of `boot` that waits.
pub(super) fn has<D: Disk>(store: &Store<D>, boot: &str, seq: u64) -> bool {
    find(store, boot, seq).is_some_and(|(at, entry)| !store.segments[at].entries[entry].gone)
}

impl<R: Disk, F: Disk> Stores<R, F> {
    pub(super) fn segment(&self, place: Medium, at: usize) -> &Segment {
        match (place, &self.archive) {
            (Medium::Flash, Some(archive)) => &archive.store.segments[at],
            _ => &self.ram.segments[at],
        }
    }

    pub(super) fn store_position(&self, place: Medium, ordinal: u64) -> Option<usize> {
        match place {
            Medium::Ram => self.ram.position(ordinal),
            Medium::Flash => self.archive.as_ref()?.store.position(ordinal),
        }
    }

    /// The rank of a boot.
    pub(super) fn rank(&self, boot: &str) -> usize {
        let known = self.boots.iter().position(|(known, _)| **known == *boot);
        known.expect("boots are known from the segments there are")
    }

    /// The next report of the queue, RAM's if both stores have it.
    pub(super) fn next_pick(&self, cursors: &mut Cursors) -> Option<Pick> {
        let ram = peek(&self.ram, &mut cursors.ram);
        let flash = self.archive.as_ref();
        let flash = flash.and_then(|archive| peek(&archive.store, &mut cursors.flash));
        let pick = |place, at: (usize, usize), entry: Entry, boot: &str| Pick {
            place,
            segment: at.0,
            entry: at.1,
            rank: self.rank(boot),
            head: entry.head,
        };
        let ram = ram.map(|entry| {
            let boot = &self.ram.segments[cursors.ram.0].name.boot;
            pick(Medium::Ram, cursors.ram, entry, boot)
        });
        let flash = flash.zip(self.archive.as_ref()).map(|(entry, archive)| {
            let boot = &archive.store.segments[cursors.flash.0].name.boot;
            pick(Medium::Flash, cursors.flash, entry, boot)
        });
        let key = |pick: &Pick| (pick.rank, pick.head.seq);
        let ram_first = match (&ram, &flash) {
            (Some(ram), Some(flash)) if key(ram) == key(flash) => {
                cursors.flash.1 += 1;
                true
            }
            (Some(ram), Some(flash)) => key(ram) < key(flash),
            (ram, _) => ram.is_some(),
        };
        let (next, cursor) = match ram_first {
            true => (ram, &mut cursors.ram),
            false => (flash, &mut cursors.flash),
        };
        cursor.1 += usize::from(next.is_some());
        next
    }

    /// Where a report of the queue is.
    pub(super) fn find_report(&self, report: &ReportId) -> Option<Pick> {
        let is_it =
            |pick: &Pick| pick.head.seq == report.seq && self.boots[pick.rank].0 == report.boot;
        let mut cursors = Cursors::default();
        std::iter::from_fn(|| self.next_pick(&mut cursors)).find(is_it)
    }

    /// When a report was taken, seconds since the epoch, and how sure that is.
    pub(super) fn time(&self, pick: &Pick) -> (u64, Certainty) {
        time(&pick.head, &self.boots[pick.rank].1.anchors)
    }
}

impl<R: Disk, F: Disk> Spool<R, F> {
    /// The next report of the queue that is not set aside.
    pub(super) fn next_in_line(&self, cursors: &mut Cursors) -> Option<Pick> {
        loop {
            let pick = self.stores.next_pick(cursors)?;
            if !self.is_aside(&pick) {
                return Some(pick);
            }
        }
    }

    pub(super) fn is_aside(&self, pick: &Pick) -> bool {
        self.aside
            .holds(&self.stores.boots[pick.rank].0, pick.head.seq)
    }
}

/// When a report was taken, as far as the `anchors` of its boot tell.
pub(super) fn time(head: &Head, anchors: &[Anchor]) -> (u64, Certainty) {
    match anchors.iter().find(|anchor| anchor.concerns(head)) {
        Some(anchor) => (
            anchor.base.saturating_add(head.mono.into()),
            Certainty::Restamped,
        ),
        None => (head.at, head.clock),
    }
}
