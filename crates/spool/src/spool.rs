//! The spool itself: reports in, bounded, on disk before anything else happens to them.

use std::collections::VecDeque;
use std::io;

use durable::{Directory, Disk};

use super::archive::Archive;
use super::aside::Aside;
use super::batch::Taken;
use super::corrections::Corrections;
use super::gap::{Gap, Gaps, Reason};
use super::losses::Losses;
use super::order::Cursors;
use super::record::{Certainty, Head, LINE_MAX};
use super::stores::Stores;
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
    pub(super) stores: Stores<R, F>,
    pub(super) losses: Losses,
    pub(super) corrections: Corrections,
    pub(super) bounds: Bounds,
    /// Reports that no disk has taken yet.
    pub(super) pending: VecDeque<Pending>,
    /// The batch on its way.
    pub(super) taken: Option<Taken>,
    pub(super) aside: Aside,
    /// Batches that were given out.
    pub(super) batches: u64,
    /// Deliveries fail since then, seconds since the boot.
    pub(super) offline_since: Option<u64>,
    /// A segment has held up the queue since then because it cannot be read, seconds since the boot.
    pub(super) unread_since: Option<u64>,
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
        let seq = self.stores.notes().next_seq;
        let clock = match now.synced {
            true => Certainty::Ok,
            false => Certainty::Unsynced,
        };
        let gaps = self.losses.gaps(&self.stores).until(now.epoch);
        let mut line = build(&Stamp {
            boot_id: &self.stores.boot().0,
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
            self.losses
                .lose(Gap::one(now.synced.then_some(now.epoch), Reason::Full));
            return Err(SpoolError::TooLarge { len, max });
        }
        let declared = self.losses.next_id - 1;
        self.losses.doubt(now.synced.then_some(now.epoch));
        let head = Head {
            seq,
            at: now.epoch,
            mono: u32::try_from(now.mono).unwrap_or(u32::MAX),
            clock,
            declared,
            plain: u32::try_from(len).unwrap_or(u32::MAX),
            crc: crc32fast::hash(&line),
            since: self.losses.since,
        };
        self.stores.notes_mut().next_seq += 1;
        self.losses.promised = declared;
        let gaps = std::mem::take(&mut self.losses.owed);
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
        while let Some(pick) = self.stores.next_pick(&mut cursors) {
            oldest.get_or_insert_with(|| self.stores.time(&pick).0);
            reports += 1;
            set_aside += u64::from(self.is_aside(&pick));
        }
        Facts {
            reports,
            set_aside,
            bytes: self.stores.ram.bytes() + self.pending_bytes(),
            oldest: oldest.or_else(|| Some(self.pending.front()?.head.at)),
            thinned: self.losses.thinned,
            dropped: self.losses.dropped,
            flash_today: self
                .stores
                .archive
                .as_ref()
                .map_or(0, Archive::written_today),
            last_error: self.last_error.clone(),
        }
    }

    fn pending_bytes(&self) -> u64 {
        self.pending.iter().map(|p| p.line.len() as u64).sum()
    }

    /// Writes what waits in memory, in order, until the disk refuses.
    pub(super) fn flush(&mut self) {
        while let Some(next) = self.pending.pop_front() {
            let mut notes = self.stores.notes().clone();
            notes.next_seq = next.head.seq;
            let boot = self.stores.boot().0.clone();
            let written = self.stores.ram.append(
                &boot,
                &next.head,
                &next.line,
                &mut self.stores.next_ordinal,
                &notes,
            );
            if let Err(error) = written {
                self.failed("keep a report", &error);
                self.pending.push_front(next);
                return;
            }
            self.last_error = None;
            let notes = self.stores.notes_mut();
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
            self.losses.owed.extend(declared.into_vec());
            let at = is_sure.then_some(oldest.head.at);
            self.losses.lose(Gap::one(at, Reason::Full));
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
