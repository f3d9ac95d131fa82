//! The arrows of the picture.

use std::sync::Arc;

use super::entry::{Entry, Phase};
use super::id::Id;
use super::record::{Record, Start};
use super::{
    Effect, Full, Key, Known, Now, Number, Ready, Source, Step, Table, BRIEF, KEPT, KEPT_BYTES,
    LOOSE_MAX, UNREPORTED_MAX,
};
use crate::jobs::message::Job;
use crate::jobs::outcome::Outcome;

/// The count of running jobs that this one is in.
fn count<'a>(entry: &Entry, running: &'a mut usize, upgrading: &'a mut usize) -> &'a mut usize {
    match entry.is_upgrade() {
        true => upgrading,
        false => running,
    }
}

impl Table {
    /// The knowledge of an id; `None` if it was never seen, or is forgotten.
    pub fn known(&self, source: Source, id: &str) -> Option<Known> {
        let key = Key::new(source, id);
        if let Some(number) = self.keys.get(&key) {
            let entry = self.jobs.get(number)?;
            return Some(match entry.outcome() {
                Some(outcome) if entry.unwritten == 0 => Known::Finished(Arc::clone(outcome)),
                _ => Known::Unfinished(*number),
            });
        }
        let seen = match source {
            Source::Mqtt => &self.broker,
            Source::Ubus => &self.bus,
        };
        let id = seen.get(key)?;
        Some(Known::Finished(Arc::new(id.outcome())))
    }

    /// Accepts a job whose id is not known; with a `start` it starts at once.
    ///
    /// A job that is not `recorded` is accepted for certain when this returns.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no room for its id or for the job.
    pub fn accept(
        &mut self,
        source: Source,
        job: Job,
        recorded: bool,
        start: Option<Start>,
        now: Now,
    ) -> Result<Number, Full> {
        let key = Key::new(source, &job.id);
        let held = job.held();
        let has_room = match recorded {
            true => self.has_room_for_id(source, now),
            false => self.rooms.of(source).loose < LOOSE_MAX,
        };
        if !has_room || start.is_none() && !self.rooms.has_queue_for(source, held) {
            return Err(Full);
        }
        let number = Number(self.next);
        self.next += 1;
        let mut entry = Entry::new(key, source, recorded, job);
        let room = self.rooms.of(source);
        room.queued += held;
        self.waiting += 1;
        if recorded {
            room.recorded += 1;
            self.seen(source).take_room();
            let step = match start {
                None => Step::Accept,
                Some(_) => Step::AcceptStarted,
            };
            self.outgoing.extend(entry.accepted(start));
            self.urgent = true;
            entry.unwritten = 1;
            self.steps.push((number, step));
        } else {
            room.loose += 1;
            self.effects.push_back(Effect::Accepted(number));
            match start {
                None => self.queue.push_back(number),
                Some(_) => self.effects.push_back(Effect::Run(number)),
            }
        }
        self.keys.insert(key, number);
        self.jobs.insert(number, entry);
        if let Some(start) = start {
            self.starts(number, start);
        }
        Ok(number)
    }

