//! The table as others see it.

use std::sync::Arc;

use super::entry::{Entry, Phase};
use super::{Key, Now, Number, Record, Source, Table};
use crate::jobs::message::Job;
use crate::jobs::outcome::Outcome;
use crate::jobs::recent::{Detail, State, Summary};
use crate::jobs::reply::millis;

/// Jobs in the list that people are shown.
const RECENT: usize = 50;

/// A job that is known already.
#[derive(Debug, Clone)]
pub enum Known {
    /// It waits or runs, and its acceptance may be on its way to the disk.
    Unfinished(Number),
    Finished(Arc<Outcome>),
}

/// A job that may start.
#[derive(Debug)]
pub struct Ready<'a> {
    pub number: Number,
    pub job: &'a Job,
}

impl Table {
    /// Ids that take a place in the ledger, of one source.
    pub fn ids(&self, source: Source) -> usize {
        match source {
            Source::Mqtt => self.broker.len() + self.rooms.broker.recorded,
            Source::Ubus => self.bus.len() + self.rooms.bus.recorded,
        }
    }

    /// Ids that take a place in the ledger.
    pub fn all_ids(&self) -> usize {
        self.ids(Source::Mqtt) + self.ids(Source::Ubus)
    }

    /// Jobs that wait for a worker or for the disk.
    pub fn queued(&self) -> usize {
        self.waiting
    }

    /// Jobs that run, or are about to.
    pub fn running(&self) -> usize {
        self.running
    }

    /// True if no job waits or runs, and no step of one waits for the disk.
    pub fn is_quiet(&self) -> bool {
        self.waiting == 0 && self.running == 0 && self.steps.is_empty()
    }

    /// True if a job runs that runs alone.
    pub fn runs_alone(&self) -> bool {
        self.alone > 0
    }

    /// True if an upgrade was started and has not finished.
    pub fn is_upgrading(&self) -> bool {
        self.upgrading > 0
    }

    /// Jobs that wait to be started, upgrades too.
    pub fn waiting(&self) -> Vec<Number> {
        self.queue.iter().chain(&self.upgrades).copied().collect()
    }

    /// Upgrades that wait, the one that came first before the others.
    pub fn waiting_upgrades(&self) -> Vec<Number> {
        self.upgrades.iter().copied().collect()
    }

    /// The latest floor that was recorded, seconds since the epoch.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// Seconds for which agents had run when the table was read.
    pub fn began(&self) -> u32 {
        self.began
    }

    /// Records a floor, and how long agents have run.
    pub fn time(&mut self, now: Now) {
        self.floor = self.floor.max(now.floor);
        self.outgoing.push(Record::Time {
            age: now.age,
            floor: self.floor,
        });
        self.register.time();
        self.urgent = true;
    }

    /// The job that waits or runs.
    pub fn job(&self, number: Number) -> Option<&Job> {
        self.jobs.get(&number)?.job.as_deref()
    }

    pub fn id(&self, number: Number) -> Option<&Arc<str>> {
        self.jobs.get(&number).map(|entry| &entry.about.id)
    }

    /// The key of a job that is recorded.
    pub fn recorded_key(&self, number: Number) -> Option<Key> {
        let entry = self.jobs.get(&number).filter(|entry| entry.recorded);
        entry.map(|entry| entry.key)
    }

    pub fn source(&self, number: Number) -> Option<Source> {
        self.jobs.get(&number).map(|entry| entry.source)
    }

    pub fn outcome(&self, number: Number) -> Option<&Arc<Outcome>> {
        self.jobs.get(&number)?.outcome()
    }

    /// The number of a job that is still there with all that is known of it.
    pub fn number(&self, source: Source, id: &str) -> Option<Number> {
        self.keys.get(&Key::new(source, id)).copied()
    }

    /// Where a job stands.
    pub fn state(&self, number: Number) -> Option<State> {
        self.jobs.get(&number).map(Entry::state)
    }

    /// The jobs accepted last, newest first.
    pub fn recent(&self) -> Vec<Summary> {
        let newest = self.jobs.values().rev().take(RECENT);
        newest.map(Entry::summary).collect()
    }

    /// A job as people are shown it.
    pub fn detail(&self, number: Number) -> Option<Detail> {
        self.jobs.get(&number).map(Entry::detail)
    }

    /// Jobs that were started and have not finished.
    pub fn started(&self) -> impl Iterator<Item = Number> + '_ {
        let started = self.jobs.iter();
        started
            .filter(|(_, entry)| matches!(entry.phase, Phase::Started(_)))
            .map(|(number, _)| *number)
    }
}

impl Entry {
    fn state(&self) -> State {
        match &self.phase {
            Phase::Accepted => State::Queued,
            Phase::Started(_) => State::Running,
            Phase::Finished(outcome) | Phase::Reported(outcome, _) => State::of(outcome),
        }
    }

    fn summary(&self) -> Summary {
        let outcome = self.outcome();
        Summary {
            id: self.about.id.to_string(),
            type_name: self.about.type_name.clone(),
            state: self.state(),
            started: self.about.started,
            duration_ms: outcome.and_then(|outcome| outcome.duration).map(millis),
            exit_code: outcome.and_then(|outcome| outcome.exit_code),
            success: outcome.map(|outcome| outcome.success),
            source: self.source,
        }
    }

    fn detail(&self) -> Detail {
        let outcome = self.outcome();
        Detail {
            summary: self.summary(),
            command: self.about.command.clone(),
            signal: outcome.and_then(|outcome| outcome.signal),
            reason: outcome.and_then(|outcome| outcome.reason.clone()),
            output: outcome.map_or_else(String::new, |outcome| outcome.stdout.clone()),
            stderr: outcome.map_or_else(String::new, |outcome| outcome.stderr.clone()),
            truncated: outcome.is_some_and(|outcome| outcome.truncated),
            rolled_back: outcome.is_some_and(|outcome| outcome.rolled_back),
        }
    }
}
