//! A device's life: its two disks, its clocks, the spool on them, and who gets the reports.

use std::io::Read;
use std::sync::Mutex;

use serde_json::json;
use socketman::clock::Reading;
use socketman::durable::Disk;
use socketman::spool::{Batch, Bounds, Spool, Stamp};
use socketman_lab::disk::{Chooser, SimDisk};

use crate::disks::{copy, Fate, Fated};
use crate::ledger::{Collected, Id, Ledger};
use crate::script::Step;

/// Small, so that room runs out.
pub(crate) const BOUNDS: Bounds = Bounds {
    ram: 6000,
    flash: 4000,
    flash_daily: 64 << 10,
};

/// The real time when a life begins.
const START: u64 = 1_780_000_000;

/// What becomes of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Arrives,
    KeptBack,
    Refused,
    GivenUp,
}

pub(crate) struct World {
    pub(crate) ram: SimDisk,
    pub(crate) flash: SimDisk,
    pub(crate) fate: Fate,
    pub(crate) ledger: Ledger,
    pub(crate) context: String,
    spool: Option<Spool<Fated, Fated>>,
    boot: usize,
    /// Real seconds since the epoch, and at the boot.
    now: u64,
    booted: u64,
    /// How wrong the clock is, and whether anybody knows that it is not.
    offset: i64,
    synced: bool,
    /// The last that was delivered in its turn.
    last: Option<Id>,
}

impl World {
    pub(crate) fn new(context: &str) -> Self {
        World {
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
        }
    }

    /// The same world after the process has ended, with other disks.
    fn after_end(&self, ram: SimDisk, flash: SimDisk) -> Self {
        let mut ledger = self.ledger.clone();
        ledger.ends += 1;
        World {
            ram,
            flash,
            ledger,
            context: self.context.clone(),
            now: self.now + 60,
            ..World {
                boot: self.boot,
                booted: self.booted,
                offset: self.offset,
                synced: self.synced,
                ..World::new("")
            }
        }
    }

    /// How many bytes were to be appended when the process ended.
    pub(crate) fn cut_off(&self) -> usize {
        self.fate.cut_off().map_or(0, |(_, bytes)| bytes.len())
    }

    /// Appends the first `len` of them all the same.
    pub(crate) fn tear(&mut self, len: usize) {
        let Some((name, bytes)) = self.fate.cut_off() else {
            return;
        };
        // A name is in one of the stores alone.
        for disk in [&mut self.ram, &mut self.flash] {
            if disk.content(&name).is_some() {
                disk.append(&name, &bytes[..len.min(bytes.len())]).unwrap();
            }
        }
    }

    /// The world after a kill in the middle of an append, of which so many bytes were written.
    pub(crate) fn after_torn_kill(&self, len: usize) -> Self {
        let mut world = self.after_end(copy(&self.ram), copy(&self.flash));
        world.fate = self.fate.clone();
        world.tear(len);
        world.fate = Fate::default();
        world
    }

    /// The world after a kill: the disks stay as they are.
    pub(crate) fn after_kill(&self) -> Self {
        self.after_end(self.ram.clone(), self.flash.clone())
    }

    /// The world after a power cut: RAM is empty, and flash what it can be.
    pub(crate) fn after_power_cut(&self, chooser: &mut Chooser) -> Self {
        let mut world = self.after_end(SimDisk::new(), self.flash.crash(chooser));
        world.ledger.power_cuts += 1;
        world.reboot();
        world
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
        self.spool = Spool::on(fated(&self.ram), Some(fated(&self.flash)), &boot, BOUNDS).ok();
    }

    /// Lives through `steps` until the end its fate has in store.
    pub(crate) fn run(&mut self, steps: &[Step]) {
        self.open();
        for step in steps {
            self.step(step);
            if self.fate.has_ended() {
                return;
            }
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
            Step::Refuse => self.send_next(0, Sent::Refused),
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
            line(stamp, pad)
        };
        let Some(spool) = &mut self.spool else {
            return;
        };
        spool.append(&build, now).unwrap();
        let seq = made.into_inner().unwrap().unwrap();
        if self.fate.has_ended() {
            // Nobody was told that it is kept; its number may be another's.
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
        if let Some(batch) = spool.next_batch(max, now) {
            self.send(batch, true, becomes);
        }
    }

    /// Sends a batch; `in_turn` if it is not ahead of others.
    fn send(&mut self, batch: Batch, in_turn: bool, becomes: Sent) {
        let now = self.reading();
        let ids = read(&mut self.ledger, &batch, &self.context);
        assert!(ids.is_sorted_by(|a, b| a < b), "{}: {ids:?}", self.context);
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
            Sent::Refused => spool.refused(batch.id),
            Sent::GivenUp => spool.given_up(batch.id),
        }
        if becomes == Sent::Arrives && in_turn {
            let context = &self.context;
            assert!(
                self.last < Some(ids[0]),
                "{context}: {:?}, {ids:?}",
                self.last
            );
            self.last = ids.last().copied();
        }
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
            let before = self.last;
            self.step(&Step::Deliver(1500));
            if self.last == before {
                return;
            }
        }
    }
}

/// A report, taken by the clock of its stamp.
fn line(stamp: &Stamp<'_>, pad: usize) -> Vec<u8> {
    let noise: String = (0..pad as u64)
        .map(|n| char::from(b'a' + (stamp.seq * 7919 + n * n * 31 + n * stamp.seq) as u8 % 26))
        .collect();
    let mut report = json!({
        "device": {
            "boot_id": stamp.boot_id,
            "seq": stamp.seq,
            "created_at": stamp.created_at,
            "clock": stamp.clock.word(),
        },
        "events": [{"at": stamp.created_at - 3}],
        "pad": noise,
    });
    if !stamp.gaps.is_empty() {
        report["gaps"] = json!(stamp.gaps);
    }
    serde_json::to_vec(&report).unwrap()
}

/// What a server reads that stops at the end of the first gzip member.
fn read(ledger: &mut Ledger, batch: &Batch, context: &str) -> Vec<Id> {
    let mut lines = Vec::new();
    let mut member = flate2::bufread::GzDecoder::new(&batch.body[..]);
    member.read_to_end(&mut lines).expect(context);
    assert!(member.into_inner().is_empty(), "{context}: a second member");
    let text = lines.strip_suffix(b"\n").expect("whole lines");
    let ids: Vec<Id> = text
        .split(|&byte| byte == b'\n')
        .map(|line| ledger.send(line, context))
        .collect();
    assert_eq!(ids.len() as u64, batch.reports, "{context}");
    ids
}
