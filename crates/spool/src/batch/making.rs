//! A batch put together.

use std::io;

use durable::Disk;

use crate::aside::ReportId;
use crate::deflate::{Body, Packer, FRAME};
use crate::order::{Cursors, Medium, Pick};
use crate::record::Certainty;
use crate::restamp::restamp;
use crate::spool::Spool;
use crate::store::is_damage;
use crate::Reading;

/// The bounds of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) bytes: usize,
    pub(super) reports: usize,
}

/// The place of a segment: its store, and its index there.
pub(super) type Spot = (Medium, usize);

/// A segment as it is known after others have gone: its store and its ordinal.
pub(super) type Known = (Medium, u64);

/// Why a batch cannot be put together.
pub(super) enum Trouble {
    /// A segment is not what it was.
    Damaged(Spot),
    /// A segment cannot be read.
    Disk(Spot, io::Error),
}

/// A batch, if any report may go.
pub(super) type Made = Result<Option<Making>, Trouble>;

impl Trouble {
    fn of(error: io::Error, pick: &Pick) -> Self {
        let spot = (pick.place, pick.segment);
        match is_damage(&error) {
            true => Trouble::Damaged(spot),
            false => Trouble::Disk(spot, error),
        }
    }
}

/// A batch in the making.
pub(super) struct Making {
    pub(super) body: Body,
    pub(super) plain: u64,
    pub(super) reports: Vec<(usize, u64)>,
    /// The place up to which deflate was copied as it is: store, segment and next entry.
    run: Option<(Medium, usize, usize)>,
    /// The compressor of those that are not.
    packer: Option<Packer>,
    /// Of this boot, the last whose time is not known.
    pub(super) unsynced: u64,
    /// Others could have been added if there were room.
    pub(super) more: bool,
}

impl Making {
    fn new() -> Self {
        Making {
            body: Body::new(),
            plain: 0,
            reports: Vec::new(),
            run: None,
            packer: None,
            unsynced: 0,
            more: false,
        }
    }
}

impl<R: Disk, F: Disk> Spool<R, F> {
    /// Puts the oldest reports together, but for those in the segments that are `passed` over.
    pub(super) fn make(&mut self, limit: Limit, passed: &[Known], now: Reading) -> Made {
        let mut making = Making::new();
        let mut cursors = Cursors::default();
        let mut is_held_up = !passed.is_empty();
        while let Some(pick) = self.next_in_line(&mut cursors) {
            if passed.contains(&self.known((pick.place, pick.segment))) {
                continue;
            }
            let full = making.body.len() + self.packed_size(&pick) > limit.bytes.max(FRAME)
                || making.reports.len() >= limit.reports;
            if self.is_held(&pick, now) {
                break;
            }
            if full && !making.reports.is_empty() {
                making.more = true;
                break;
            }
            if let Err(error) = self.add(&mut making, &pick) {
                is_held_up = true;
                self.unread_since.get_or_insert(now.mono);
                match Trouble::of(error, &pick) {
                    // What could be read goes.
                    Trouble::Disk(_, error) if !making.reports.is_empty() => {
                        self.failed("read a segment", &error);
                        break;
                    }
                    trouble => return Err(trouble),
                }
            }
        }
        if !is_held_up {
            self.unread_since = None;
        }
        Ok((!making.reports.is_empty()).then_some(making))
    }

    pub(super) fn known(&self, (place, at): Spot) -> Known {
        (place, self.stores.segment(place, at).name.ordinal)
    }

    /// Puts the newest report into a batch of its own.
    pub(super) fn make_newest(&mut self, now: Reading) -> Made {
        let mut cursors = Cursors::default();
        let (mut last, mut count) = (None, 0);
        while let Some(pick) = self.next_in_line(&mut cursors) {
            last = Some(pick);
            count += 1;
        }
        // The one before it may only go in its turn.
        let is_newest = |pick: &Pick| {
            pick.rank + 1 == self.stores.boots.len()
                && pick.head.seq + 1 == self.stores.notes().next_seq
        };
        let may_go = |pick: &Pick| count > 1 && is_newest(pick) && !self.is_held(pick, now);
        last.filter(may_go)
            .map(|pick| self.make_one(&pick))
            .transpose()
    }

    /// Puts one report into a batch of its own; `None` if it is not there.
    pub(super) fn make_alone(&mut self, report: &ReportId) -> Made {
        let pick = self.stores.find_report(report);
        pick.map(|pick| self.make_one(&pick)).transpose()
    }

    fn make_one(&mut self, pick: &Pick) -> Result<Making, Trouble> {
        let mut making = Making::new();
        self.add(&mut making, pick)
            .map_err(|error| Trouble::of(error, pick))?;
        Ok(making)
    }

    fn packed_size(&self, pick: &Pick) -> usize {
        self.stores.segment(pick.place, pick.segment).entries[pick.entry].packed as usize
    }

    /// Adds a report, as it is if what stands before it in its segment stands before it here too.
    fn add(&mut self, making: &mut Making, pick: &Pick) -> io::Result<()> {
        let _handling = match (pick.place, &self.stores.archive) {
            (Medium::Flash, Some(archive)) => archive.store.handle(pick.segment, pick.entry)?,
            _ => self.stores.ram.handle(pick.segment, pick.entry)?,
        };
        let (at, clock) = self.stores.time(pick);
        let here = (pick.place, pick.segment, pick.entry);
        let goes_on = making.run == Some(here) || pick.entry == 0;
        if goes_on && clock != Certainty::Restamped {
            let packed = match (pick.place, &mut self.stores.archive) {
                (Medium::Flash, Some(archive)) => archive.store.packed(pick.segment, pick.entry)?,
                _ => self.stores.ram.packed(pick.segment, pick.entry)?,
            };
            making.body.add(&packed, pick.head.plain, pick.head.crc);
            making.plain += u64::from(pick.head.plain);
            making.run = Some((pick.place, pick.segment, pick.entry + 1));
            making.packer = None;
        } else {
            let line = match (pick.place, &mut self.stores.archive) {
                (Medium::Flash, Some(archive)) => archive.store.line(pick.segment, pick.entry)?,
                _ => self.stores.ram.line(pick.segment, pick.entry)?,
            };
            let line = match clock {
                Certainty::Restamped => restamp(&line, pick.head.at, pick.head.mono, at),
                _ => line,
            };
            let packed = making.packer.get_or_insert_with(Packer::new).pack(&line);
            let plain = line.len() as u32;
            making.body.add(&packed, plain, crc32fast::hash(&line));
            making.plain += u64::from(plain);
            making.run = None;
        }
        let of_this_boot = pick.rank + 1 == self.stores.boots.len();
        if clock == Certainty::Unsynced && of_this_boot {
            making.unsynced = pick.head.seq;
        }
        making.reports.push((pick.rank, pick.head.seq));
        Ok(())
    }
}