    /// The job that waits longest for a worker; without a disk the first one that need not be recorded.
    pub fn ready(&self, has_disk: bool) -> Option<Ready<'_>> {
        let is_recorded = |number: &Number| self.jobs.get(number).is_some_and(|job| job.recorded);
        let mut queue = self.queue.iter();
        let number = *queue.find(|number| has_disk || !is_recorded(number))?;
        let job = self.jobs.get(&number)?.job.as_deref()?;
        Some(Ready { number, job })
    }

    /// Starts a job that waits. [`Effect::Run`] follows when that is certain.
    pub fn start(&mut self, number: Number, start: Start) {
        let line = self.line(number);
        let Some(at) = line.iter().position(|queued| *queued == number) else {
            return;
        };
        line.remove(at);
        self.starts(number, start);
        let Some(entry) = self.jobs.get_mut(&number) else {
            return;
        };
        if entry.recorded {
            let key = entry.key;
            entry.unwritten += 1;
            self.outgoing.push(Record::Started { key, start });
            self.urgent = true;
            self.steps.push((number, Step::Start));
        } else {
            self.effects.push_back(Effect::Run(number));
        }
    }

    fn starts(&mut self, number: Number, start: Start) {
        let Some(entry) = self.jobs.get_mut(&number) else {
            return;
        };
        if let Phase::Accepted = entry.phase {
            self.rooms.of(entry.source).queued -= entry.held();
            self.waiting -= 1;
            *count(entry, &mut self.running, &mut self.upgrading) += 1;
            self.alone += usize::from(entry.is_guarded());
            entry.set_started(Some(start.at));
            entry.phase = Phase::Started(start);
            if entry.recorded {
                self.register.started(entry);
            }
        }
    }

    /// Takes a start back that the disk did not take; false if the job has ended.
    pub(super) fn stop_start(&mut self, number: Number) -> bool {
        let entry = self.jobs.get_mut(&number);
        let Some(entry) = entry.filter(|entry| matches!(entry.phase, Phase::Started(_))) else {
            return false;
        };
        *count(entry, &mut self.running, &mut self.upgrading) -= 1;
        self.alone -= usize::from(entry.is_guarded());
        self.waiting += 1;
        self.rooms.of(entry.source).queued += entry.held();
        entry.set_started(None);
        entry.phase = Phase::Accepted;
        true
    }

    /// Takes the command of a job that may run out of the table.
    pub fn take_command(&mut self, number: Number) -> Option<String> {
        let job = self.jobs.get_mut(&number)?.job.as_mut()?;
        Some(std::mem::take(&mut job.msg))
    }

    /// Records the outcome of a job that was accepted or started. Its output is cut to what the bound on
    /// unreported output leaves. [`Effect::Ended`] follows when it is certain. A second outcome is ignored.
    pub fn finish(&mut self, number: Number, mut outcome: Outcome, now: Now) {
        let Some(entry) = self.jobs.get_mut(&number) else {
            return;
        };
        let may_finish = matches!(entry.phase, Phase::Accepted | Phase::Started(_));
        if entry.recorded && may_finish {
            self.register.finishes(entry, &outcome);
        }
        match entry.phase {
            Phase::Accepted => {
                self.rooms.of(entry.source).queued -= entry.held();
                self.waiting -= 1;
                let line = match entry.is_upgrade() {
                    true => &mut self.upgrades,
                    false => &mut self.queue,
                };
                line.retain(|queued| *queued != number);
            }
            Phase::Started(_) => {
                *count(entry, &mut self.running, &mut self.upgrading) -= 1;
                self.alone -= usize::from(entry.is_guarded());
            }
            Phase::Finished(_) | Phase::Reported(..) => return,
        }
        entry.job = None;
        outcome.type_name.clone_from(&entry.about.type_name);
        // A caller on the bus has the outcome with the end of the job.
        let reported = (entry.source == Source::Ubus).then_some(now.age);
        if reported.is_none() {
            outcome.cut(UNREPORTED_MAX.saturating_sub(self.unreported_bytes));
            self.unreported_bytes += outcome.output_len();
        }
        let outcome = Arc::new(outcome);
        entry.phase = Phase::Finished(Arc::clone(&outcome));
        if !entry.recorded {
            self.effects.push_back(Effect::Ended(number));
            return;
        }
        entry.unwritten += 1;
        let key = entry.key;
        self.outgoing.push(Record::Finished {
            key,
            outcome: match reported {
                // No later agent is asked for more.
                Some(_) => outcome.brief_of(BRIEF),
                None => outcome,
            },
            reported,
        });
        self.urgent = true;
        self.steps.push((number, Step::Finish));
    }

    /// Somebody has the outcome of a job: from now on only its beginning is kept.
    ///
    /// This is certain with the next sync; until then a crash makes the result arrive once more.
    pub fn reported(&mut self, number: Number, now: Now) {
        let Some(entry) = self.jobs.get_mut(&number) else {
            return;
        };
        let Phase::Finished(outcome) = &entry.phase else {
            return;
        };
        if entry.source == Source::Mqtt {
            self.unreported_bytes -= outcome.output_len();
            if entry.recorded {
                let (key, age) = (entry.key, now.age);
                self.outgoing.push(Record::Reported { key, age });
            }
        }
        self.keep(number, now.age);
    }

    /// Keeps the beginning of an outcome that somebody has.
    pub(super) fn keep(&mut self, number: Number, age: u32) {
        let Some(entry) = self.jobs.get_mut(&number) else {
            return;
        };
        let Phase::Finished(outcome) = &entry.phase else {
            return;
        };
        let brief = outcome.brief_of(BRIEF);
        self.kept_bytes += brief.output_len();
        entry.phase = Phase::Reported(brief, age);
        if !entry.recorded {
            self.rooms.of(entry.source).loose -= 1;
        }
        self.kept.push_back(number);
        while self.kept_bytes > KEPT_BYTES {
            self.strip_one();
        }
        while self.kept.len() > KEPT {
            self.shrink_one();
        }
    }

    /// Takes the output of the job reported first that still has it.
    fn strip_one(&mut self) {
        let number = self.kept.get(self.stripped).copied();
        self.stripped += 1;
        let entry = number.and_then(|number| self.jobs.get_mut(&number));
        if let Some(Phase::Reported(outcome, _)) = entry.map(|entry| &mut entry.phase) {
            self.kept_bytes -= outcome.output_len();
            *outcome = Arc::new(outcome.brief(0));
        }
    }

    /// Leaves of the job reported first no more than its id.
    fn shrink_one(&mut self) {
        let Some(number) = self.kept.pop_front() else {
            return;
        };
        self.stripped = self.stripped.saturating_sub(1);
        let Some(entry) = self.jobs.remove(&number) else {
            return;
        };
        self.keys.remove(&entry.key);
        if self.keys.len() <= 2 * KEPT {
            // A burst of jobs does not keep its room.
            self.keys.shrink_to(2 * KEPT);
        }
        if let Phase::Reported(outcome, age) = &entry.phase {
            self.kept_bytes -= outcome.output_len();
            if entry.recorded {
                let id = Id::new(entry.key, *age, entry.about.expires, outcome);
                self.rooms.of(entry.source).recorded -= 1;
                self.seen(entry.source).insert(id);
            }
        }
    }

    /// Takes a recorded job out as if it had never come.
    pub(super) fn forget(&mut self, number: Number) {
        let Some(entry) = self.jobs.remove(&number) else {
            return;
        };
        self.keys.remove(&entry.key);
        self.rooms.of(entry.source).recorded -= 1;
        match &entry.phase {
            Phase::Accepted => {
                self.waiting -= 1;
                self.rooms.of(entry.source).queued -= entry.held();
            }
            Phase::Started(_) => {
                *count(&entry, &mut self.running, &mut self.upgrading) -= 1;
                self.alone -= usize::from(entry.is_guarded());
            }
            Phase::Finished(outcome) if entry.source == Source::Mqtt => {
                self.unreported_bytes -= outcome.output_len();
            }
            // Nothing is reported before its acceptance is certain.
            Phase::Finished(_) | Phase::Reported(..) => {}
        }
    }

    fn has_room_for_id(&mut self, source: Source, now: Now) -> bool {
        let (max, keep) = (self.max(source), self.bounds.keep);
        // More than its bound came with a register that was restored.
        while self.ids(source) >= max {
            if !self.seen(source).forget_one(now.age, keep, now.floor) {
                return false;
            }
        }
        true
    }

    /// The most ids of a source.
    pub(super) fn max(&self, source: Source) -> usize {
        match source {
            Source::Mqtt => self.bounds.broker,
            Source::Ubus => self.bounds.bus,
        }
    }
}
