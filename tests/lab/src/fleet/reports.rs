//! A device's queue of reports: their numbers alone.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use socketman::upload::{Queue, BATCH_MAX};
use spool::{Batch, BatchId, ReportId, Stopped};

use super::clock::Clock;
use super::sizes::Sizes;

/// Bytes of the queue, the default of `spool_max`.
const ROOM: u64 = 1 << 20;

/// Stands for the bytes of reports.
static BYTES: [u8; 2 * BATCH_MAX as usize] = [0; 2 * BATCH_MAX as usize];

/// The reports of a device that have not arrived. One comes every `monitor`.
#[derive(Debug, Clone)]
pub struct Reports {
    clock: Clock,
    sizes: Sizes,
    begun: Duration,
    monitor: Duration,
    waiting: Rc<RefCell<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    /// Every report below it has arrived, or had no room.
    first: u64,
    /// Later reports that have arrived.
    arrived: BTreeSet<u64>,
    aside: BTreeSet<u64>,
    /// The batch on its way.
    taken: (u64, Vec<u64>),
}

impl Reports {
    /// An empty queue; the first report comes now.
    pub fn new(clock: &Clock, sizes: &Sizes, monitor: Duration) -> Self {
        Reports {
            clock: clock.clone(),
            sizes: sizes.clone(),
            begun: clock.now(),
            monitor,
            waiting: Rc::new(RefCell::new(Waiting {
                first: 1,
                arrived: BTreeSet::new(),
                aside: BTreeSet::new(),
                taken: (0, Vec::new()),
            })),
        }
    }

    /// The number of the report taken last.
    fn last(&self) -> u64 {
        let since = self.clock.now() - self.begun;
        let count = since.as_nanos() / self.monitor.as_nanos().max(1);
        1 + u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// The number that wait.
    pub fn count(&self) -> u64 {
        let waiting = self.waiting.borrow();
        1 + self.last() - waiting.first - waiting.arrived.len() as u64
    }

    /// Drops what has no room, oldest first. The real spool thins, and has as many bytes.
    fn make_room(&self) {
        let most = ROOM / self.sizes.more().max(1);
        let last = self.last();
        let mut waiting = self.waiting.borrow_mut();
        if 1 + last - waiting.first > most {
            let first = 1 + last - most;
            waiting.first = first;
            waiting.arrived = waiting.arrived.split_off(&first);
            waiting.aside = waiting.aside.split_off(&first);
            waiting.skip();
        }
    }

    fn give_out(&self, reports: Vec<u64>, more: bool) -> Option<Batch> {
        let first = *reports.first()?;
        let count = reports.len();
        let mut waiting = self.waiting.borrow_mut();
        waiting.taken = (waiting.taken.0 + 1, reports);
        let size = usize::try_from(self.sizes.of(count)).unwrap_or(usize::MAX);
        Some(Batch {
            id: BatchId::of(waiting.taken.0),
            first: ReportId::new("", first),
            body: Bytes::from_static(&BYTES[..size.min(BYTES.len())]),
            reports: count as u64,
            plain: 0,
            more,
        })
    }

    fn settled(&self, id: BatchId, mut how: impl FnMut(&mut Waiting, u64)) {
        let mut waiting = self.waiting.borrow_mut();
        if BatchId::of(waiting.taken.0) == id {
            for report in std::mem::take(&mut waiting.taken.1) {
                how(&mut waiting, report);
            }
        }
    }
}

impl Waiting {
    fn waits(&self, report: u64) -> bool {
        report >= self.first && !self.arrived.contains(&report)
    }

    fn arrives(&mut self, report: u64) {
        self.aside.remove(&report);
        if self.waits(report) {
            self.arrived.insert(report);
            self.skip();
        }
    }

    fn skip(&mut self) {
        while self.arrived.remove(&self.first) {
            self.first += 1;
        }
    }
}

impl Queue for Reports {
    async fn next_few(&self, max_bytes: u64, reports: usize) -> Result<Option<Batch>, Stopped> {
        self.make_room();
        let (mut taken, mut more) = (Vec::new(), false);
        let last = self.last();
        let waiting = self.waiting.borrow();
        let is_whole = waiting.arrived.is_empty() && waiting.aside.is_empty();
        let in_turn =
            |report: &u64| is_whole || waiting.waits(*report) && !waiting.aside.contains(report);
        for report in (waiting.first..=last).filter(in_turn) {
            let fits = taken.len() < reports && self.sizes.of(taken.len() + 1) <= max_bytes;
            if !fits && !taken.is_empty() {
                more = true;
                break;
            }
            taken.push(report);
        }
        drop(waiting);
        Ok(self.give_out(taken, more))
    }

    async fn newest(&self) -> Result<Option<Batch>, Stopped> {
        let (last, others) = (self.last(), self.count() > 1);
        let waiting = self.waiting.borrow();
        let may_go = others && waiting.waits(last) && !waiting.aside.contains(&last);
        drop(waiting);
        Ok(may_go.then(|| self.give_out(vec![last], false)).flatten())
    }

    async fn halve(&self, id: BatchId) -> Result<Option<Batch>, Stopped> {
        let waiting = self.waiting.borrow();
        let (taken, reports) = &waiting.taken;
        let half = reports[..reports.len() / 2].to_vec();
        let is_it = BatchId::of(*taken) == id;
        drop(waiting);
        Ok(is_it.then(|| self.give_out(half, true)).flatten())
    }

    async fn alone(&self, report: ReportId) -> Result<Option<Batch>, Stopped> {
        let waits = self.waiting.borrow().waits(report.seq());
        Ok(waits
            .then(|| self.give_out(vec![report.seq()], false))
            .flatten())
    }

    async fn take_back(&self, reports: Vec<ReportId>) -> Result<(), Stopped> {
        let mut waiting = self.waiting.borrow_mut();
        reports.iter().for_each(|report| {
            waiting.aside.remove(&report.seq());
        });
        Ok(())
    }

    async fn delivered(&self, id: BatchId) -> Result<(), Stopped> {
        self.settled(id, Waiting::arrives);
        Ok(())
    }

    async fn kept_back(&self, id: BatchId) -> Result<(), Stopped> {
        self.settled(id, |_, _| {});
        Ok(())
    }

    async fn set_aside(&self, id: BatchId) -> Result<(), Stopped> {
        self.settled(id, |waiting, report| {
            waiting.aside.insert(report);
        });
        Ok(())
    }

    async fn refused(&self, id: BatchId) -> Result<(), Stopped> {
        self.settled(id, Waiting::arrives);
        Ok(())
    }

    async fn server_date(&self, _date: u64) -> Result<(), Stopped> {
        Ok(())
    }

    async fn wants_date(&self) -> Result<bool, Stopped> {
        Ok(false)
    }
}
