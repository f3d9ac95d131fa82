//! A device's life: its two disks, its clocks, the spool on them, and who gets the reports.

mod ends;
mod scene;

use std::collections::BTreeSet;
use std::sync::Mutex;

use socketman::process::clock::Reading;
use socketman_lab::disk::SimDisk;
use spool::{Batch, Bounds, ReportId, Spool, Stamp};

use super::disks::{Fate, Fated};
use super::ledger::{Collected, Id, Ledger};
use super::report;
use super::script::Step;

pub(crate) use scene::Scene;

/// Small, so that room runs out.
pub(crate) const BOUNDS: Bounds = Bounds {
    ram: 6000,
    flash: 4000,
    flash_daily: 64 << 10,
};

/// The real time when a life begins.
const START: u64 = 1_780_000_000;

/// The fate of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Arrives,
    KeptBack,
    SetAside,
    Refused,
    GivenUp,
}

pub(crate) struct World {
    pub(crate) ram: SimDisk,
    pub(crate) flash: SimDisk,
    pub(crate) fate: Fate,
    pub(crate) ledger: Ledger,
    pub(crate) context: String,
    bounds: Bounds,
    spool: Option<Spool<Fated, Fated>>,
    boot: usize,
    /// Real seconds since the epoch, and at the boot.
    now: u64,
    booted: u64,
    /// The clock's error, and whether it is known to be right.
    offset: i64,
    synced: bool,
    /// The last that was delivered in its turn.
    last: Option<Id>,
    /// Reports that this process has set aside, and all that ever were: they come later.
    aside: Vec<ReportId>,
    late: BTreeSet<Id>,
    /// Batches that were sent.
    batches: u64,
}

impl World {
    pub(crate) fn new(context: &str) -> Self {
        World::within(BOUNDS, context)
    }

    pub(crate) fn within(bounds: Bounds, context: &str) -> Self {
        World {
            bounds,
            ram: SimDisk::new(),
            flash: SimDisk::new(),
            fate: Fate::default(),
            ledger: Ledger::default(),
            context: context.to_owned(),
            spool: None,
            boot: 0,
            now: START + 20,
            booted: START,
            offset: 0,
            synced: true,
            last: None,
            aside: Vec::new(),
            late: BTreeSet::new(),
            batches: 0,
        }
    }

    fn reboot(&mut self) {
        self.boot += 1;
        self.booted = self.now;
        self.now += 20;
    }

    fn reading(&self) -> Reading {
        Reading {
            epoch: self.now.saturating_add_signed(self.offset),
            mono: self.now - self.booted,
            synced: self.synced,
        }
    }

    fn is_failing(&self) -> bool {
        let spool = self.spool.as_ref();
        spool.is_some_and(|spool| spool.facts().last_error.is_some())
    }

    fn open(&mut self) {
        let fated = |disk: &SimDisk| Fated {
            disk: disk.clone(),
            fate: self.fate.clone(),
        };
        let boot = format!("boot-{}", self.boot);
        self.last = None;
        self.aside.clear();
        let (ram, flash) = (fated(&self.ram), fated(&self.flash));
        self.spool = Spool::on(ram, Some(flash), &boot, self.bounds).ok();
    }

    /// Lives through `steps` until the end its fate has in store.
    pub(crate) fn run(&mut self, steps: &[Step]) {
        self.open();
        self.go_on(steps);
    }

    /// Lives on through `steps`, with the process that runs.
    pub(crate) fn go_on(&mut self, steps: &[Step]) {
        for step in steps {
            self.step(step);
            if self.fate.has_ended() {
                return;
            }
        }
    }

    /// Lives through `steps` until `after` of them came behind the fault that its fate has in store.
    pub(crate) fn run_past_the_fault(&mut self, steps: &[Step], after: usize) {
        self.open();
        let mut left = after;
        for step in steps {
            if self.fate.is_past_the_fault() {
                match left.checked_sub(1) {
                    Some(less) => left = less,
                    None => return,
                }
            }
            self.step(step);
        }
    }

    fn step(&mut self, step: &Step) {
        if self.spool.is_none() {
            self.open();
        }
        match step {
            Step::Append(pad) => self.append(*pad),
            Step::Wait(seconds) => self.now += seconds,
            Step::Clock(offset, synced) => (self.offset, self.synced) = (*offset, *synced),
            Step::Deliver(max) => self.send_next(*max, Sent::Arrives),
            Step::KeepBack => self.send_next(1000, Sent::KeptBack),
            Step::Refuse => self.send_next(0, Sent::SetAside),
            Step::Again(arrives) => self.send_again(*arrives),
            Step::TakeBack => self.take_back(),
            Step::GiveUp => self.send_next(0, Sent::GivenUp),
            Step::Halve => self.halve(),
            Step::Newest => self.newest(),
            // Nothing can hold what no disk takes over the end of the process.
            Step::Restart if self.is_failing() => {}
            Step::Restart => self.open(),
            Step::Reboot => {
                let now = self.reading();
                if let Some(spool) = &mut self.spool {
                    spool.close(now);
                }
                // What flash did not get is gone.
                self.ledger.power_cuts += 1;
                self.ram = SimDisk::new();
                self.reboot();
                self.open();
            }
        }
    }

