//! Records → table, at the start of an agent; table → records, when the log is rewritten.

use std::sync::Arc;

use super::entry::{Entry, Phase};
use super::id::Id;
use super::record::{About, Record, Start};
use super::rooms::{BROKER_QUEUE_MAX, BUS_QUEUE_MAX};
use super::{Bounds, Effect, Key, Now, Number, Source, Step, Table};
use crate::jobs::message::{Job, Kind};
use crate::jobs::outcome::{End, Outcome};

impl Table {
    /// The table that `records` of earlier agents make, in the order in which they were written.
    pub fn read(bounds: Bounds, records: impl IntoIterator<Item = Record>) -> Self {
        Table::read_beside(&Table::new(bounds), records)
    }

    /// The same, with numbers that no job of `other` has.
    pub fn read_beside(other: &Table, records: impl IntoIterator<Item = Record>) -> Self {
        let mut table = Table::new(other.bounds);
        table.next = other.next;
        for record in records {
            table.apply(record);
        }
        table
    }

    /// Goes on with the jobs of a table that had no ledger, none of which is recorded.
    pub fn take_over(&mut self, other: Table) {
        self.next = self.next.max(other.next);
        for (number, entry) in other.jobs {
            let room = self.rooms.of(entry.source);
            match &entry.phase {
                // A ping or a cancel, which has ended: the recorded job has the better right to its id.
                _ if self.keys.contains_key(&entry.key) => continue,
                Phase::Accepted => {
                    room.queued += entry.held();
                    self.waiting += 1;
                    self.queue.push_back(number);
                }
                Phase::Started(_) => {
                    self.running += 1;
                    self.alone += usize::from(entry.is_guarded());
                }
                Phase::Finished(outcome) if entry.source == Source::Mqtt => {
                    self.unreported_bytes += outcome.output_len();
                }
                Phase::Finished(_) => {}
                Phase::Reported(outcome, _) => {
                    self.kept_bytes += outcome.output_len();
                    self.kept.push_back(number);
                }
            }
            if !matches!(entry.phase, Phase::Reported(..)) {
                room.loose += 1;
            }
            self.keys.insert(entry.key, number);
            self.jobs.insert(number, entry);
        }
        self.effects.extend(other.effects);
    }

    fn apply(&mut self, record: Record) {
        match record {
            Record::Accepted {
                key,
                source,
                start,
                job,
            } => self.read_accepted(key, source, start, *job),
            Record::Started { key, start } => match self.begun(key) {
                Some(entry) => {
                    entry.set_started(Some(start.at));
                    if let Phase::Accepted = entry.phase {
                        entry.phase = Phase::Started(start);
                    }
                }
                None => self.read_orphan(key, 0),
            },
            Record::Finished {
                key,
                mut outcome,
                reported,
            } => {
                let Some(entry) = self.begun(key) else {
                    self.read_orphan(key, reported.unwrap_or(0));
                    return;
                };
                // No agent writes it twice: the first one stands, and counts once.
                if entry.outcome().is_some() {
                    return;
                }
                Arc::make_mut(&mut outcome)
                    .type_name
                    .clone_from(&entry.about.type_name);
                entry.job = None;
                entry.phase = Phase::Finished(outcome);
                if let Some(age) = reported {
                    self.read_reported(key, age);
                }
            }
            Record::Reported { key, age } => match self.keys.contains_key(&key) {
                true => self.read_reported(key, age),
                false => self.read_orphan(key, age),
            },
            Record::Kept {
                key,
                source,
                about,
                outcome,
                reported,
            } => {
                self.read_kept(key, source, about, outcome);
                if let Some(age) = reported {
                    self.read_reported(key, age);
                }
            }
            Record::Ids(source, ids) => {
                for id in ids.iter() {
                    self.lived(id.age);
                    // One that is known as a job counts as that alone.
                    if !self.keys.contains_key(&id.key) {
                        self.seen(source).insert(id);
                    }
                }
            }
            Record::Time { age, floor } => {
                self.lived(age);
                self.floor = self.floor.max(floor);
            }
        }
    }

    /// A job that has begun, or ended, waits no longer.
    fn begun(&mut self, key: Key) -> Option<&mut Entry> {
        let entry = self.jobs.get_mut(self.keys.get(&key)?)?;
        if let Phase::Accepted = entry.phase {
            self.rooms.of(entry.source).queued -= entry.held();
            entry.drop_command();
        }
        Some(entry)
    }

    fn lived(&mut self, age: u32) {
        self.began = self.began.max(age);
    }

    fn add(&mut self, key: Key, entry: Entry) {
        let held = match entry.phase {
            Phase::Accepted => entry.held(),
            _ => 0,
        };
        // An id that is there twice is damage or the work of somebody else: the first one stands.
        let known = self.keys.contains_key(&key) || self.seen(entry.source).get(key).is_some();
        if known {
            return;
        }
        let is_over = self.jobs.len() >= self.bounds.broker + self.bounds.bus
            || self.rooms.broker.queued + self.rooms.bus.queued + held
                > BROKER_QUEUE_MAX + BUS_QUEUE_MAX;
        if is_over {
            self.read_orphan(key, 0);
            return;
        }
        let number = Number(self.next);
        self.next += 1;
        let room = self.rooms.of(entry.source);
        room.queued += held;
        room.recorded += 1;
        self.keys.insert(key, number);
        self.jobs.insert(number, entry);
    }

    fn read_accepted(&mut self, key: Key, source: Source, start: Option<Start>, job: Job) {
        let mut entry = Entry::new(key, source, true, job);
        if let Some(start) = start {
            entry.set_started(Some(start.at));
            entry.phase = Phase::Started(start);
            entry.drop_command();
        }
        self.add(key, entry);
    }

