//! Reports out: oldest first, and gone only when somebody says that they arrived.

mod making;

use std::io;

use bytes::Bytes;
use durable::Disk;

use self::making::{Known, Limit, Made, Making, Spot, Trouble};
use super::aside::ReportId;
use super::deflate;
use super::gap::{Gaps, Reason};
use super::order::{Cursors, Medium};
use super::record::ALL_SAFE;
use super::spool::Spool;
use crate::sorted::sort;
use crate::Reading;

/// A segment that turns out to be damaged is repaired, and the batch begun again, this often.
pub(crate) const REPAIRS: usize = 8;

/// A segment that cannot be read, nor repaired, holds up the queue for this long and is passed over then, s.
const PATIENCE: u64 = 600;

/// Names a batch to [`Spool::delivered`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchId(u64);

impl BatchId {
    /// Names the batch `number` of something that stands for a spool, as in a model. A spool names its own.
    pub fn of(number: u64) -> Self {
        BatchId(number)
    }
}

/// Reports to send together.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Names it when its fate is known.
    pub id: BatchId,
    /// The oldest report in the batch.
    pub first: ReportId,
    /// Whole lines of NDJSON, as one gzip member.
    pub body: Bytes,
    /// The number of lines.
    pub reports: u64,
    /// Bytes of the lines.
    pub plain: u64,
    /// Others wait behind them.
    pub more: bool,
}

impl Batch {
    /// The lines as they are, for who does not take gzip.
    ///
    /// # Errors
    ///
    /// None, while nobody has changed the body.
    pub fn lines(&self) -> io::Result<Vec<u8>> {
        deflate::lines_of(&self.body, self.plain)
    }
}

/// The reports of the batch that is on its way.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) id: BatchId,
    /// Rank of the boot and seq, ascending.
    reports: Vec<(usize, u64)>,
}

impl Taken {
    pub(super) fn reports(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.reports.iter().copied()
    }

    pub(super) fn holds(&self, rank: usize, seq: u64) -> bool {
        self.reports.binary_search(&(rank, seq)).is_ok()
    }
}

impl<R: Disk, F: Disk> Spool<R, F> {
    /// The oldest reports, packed into up to `max_bytes` but at least one; `None` if there are none
    /// that may go.
    ///
    /// The same reports come again until they are [`Spool::delivered`]; a batch that was given out
    /// before is void then. A segment that cannot be read holds back what lies behind it for ten minutes; then it is
    /// passed over, and its reports come when it can be read again. One that has vanished or has other bytes
    /// is declared lost.
    pub fn next_batch(&mut self, max_bytes: u64, now: Reading) -> Option<Batch> {
        self.next_few(max_bytes, usize::MAX, now)
    }

    /// The oldest reports as [`Spool::next_batch`] has them, and no more than `reports`.
    pub fn next_few(&mut self, max_bytes: u64, reports: usize, now: Reading) -> Option<Batch> {
        // A batch on its way is spared when room is made: it must not be all there is.
        let bytes = max_bytes.min(self.bounds.ram / 4) as usize;
        self.oldest(Limit { bytes, reports }, now)
    }

    /// The newest report alone, if others wait before it and it may go.
    pub fn newest(&mut self, now: Reading) -> Option<Batch> {
        self.batch(&|spool, _| spool.make_newest(now), now)
    }

    pub(super) fn batch_of(&mut self, report: &ReportId, now: Reading) -> Option<Batch> {
        self.batch(&|spool, _| spool.make_alone(report), now)
    }

    /// True while a report is in the queue.
    pub(super) fn waits(&self, report: &ReportId) -> bool {
        self.stores.find_report(report).is_some()
    }