    fn append(&mut self, pad: usize) {
        let now = self.reading();
        let made = Mutex::new(None);
        let build = |stamp: &Stamp<'_>| {
            *made.lock().unwrap() = Some(stamp.seq);
            report::line(stamp, pad)
        };
        let Some(spool) = &mut self.spool else {
            return;
        };
        spool.append(&build, now).unwrap();
        let seq = made.into_inner().unwrap().unwrap();
        if self.fate.has_ended() {
            // It was not acknowledged; its number may be another's.
            return;
        }
        let report = Collected {
            at: self.now,
            clock: now.epoch,
            synced: now.synced,
        };
        self.ledger.collected.insert((self.boot, seq), report);
    }

    /// Takes the next batch and sends it.
    fn send_next(&mut self, max: u64, becomes: Sent) {
        let now = self.reading();
        let Some(spool) = &mut self.spool else {
            return;
        };
        let Some(batch) = spool.next_batch(max, now) else {
            return;
        };
        let error = spool.facts().last_error.unwrap_or_default();
        if ["read a segment", "repair a segment"]
            .iter()
            .any(|what| error.contains(what))
        {
            // Reports that were passed over come later.
            let all = self.ledger.collected.keys();
            self.late
                .extend(all.filter(|id| !self.ledger.arrived.contains(id)));
        }
        self.send(batch, true, becomes);
    }

    /// Sends a batch; `in_turn` if it is not ahead of others.
    fn send(&mut self, batch: Batch, in_turn: bool, becomes: Sent) {
        self.batches += 1;
        let now = self.reading();
        let ids = self.read(&batch);
        assert!(ids.is_sorted_by(|a, b| a < b), "{}: {ids:?}", self.context);
        for id in &ids {
            let noted = self.ledger.arrived.contains(id) && !self.ledger.unnoticed.contains(id);
            assert!(!noted, "{}: {id:?} comes again", self.context);
        }
        let Some(spool) = &mut self.spool else {
            return;
        };
        match becomes {
            Sent::Arrives => {
                self.ledger.arrived.extend(&ids);
                spool.delivered(batch.id, now);
                if self.fate.has_ended() || self.is_failing() {
                    self.ledger.unnoticed.extend(&ids);
                }
            }
            Sent::KeptBack => spool.kept_back(batch.id, now),
            Sent::SetAside => {
                self.aside.push(batch.first.clone());
                self.late.extend(&ids);
                spool.set_aside(batch.id);
            }
            Sent::Refused => spool.refused(batch.id),
            Sent::GivenUp => spool.given_up(batch.id),
        }
        if becomes == Sent::Arrives && in_turn {
            let context = &self.context;
            let mut in_order = ids.iter().filter(|id| !self.late.contains(id));
            if let Some(first) = in_order.clone().next() {
                assert!(
                    self.last < Some(*first),
                    "{context}: {:?}, {ids:?}",
                    self.last
                );
                self.last = in_order.next_back().copied();
            }
        }
    }

    /// Sends the report again that was set aside first.
    fn send_again(&mut self, arrives: bool) {
        let now = self.reading();
        let Some(spool) = &mut self.spool else {
            return;
        };
        if self.aside.is_empty() {
            return;
        }
        // It may have been left out for room, or a disk fails.
        let Some(batch) = spool.alone(&self.aside[0], now) else {
            return;
        };
        assert_eq!(batch.first, self.aside.remove(0), "{}", self.context);
        let becomes = match arrives {
            true => Sent::Arrives,
            false => Sent::Refused,
        };
        self.send(batch, false, becomes);
    }

    fn take_back(&mut self) {
        let now = self.reading();
        let reports = std::mem::take(&mut self.aside);
        if let Some(spool) = &mut self.spool {
            spool.take_back(&reports, now);
        }
    }

    /// The lines of a batch as a server reads them.
    fn read(&mut self, batch: &Batch) -> Vec<Id> {
        let lines = report::lines(batch);
        let lines = lines.iter();
        lines
            .map(|line| self.ledger.send(line, &self.context))
            .collect()
    }

    fn halve(&mut self) {
        let now = self.reading();
        let Some(spool) = &mut self.spool else {
            return;
        };
        let Some(batch) = spool.next_batch(2000, now) else {
            return;
        };
        let half = spool.halve(batch.id, now);
        if let Some(half) = half {
            // A disk that fails meanwhile gives less.
            assert!(half.reports <= batch.reports / 2);
            self.send(half, true, Sent::Arrives);
        }
    }

    fn newest(&mut self) {
        let now = self.reading();
        let Some(spool) = &mut self.spool else {
            return;
        };
        if let Some(batch) = spool.newest(now) {
            assert_eq!(batch.reports, 1);
            self.send(batch, false, Sent::Arrives);
        }
    }

    /// Starts without help, goes on, delivers everything, and looks at what came of it.
    pub(crate) fn recover(mut self) {
        self.open();
        self.settle();
    }

    /// Goes on until everything is delivered and declared, and looks at it.
    pub(crate) fn settle(&mut self) {
        (self.offset, self.synced) = (0, true);
        self.now += 700;
        self.take_back();
        for _ in 0..2 {
            self.step(&Step::Append(0));
            self.now += 700;
            self.deliver_all();
        }
        let context = &self.context;
        let facts = self.spool.as_ref().expect(context).facts();
        assert_eq!((facts.reports, facts.last_error), (0, None), "{context}");
        self.ledger.check(context);
    }

    fn deliver_all(&mut self) {
        for round in 0.. {
            assert!(round < 1000, "{}: it never ends", self.context);
            let before = self.batches;
            self.step(&Step::Deliver(1500));
            if self.batches == before {
                return;
            }
        }
    }
}
