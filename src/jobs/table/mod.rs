//! The one place that knows a job: from its acceptance until its id may be used again.
//!
//! # Constraints
//!
//! An id starts at most once and its result arrives at least once, after kills and power cuts at any
//! moment. So no step has an effect outside before it is certain to survive: the broker's message
//! is acknowledged when the job is on the disk, the shell starts when its start is, the result leaves when
//! the outcome is. Flash is slow and wears, so that steps taken together share a sync, and acceptance and
//! start of a job are one record when a worker is free.
//!
//! # States
//!
//! ```text
//!              accept                 start               finish               report
//!  (unknown) ─────────► Accepted ───────────► Started ───────────► Finished ───────────► Reported
//!      │                    │                                          ▲                    │ 24 h, and
//!      └─ refused:          └──────────────────── finish ──────────────┘                    │ no signature
//!         nothing kept         cancelled, expired or refused before it started              │ is valid
//!                                                                                           ▼
//!                                                                                       (unknown)
//! ```
//!
//! Each arrow is one [`Record`]. The driver of the table hands the records of [`Table::take_batch`] to the
//! disk, in order, and says [`Table::written`] or [`Table::failed`]; only then the table says what has to be
//! done: acknowledge, start, publish ([`Effect`]). The disk being slow holds up nothing else.
//!
//! Pings, cancels and jobs of the bus without an id of their own are not recorded: they live in RAM from
//! acceptance to report. Reported jobs keep 4 KiB of output each, the newest 128 of them; of older ones an
//! [`Id`] of 18 bytes is left, which still tells how they ended.
//!
//! # What a crash leaves
//!
//! The records up to some point, for the log loses nothing but its end. By the last record of a job:
//!
//! | last record | the next agent |
//! |---|---|
//! | none | the broker was not answered, and sends the job again |
//! | accepted | runs it, if it may still run |
//! | started | does not run it: INTERRUPTED; a detached job is looked for, a reboot has happened or not |
//! | finished | publishes its outcome |
//! | reported | runs nothing and publishes nothing; asked again, it repeats the outcome |
//!
//! A disk that fails: a new job is refused, a start waits until it can be written, and an outcome is
//! published all the same. The table then wants to be written as a whole ([`Table::snapshot`]), as it does
//! when the log has grown. While a disk only is late ([`Table::late`]) the same holds for everything but the jobs that it
//! has been given: it may have them on the medium already, so that they are neither accepted nor refused before it answers.

mod absorb;
mod bounds;
mod codec;
mod entry;
mod failing;
mod id;
mod key;
mod record;
mod register;
mod replay;
mod rooms;
mod seen;
mod steps;
#[cfg(test)]
mod tests;
mod views;

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::source::Source;

pub use bounds::{Bounds, Now};
pub use id::{Id, Verdict};
pub use key::Key;
pub use record::{About, Record, Start};
pub use register::{Page, Recalled};
pub use seen::Ids;
pub use views::{Known, Ready};

use entry::{Entry, Phase};
use rooms::Rooms;
use seen::Seen;

/// Output of all outcomes that nobody has yet, bytes.
pub const UNREPORTED_MAX: usize = 1 << 20;

/// Output kept of an outcome that was reported, bytes.
pub const BRIEF: usize = 4096;

/// Reported jobs that are kept with their outcome.
const KEPT: usize = 128;

/// Output kept of all of them, bytes; beyond it the oldest lose theirs.
const KEPT_BYTES: usize = 256 << 10;

/// Jobs of one source that are not recorded and whose answers nobody has.
const LOOSE_MAX: usize = 10_240;

/// Counts the jobs of this agent, in the order in which they were accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(u64);

#[cfg(test)]
impl Number {
    pub(super) fn of(number: u64) -> Self {
        Number(number)
    }
}

/// There is no room for another job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no space to record the job")]
pub struct Full;

/// An effect of a step that is certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The job is accepted: its sender can be told.
    Accepted(Number),
    /// The disk is late with the job, and may have it or not.
    Late(Number),
    /// The job could not be recorded and is forgotten.
    Refused(Number),
    /// The shell may start.
    Run(Number),
    /// The job runs since an earlier agent, which it has outlived.
    Adopt(Number),
    /// An earlier agent started the job, and what it changed is yet to be judged.
    Judge(Number),
    /// The job has ended: its outcome can be published.
    Ended(Number),
}

/// A step on its way to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Accept,
    /// Acceptance and start in one record.
    AcceptStarted,
    Start,
    Finish,
}

/// Records to write, in order.
#[derive(Debug)]
pub struct Batch {
    pub records: Vec<Record>,
    /// In the place of everything that was written before.
    pub replaces: bool,
    /// The number of records at the end of such a batch that accept jobs or start them.
    pub uncertain: usize,
    /// Something waits until it is certain.
    pub urgent: bool,
    /// For the register, once the records are certain.
    pub page: Option<Page>,
}

/// See the module's description.
#[derive(Debug)]
pub struct Table {
    bounds: Bounds,
    next: u64,
    jobs: BTreeMap<Number, Entry>,
    keys: HashMap<Key, Number>,
    broker: Seen,
    bus: Seen,
    /// Accepted for certain and not started, oldest first.
    queue: VecDeque<Number>,
    /// The same of upgrades, which are in a line of their own.
    upgrades: VecDeque<Number>,
    /// Jobs that were not started.
    waiting: usize,
    /// Jobs that were started and have not finished.
    running: usize,
    /// Upgrades that were started and have not finished; they are not in `running`.
    upgrading: usize,
    /// The jobs among them that run alone.
    alone: usize,
    rooms: Rooms,
    unreported_bytes: usize,
    /// Reported jobs that are in `jobs`, the one reported first at the front.
    kept: VecDeque<Number>,
    kept_bytes: usize,
    /// Number of those at the front of `kept` that have lost their output.
    stripped: usize,
    /// The latest floor that was recorded.
    floor: u64,
    /// The age when the table was read.
    began: u32,
    outgoing: Vec<Record>,
    register: register::Outgoing,
    urgent: bool,
    steps: Vec<(Number, Step)>,
    /// The batch that is with the disk.
    under_way: Option<Vec<(Number, Step)>>,
    /// The disk is late with that batch, of which only the jobs that it accepts are left.
    is_late: bool,
    /// The disk has failed: what it has is not certain before everything was written again.
    rewrite: bool,
    effects: VecDeque<Effect>,
}