    /// The older half of the batch on its way, which is void then. `None` if it is one report, or
    /// another batch than the last given out; then nothing has changed.
    pub fn halve(&mut self, id: BatchId, now: Reading) -> Option<Batch> {
        let taken = self.taken.as_ref().filter(|taken| taken.id == id)?;
        let reports = taken.reports.len() / 2;
        if reports == 0 {
            return None;
        }
        let bytes = usize::MAX;
        self.oldest(Limit { bytes, reports }, now)
    }

    /// The batch arrived: its reports are forgotten. A batch that is not the last given out is
    /// ignored.
    pub fn delivered(&mut self, id: BatchId, now: Reading) {
        let Some(taken) = self.taken.take_if(|taken| taken.id == id) else {
            return;
        };
        self.offline_since = None;
        self.forget(&taken);
        self.forget_aside(&taken);
        self.flush();
        let is_empty = self.stores.next_pick(&mut Cursors::default()).is_none();
        if is_empty
            && self.pending.is_empty()
            && self.losses.gaps(&self.stores).as_slice().is_empty()
        {
            self.losses.since = ALL_SAFE;
        }
        self.tick(now);
    }

    /// The batch did not arrive: its reports stay and are no longer spared when room is made.
    pub fn kept_back(&mut self, id: BatchId, now: Reading) {
        if self.taken.take_if(|taken| taken.id == id).is_some() {
            self.offline_since.get_or_insert(now.mono);
            self.tick(now);
        }
    }

    /// The batch did not arrive and will not be sent again: the next report declares its reports
    /// lost. If a disk refuses that, they stay.
    pub fn given_up(&mut self, id: BatchId) {
        self.lose_taken(id, Reason::Unsent);
    }

    /// The server takes others, but not these, again and again: the next report declares them lost. If a
    /// disk refuses that, they stay, back in their place.
    pub fn refused(&mut self, id: BatchId) {
        self.lose_taken(id, Reason::Refused);
    }

    fn lose_taken(&mut self, id: BatchId, reason: Reason) {
        let Some(taken) = self.taken.take_if(|taken| taken.id == id) else {
            return;
        };
        self.forget_aside(&taken);
        // Flash first: while RAM has a report, nothing is lost.
        for place in [Medium::Flash, Medium::Ram] {
            let count = match (place, &self.stores.archive) {
                (Medium::Ram, _) => self.stores.ram.segments.len(),
                (Medium::Flash, Some(archive)) => archive.store.segments.len(),
                (Medium::Flash, None) => 0,
            };
            for at in 0..count {
                let segment = self.stores.segment(place, at);
                let rank = self.stores.rank(&segment.name.boot);
                let mut waiting = segment.waiting();
                if !waiting.any(|entry| taken.holds(rank, entry.head.seq)) {
                    continue;
                }
                drop(waiting);
                let keep = |seq| !taken.holds(rank, seq);
                if let Err(error) = self.rewrite(place, at, &keep, reason, Gaps::default()) {
                    return self.failed("give a report up", &error);
                }
            }
        }
        self.sweep();
    }

