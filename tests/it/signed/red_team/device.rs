//! A device: the real reader, judge and floor, and a model of the table of ids.

use std::collections::{HashMap, VecDeque};

use socketman::config::PublicKey;
use socketman::identity::Identity;
use socketman::jobs::message::{self, Job};
use socketman::jobs::signature::{check_time, Floor, Judge, Keys, Refusal};
use socketman::process::clock::Reading;

/// An id may go this long after its result, s.
const KEEP: u64 = 24 * 3600;

/// Ids that the table holds.
pub(super) const IDS: usize = 6;

/// The keys in its settings.
#[derive(Debug, Clone)]
pub(super) enum Setting {
    Set(Vec<PublicKey>),
    Unusable,
}

/// The answer to a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is no job.
    Unreadable,
    Refused(Refusal),
    /// Its stored outcome, again.
    Known,
    Full,
    Accepted(Box<Job>),
}

/// The table's memory of an id.
#[derive(Debug, Clone, Copy)]
struct Entry {
    expires: u64,
    /// When its result was taken, by the clock that only goes forward.
    reported: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Device {
    identity: Identity,
    pub(super) keys: Setting,
    pub(super) reading: Reading,
    floor: Floor,
    /// The floor on flash.
    pub(super) on_flash: u64,
    table: HashMap<String, Entry>,
    pub(super) queue: VecDeque<Job>,
    pub(super) forgotten: u64,
}

impl Device {
    pub(super) fn new(mac: &str, key: PublicKey, built: u64) -> Self {
        Device {
            identity: mac.parse().unwrap(),
            keys: Setting::Set(vec![key]),
            reading: Reading::default(),
            floor: Floor::new(built, 0),
            on_flash: 0,
            table: HashMap::new(),
            queue: VecDeque::new(),
            forgotten: 0,
        }
    }

    /// Waiting jobs and the table survive, the floor as it is on flash, and a program made at `built`
    /// starts.
    pub(super) fn reboot(&mut self, built: u64) {
        self.floor = Floor::new(built, self.on_flash);
    }

    pub(super) fn server_says(&mut self, date: u64) {
        self.floor.date(self.reading, date);
    }

    fn judge(&self) -> Judge<'_> {
        let keys = match &self.keys {
            Setting::Set(keys) => Keys::Set(keys),
            Setting::Unusable => Keys::Unusable("unusable".to_owned()),
        };
        Judge::new(keys, &self.identity)
    }

    /// The time that jobs are judged by.
    fn now(&self) -> u64 {
        self.floor.now(self.reading)
    }

    /// The order of checks of the contract.
    pub(super) fn take(&mut self, payload: &[u8]) -> Answer {
        let Ok(job) = message::parse(payload) else {
            return Answer::Unreadable;
        };
        if let Err(refusal) = self.judge().admit(&job) {
            return Answer::Refused(refusal);
        }
        if self.table.contains_key(&job.id) {
            return Answer::Known;
        }
        if let Err(refusal) = check_time(&job, self.now()) {
            return Answer::Refused(refusal);
        }
        if !self.has_room() {
            return Answer::Full;
        }
        self.floor.job(job.timestamp.unwrap());
        self.on_flash = self.floor.persisted();
        let entry = Entry {
            expires: job.expires.unwrap(),
            reported: None,
        };
        self.table.insert(job.id.clone(), entry);
        Answer::Accepted(Box::new(job))
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.table.contains_key(id)
    }

    /// True if an id can be recorded; forgets another for it where that is allowed.
    pub(super) fn has_room(&mut self) -> bool {
        if self.table.len() < IDS {
            return true;
        }
        self.on_flash = self.floor.persisted();
        let (now, floor) = (self.reading.mono, self.on_flash);
        let may_go = |entry: &Entry| {
            floor >= entry.expires && entry.reported.is_some_and(|at| now >= at + KEEP)
        };
        let old = self.table.iter().find(|(_, entry)| may_go(entry));
        let Some(id) = old.map(|(id, _)| id.clone()) else {
            return false;
        };
        self.table.remove(&id);
        self.forgotten += 1;
        true
    }

    /// True if a waiting job may start now.
    pub(super) fn again(&self, job: &Job) -> Result<(), Refusal> {
        self.judge().again(job, self.now())
    }

    /// Somebody has taken the result of the job.
    pub(super) fn reported(&mut self, id: &str) {
        let at = self.reading.mono;
        self.table.get_mut(id).unwrap().reported = Some(at);
    }
}
