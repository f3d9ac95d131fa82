//! The spool itself: reports in, bounded, on disk before anything else happens to them.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use durable::{Directory, Disk};

use super::archive::Archive;
use super::aside::Aside;
use super::batch::Taken;
use super::gap::{Gap, Gaps, Reason};
use super::notes::{Anchor, Notes};
use super::order::Cursors;
use super::record::{Certainty, Head, LINE_MAX};
use super::store::Store;
use super::{Facts, SpoolError, Stamp};
use crate::Reading;

/// Bytes of reports kept in memory while the disk does not take them. The newest report is kept
/// even if it alone is larger.
pub const PENDING_MAX: u64 = 256 << 10;

/// Makes a report's line, without its end, for the identity it is given.
pub type Builder<'a> = dyn Fn(&Stamp<'_>) -> Vec<u8> + Send + 'a;

/// The bounds of a spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes in RAM.
    pub ram: u64,
    /// Bytes on flash.
    pub flash: u64,
    /// Bytes written to flash in a day.
    pub flash_daily: u64,
}

/// A report with its identity that is not on disk yet.
#[derive(Debug)]
pub(super) struct Pending {
    head: Head,
    line: Vec<u8>,
    /// Gaps that its line declares and that stand in no segment.
    gaps: Gaps,
}

/// A bounded queue of report lines in files, which a kill at any point leaves whole.
#[derive(Debug)]
pub struct Spool<R = Directory, F = Directory> {
    pub(super) ram: Store<R>,
    pub(super) archive: Option<Archive<F>>,
    pub(super) bounds: Bounds,
    /// Boots in the order they happened, each with what has to be remembered of it. The last is this
    /// one; the next seq of its notes counts reports that are pending.
    pub(super) boots: Vec<(Arc<str>, Notes)>,
    pub(super) next_ordinal: u64,
    /// Id of the next loss that is written down.
    pub(super) next_id: u64,
    /// Losses up to this id are declared by a report that is kept, on disk or pending.
    pub(super) promised: u64,
    pub(super) pending: VecDeque<Pending>,
    /// Lost, written down nowhere, and declared by no line yet.
    pub(super) owed: Gaps,
    pub(super) taken: Option<Taken>,
    pub(super) aside: Aside,
    pub(super) batches: u64,
    /// A power cut now loses nothing that is older, seconds since the epoch.
    pub(super) since: u64,
    /// A correction of times that is not noted everywhere yet, because a disk fails, and since when, seconds
    /// since the boot.
    pub(super) unsure: Option<(Anchor, u64)>,
    /// Not every segment tells what it should of times.
    pub(super) untold: bool,
    /// Deliveries fail since then, seconds since the boot.
    pub(super) offline_since: Option<u64>,
    pub(super) thinned: u64,
    pub(super) dropped: u64,
    pub(super) last_error: Option<String>,
}

impl<R: Disk, F: Disk> Spool<R, F> {
    /// Keeps a report: on disk, or in memory while the disk fails (see [`Facts::last_error`]).
    ///
    /// # Errors
    ///
    /// A line that is empty or has an end of line in it, or one that is larger than the spool.
    pub fn append(&mut self, build: &Builder<'_>, now: Reading) -> Result<(), SpoolError> {
        self.flush();
        let seq = self.notes().next_seq;
        let clock = match now.synced {
            true => Certainty::Ok,
            false => Certainty::Unsynced,
        };
        let gaps = self.gaps().until(now.epoch);
        let mut line = build(&Stamp {
            boot_id: &self.boot().0,
            seq,
            created_at: now.epoch,
            clock,
            gaps: gaps.as_slice(),
        });
        if line.is_empty() || line.contains(&b'\n') {
            return Err(SpoolError::NotALine);
        }
        line.push(b'\n');
        let len = line.len() as u64;
        let max = self.bounds.ram.min(LINE_MAX.into());
        if len > max {
            self.lose(Gap::one(now.synced.then_some(now.epoch), Reason::Full));
            return Err(SpoolError::TooLarge { len, max });
        }
        let declared = self.next_id - 1;
        self.doubt(now.synced.then_some(now.epoch));
        let head = Head {
            seq,
            at: now.epoch,
            mono: u32::try_from(now.mono).unwrap_or(u32::MAX),
            clock,
            declared,
            plain: u32::try_from(len).unwrap_or(u32::MAX),
            crc: crc32fast::hash(&line),
            since: self.since,
        };
        self.notes_mut().next_seq += 1;
        self.promised = declared;
        let gaps = std::mem::take(&mut self.owed);
        self.pending.push_back(Pending { head, line, gaps });
        self.flush();
        self.trim_pending();
        self.tick(now);
        Ok(())
    }