    /// Both stores forget what arrived.
    fn forget(&mut self, taken: &Taken) {
        let mut declared = 0;
        let boots = self.stores.boots.clone();
        let rank = |boot: &str| boots.iter().position(|(known, _)| **known == *boot);
        let mut noted = Ok(());
        for at in 0..self.stores.ram.segments.len() {
            let segment = &self.stores.ram.segments[at];
            let Some(rank) = rank(&segment.name.boot) else {
                continue;
            };
            let held = segment.waiting().filter(|e| taken.holds(rank, e.head.seq));
            declared = held.map(|e| e.head.declared).fold(declared, u64::max);
            noted = noted.and(
                self.stores
                    .ram
                    .sent(at, false, &|seq| taken.holds(rank, seq)),
            );
        }
        // The last segment knows the next seq: another takes its place before it goes.
        let is_done = |at: usize| self.stores.ram.segments[at].is_done(self.stores.declared());
        let tail = self.stores.ram.segments.len() - 1;
        if is_done(tail) && !self.stores.ram.segments[tail].entries.is_empty() {
            let (boot, mut notes) = self.stores.boot().clone();
            notes.next_seq = self.pending_from();
            let begun = self
                .stores
                .ram
                .begin(&boot, &mut self.stores.next_ordinal, &notes);
            noted = noted.and(begun);
        }
        if let Some(archive) = &mut self.stores.archive {
            let last = archive.store.segments.len().saturating_sub(1);
            for at in 0..archive.store.segments.len() {
                let segment = &archive.store.segments[at];
                let Some(rank) = rank(&segment.name.boot) else {
                    continue;
                };
                let held = segment.waiting().filter(|e| taken.holds(rank, e.head.seq));
                declared = held.map(|e| e.head.declared).fold(declared, u64::max);
                // The last stays while there are others.
                let stays = at == last && last > 0;
                let arrived = |seq| taken.holds(rank, seq);
                noted = noted.and(archive.store.sent(at, stays, &arrived));
            }
            noted = noted.and(archive.arrived(declared));
        }
        if let Err(error) = noted {
            self.failed("note what arrived", &error);
        }
        self.sweep();
    }

    fn oldest(&mut self, limit: Limit, now: Reading) -> Option<Batch> {
        self.batch(&|spool, passed| spool.make(limit, passed, now), now)
    }

    fn batch(&mut self, make: &dyn Fn(&mut Self, &[Known]) -> Made, now: Reading) -> Option<Batch> {
        self.taken = None;
        self.flush();
        self.set_right(now);
        let mut passed = Vec::new();
        let mut repairs = 0;
        while repairs < REPAIRS {
            let segment = match make(self, &passed) {
                Ok(making) => return self.give_out(making?),
                Err(Trouble::Damaged(spot)) => {
                    let segment = self.known(spot);
                    if self.give_up_segment(spot) {
                        repairs += 1;
                        continue;
                    }
                    segment
                }
                Err(Trouble::Disk(spot, error)) => {
                    self.failed("read a segment", &error);
                    self.known(spot)
                }
            };
            let since = self.unread_since.unwrap_or(now.mono);
            if now.mono.saturating_sub(since) < PATIENCE || passed.contains(&segment) {
                return None;
            }
            passed.push(segment);
        }
        None
    }

    fn give_out(&mut self, making: Making) -> Option<Batch> {
        self.stores.ram.end_reading();
        if let Some(archive) = &mut self.stores.archive {
            archive.store.end_reading();
        }
        if making.unsynced > self.stores.notes().fixed {
            if let Err(error) = self.stores.fix(making.unsynced) {
                self.failed("note what is sent", &error);
                return None;
            }
        }
        let &(rank, seq) = making.reports.first()?;
        let mut given = making.reports;
        // They rise already, unless somebody else put files here.
        sort(&mut given, &<(usize, u64)>::lt);
        let first = ReportId {
            boot: self.stores.boots[rank].0.clone(),
            seq,
        };
        self.batches += 1;
        let id = BatchId(self.batches);
        let reports = given.len() as u64;
        self.taken = Some(Taken { id, reports: given });
        Some(Batch {
            id,
            first,
            body: making.body.finish(making.plain).into(),
            reports,
            plain: making.plain,
            more: making.more,
        })
    }

    /// Declares lost what cannot be read of a segment. False if the disk does not take that.
    fn give_up_segment(&mut self, (place, at): Spot) -> bool {
        let name = &self.stores.segment(place, at).name;
        log::error!("spool: segment {name} cannot be read whole; what can be read is kept");
        let written = self.rewrite(place, at, &|_| true, Reason::Damaged, Gaps::default());
        if let Err(error) = &written {
            self.failed("repair a segment", error);
        }
        self.sweep();
        written.is_ok()
    }

    /// The seq of the first report that is not on disk.
    fn pending_from(&self) -> u64 {
        self.stores.notes().next_seq - self.pending.len() as u64
    }
}