impl Table {
    /// A table of a device that has never run a job.
    pub fn new(bounds: Bounds) -> Self {
        Table {
            bounds,
            next: 0,
            jobs: BTreeMap::new(),
            keys: HashMap::new(),
            broker: Seen::of_at_most(bounds.broker),
            bus: Seen::of_at_most(bounds.bus),
            queue: VecDeque::new(),
            upgrades: VecDeque::new(),
            waiting: 0,
            running: 0,
            upgrading: 0,
            alone: 0,
            rooms: Rooms::default(),
            unreported_bytes: 0,
            kept: VecDeque::new(),
            kept_bytes: 0,
            stripped: 0,
            floor: 0,
            began: 0,
            outgoing: Vec::new(),
            register: register::Outgoing::default(),
            urgent: false,
            steps: Vec::new(),
            under_way: None,
            is_late: false,
            rewrite: false,
            effects: VecDeque::new(),
        }
    }

    /// The next thing to do, if any.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Records that wait for the disk; `None` while a batch is with it, or if there is nothing to write.
    pub fn take_batch(&mut self, now: Now) -> Option<Batch> {
        let has_none = self.outgoing.is_empty() && self.steps.is_empty();
        if self.under_way.is_some() || has_none && !self.register.is_due() {
            return None;
        }
        if self.rewrite {
            return self.take_snapshot(now);
        }
        let records = std::mem::take(&mut self.outgoing);
        Some(self.batch(records, false, now))
    }

    /// The whole table as a batch in the place of all records; `None` while a batch is with the disk.
    pub fn take_snapshot(&mut self, now: Now) -> Option<Batch> {
        if self.under_way.is_some() {
            return None;
        }
        // All of it is in the snapshot.
        self.outgoing.clear();
        self.urgent = true;
        let mut records = self.snapshot(now);
        let starts = self.uncertain_starts();
        let more = starts.len();
        records.extend(starts);
        let mut batch = self.batch(records, true, now);
        batch.uncertain += more;
        Some(batch)
    }

    /// Hands the steps that wait to the disk.
    fn batch(&mut self, records: Vec<Record>, replaces: bool, now: Now) -> Batch {
        let page = self.page(now, replaces, self.steps.is_empty());
        let is_accept = |step: &Step| matches!(step, Step::Accept | Step::AcceptStarted);
        let accepts = self.steps.iter().filter(|(_, step)| is_accept(step));
        let uncertain = accepts.count();
        self.under_way = Some(std::mem::take(&mut self.steps));
        Batch {
            records,
            replaces,
            uncertain,
            urgent: std::mem::take(&mut self.urgent),
            page,
        }
    }

    /// The batch is certain to survive.
    pub fn written(&mut self) {
        // The disk lacks the steps that were taken without it in the meantime.
        self.rewrite = std::mem::take(&mut self.is_late);
        for (number, step) in self.under_way.take().unwrap_or_default() {
            self.took(number);
            match step {
                Step::Accept => {
                    self.effects.push_back(Effect::Accepted(number));
                    if self.is(number, |phase| matches!(phase, Phase::Accepted)) {
                        self.line(number).push_back(number);
                    }
                }
                Step::AcceptStarted => {
                    self.effects.push_back(Effect::Accepted(number));
                    self.may_run(number);
                }
                Step::Start => self.may_run(number),
                Step::Finish => self.effects.push_back(Effect::Ended(number)),
            }
        }
    }

    /// True if the disk has failed and not worked since.
    pub fn is_failing(&self) -> bool {
        self.rewrite
    }

    /// True if nothing is with the disk.
    pub fn is_written(&self) -> bool {
        self.under_way.is_none()
    }

    /// True if nothing waits for the disk.
    pub fn is_settled(&self) -> bool {
        let has_none = self.steps.is_empty() && self.outgoing.is_empty();
        self.is_written() && has_none && !self.register.is_waiting()
    }

    fn took(&mut self, number: Number) {
        if let Some(entry) = self.jobs.get_mut(&number) {
            entry.unwritten -= 1;
        }
    }

    fn is(&self, number: Number, phase: impl FnOnce(&Phase) -> bool) -> bool {
        self.jobs
            .get(&number)
            .is_some_and(|entry| phase(&entry.phase))
    }

    fn may_run(&mut self, number: Number) {
        // It may have been cancelled meanwhile.
        if self.is(number, |phase| matches!(phase, Phase::Started(_))) {
            self.effects.push_back(Effect::Run(number));
        }
    }

    /// The line in which a job waits.
    fn line(&mut self, number: Number) -> &mut VecDeque<Number> {
        match self.jobs.get(&number).is_some_and(Entry::is_upgrade) {
            true => &mut self.upgrades,
            false => &mut self.queue,
        }
    }

    fn seen(&mut self, source: Source) -> &mut Seen {
        match source {
            Source::Mqtt => &mut self.broker,
            Source::Ubus => &mut self.bus,
        }
    }
}