    fn read_kept(
        &mut self,
        key: Key,
        source: Source,
        about: Arc<About>,
        mut outcome: Arc<Outcome>,
    ) {
        Arc::make_mut(&mut outcome)
            .type_name
            .clone_from(&about.type_name);
        let entry = Entry {
            key,
            source,
            recorded: true,
            about,
            job: None,
            phase: Phase::Finished(outcome),
            unwritten: 0,
        };
        self.add(key, entry);
    }

    fn read_reported(&mut self, key: Key, age: u32) {
        self.lived(age);
        if let Some(number) = self.keys.get(&key).copied() {
            self.keep(number, age);
        }
    }

    /// A record of a job whose acceptance is lost by damage: its id may not run again.
    fn read_orphan(&mut self, key: Key, age: u32) {
        self.lived(age);
        let outcome = Outcome::without_command(End::Interrupted, "", None);
        let id = Id::new(key, age, 0, &outcome);
        self.broker.insert(id);
        self.bus.insert(id);
    }

    /// Goes on where the agent before left off: waiting jobs wait, those that it had started are
    /// interrupted unless there `is_more` to be decided about them, results nobody has are published. Called once,
    /// before anything else.
    pub fn go_on(&mut self, boot: [u8; 16], now: Now, is_more: &dyn Fn(Key) -> bool) {
        let numbers: Vec<Number> = self.jobs.keys().copied().collect();
        for number in numbers {
            let Some(entry) = self.jobs.get(&number) else {
                continue;
            };
            match entry.phase {
                Phase::Accepted => {
                    self.waiting += 1;
                    let line = match entry.is_upgrade() {
                        true => &mut self.upgrades,
                        false => &mut self.queue,
                    };
                    line.push_back(number);
                }
                Phase::Started(start) => {
                    match entry.is_upgrade() {
                        true => self.upgrading += 1,
                        false => self.running += 1,
                    }
                    self.alone += usize::from(entry.is_guarded());
                    let rebooted = start.boot != boot;
                    let kind = entry.job.as_ref().map(|job| (job.kind, job.detach));
                    match kind {
                        Some((Kind::Shell, true)) => {
                            self.effects.push_back(Effect::Adopt(number));
                        }
                        Some((Kind::Shell, false) | (Kind::Upgrade, _)) if is_more(entry.key) => {
                            self.effects.push_back(Effect::Judge(number));
                        }
                        Some((Kind::Reboot, _)) if rebooted => {
                            let done = Outcome::without_command(End::Processed, "", None);
                            self.finish(number, done, now);
                        }
                        _ => {
                            let reason = match rebooted {
                                true => "the device restarted while the job ran",
                                false => "the agent restarted while the job ran",
                            };
                            let reason = Some(reason.to_owned());
                            let cut = Outcome::without_command(End::Interrupted, "", reason);
                            self.finish(number, cut, now);
                        }
                    }
                }
                Phase::Finished(ref outcome) => {
                    if entry.source == Source::Mqtt {
                        self.unreported_bytes += outcome.output_len();
                    }
                    self.effects.push_back(Effect::Ended(number));
                }
                Phase::Reported(..) => {}
            }
        }
    }

    /// Records that make this table when they are read.
    pub(super) fn snapshot(&mut self, now: Now) -> Vec<Record> {
        let mut records = vec![Record::Time {
            age: now.age,
            floor: self.floor,
        }];
        let seen = [
            (Source::Mqtt, &mut self.broker),
            (Source::Ubus, &mut self.bus),
        ];
        for (source, seen) in seen {
            let ids = seen.pieces(Record::IDS);
            records.extend(ids.map(|ids| Record::Ids(source, ids)));
        }
        // Jobs that were reported come first, in that order: the first is the first to go again. The newest come last: see
        // `Batch::uncertain`.
        let kept = self.kept.iter().filter_map(|number| self.jobs.get(number));
        let others = self.jobs.values();
        let others = others.filter(|entry| !matches!(entry.phase, Phase::Reported(..)));
        for entry in kept.chain(others).filter(|entry| entry.recorded) {
            let kept = |outcome: &Arc<Outcome>, reported| Record::Kept {
                key: entry.key,
                source: entry.source,
                about: Arc::clone(&entry.about),
                outcome: Arc::clone(outcome),
                reported,
            };
            records.extend(match &entry.phase {
                Phase::Accepted => entry.accepted(None),
                Phase::Started(_) if self.is_start_uncertain(entry) => entry.accepted(None),
                Phase::Started(start) => entry.accepted(Some(*start)),
                Phase::Finished(outcome) => {
                    let reported = (entry.source == Source::Ubus).then_some(now.age);
                    Some(kept(outcome, reported))
                }
                Phase::Reported(outcome, age) => Some(kept(outcome, Some(*age))),
            });
        }
        records
    }

    /// Records of starts that wait for the disk, to follow a snapshot. If they are not written the jobs wait in it.
    pub(super) fn uncertain_starts(&self) -> Vec<Record> {
        let entries = self.jobs.values();
        let starts = entries.filter_map(|entry| match entry.phase {
            Phase::Started(start) => Some((entry, start)),
            _ => None,
        });
        let uncertain = starts.filter(|(entry, _)| self.is_start_uncertain(entry));
        uncertain
            .map(|(entry, start)| Record::Started {
                key: entry.key,
                start,
            })
            .collect()
    }

    /// True if the start of a job that was accepted before waits for the disk.
    fn is_start_uncertain(&self, entry: &Entry) -> bool {
        let mut steps = self.steps.iter();
        entry.unwritten > 0
            && steps.any(|(number, step)| {
                *step == Step::Start && self.keys.get(&entry.key) == Some(number)
            })
    }
}