    /// Does what is due: sets times right, copies to flash, makes room.
    pub fn tick(&mut self, now: Reading) {
        self.make_room();
        self.set_right(now);
        self.keep_on_flash(now, false);
    }

    /// The state of the spool, for `status`.
    pub fn facts(&self) -> Facts {
        let mut cursors = Cursors::default();
        let (mut reports, mut oldest) = (self.pending.len() as u64, None);
        let mut set_aside = 0;
        while let Some(pick) = self.next_pick(&mut cursors) {
            oldest.get_or_insert_with(|| self.time(&pick).0);
            reports += 1;
            set_aside += u64::from(self.is_aside(&pick));
        }
        Facts {
            reports,
            set_aside,
            bytes: self.ram.bytes() + self.pending_bytes(),
            oldest: oldest.or_else(|| Some(self.pending.front()?.head.at)),
            thinned: self.thinned,
            dropped: self.dropped,
            flash_today: self.archive.as_ref().map_or(0, Archive::written_today),
            last_error: self.last_error.clone(),
        }
    }

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

    /// A power cut would lose what was taken at `at`, or nobody knows when.
    pub(super) fn doubt(&mut self, at: Option<u64>) {
        self.since = self.since.min(at.unwrap_or(0));
    }

    /// Losses up to this id are declared by a report that was written.
    pub(super) fn declared(&self) -> u64 {
        let all = self.boots.iter().map(|(_, notes)| notes.declared);
        all.max().unwrap_or(0)
    }

    /// All that the next report has to declare.
    pub(super) fn gaps(&self) -> Gaps {
        let mut gaps = self.owed.clone();
        let written = self.ram.owed(self.promised).map(|(_, gap)| gap.clone());
        gaps.extend(written);
        if let Some(archive) = &self.archive {
            let written = archive.store.owed(self.promised);
            gaps.extend(written.map(|(_, gap)| gap.clone()));
        }
        gaps
    }

    fn pending_bytes(&self) -> u64 {
        self.pending.iter().map(|p| p.line.len() as u64).sum()
    }

    /// Counts reports as lost.
    pub(super) fn count_lost(&mut self, gap: &Gap) {
        let counter = match gap.reason {
            Reason::Thinned => &mut self.thinned,
            _ => &mut self.dropped,
        };
        *counter = counter.saturating_add(gap.count.unwrap_or(0));
    }

    /// Counts reports as lost and declares them in the next line.
    pub(super) fn lose(&mut self, gap: Gap) {
        self.count_lost(&gap);
        self.owed.add(gap);
    }

    /// Writes what waits in memory, in order, until the disk refuses.
    pub(super) fn flush(&mut self) {
        while let Some(next) = self.pending.pop_front() {
            let mut notes = self.notes().clone();
            notes.next_seq = next.head.seq;
            let boot = self.boot().0.clone();
            let written = self.ram.append(
                &boot,
                &next.head,
                &next.line,
                &mut self.next_ordinal,
                &notes,
            );
            if let Err(error) = written {
                self.failed("keep a report", &error);
                self.pending.push_front(next);
                return;
            }
            self.last_error = None;
            let notes = self.notes_mut();
            notes.declared = notes.declared.max(next.head.declared);
        }
    }

    /// Holds the memory queue to its bound. What a dropped line declared is owed again.
    fn trim_pending(&mut self) {
        while self.pending.len() > 1 && self.pending_bytes() > PENDING_MAX {
            let Some(oldest) = self.pending.pop_front() else {
                return;
            };
            // Those in its line that stand in a segment are declared by the next one's number.
            drop(oldest.gaps);
            let mut declared = Gaps::declared_in(&oldest.line);
            let is_sure = oldest.head.clock == Certainty::Ok;
            if !is_sure {
                declared.reopen(oldest.head.at);
            }
            self.owed.extend(declared.into_vec());
            let at = is_sure.then_some(oldest.head.at);
            self.lose(Gap::one(at, Reason::Full));
        }
    }

    pub(super) fn failed(&mut self, what: &str, error: &io::Error) {
        let text = format!("cannot {what}: {error}");
        if self.last_error.as_deref() != Some(&text) {
            log::error!("spool: {text}");
        }
        self.last_error = Some(text);
    }
}
