//! A job in the table.

use std::sync::Arc;

use super::key::Key;
use super::record::{About, Record, Start};
use crate::jobs::guarded::is_guarded;
use crate::jobs::message::Job;
use crate::jobs::outcome::Outcome;
use crate::jobs::recent::beginning;
use crate::jobs::source::Source;
use crate::jobs::upgrades::UPGRADE;

/// Where a job stands.
#[derive(Debug, Clone)]
pub(super) enum Phase {
    /// It waits for a worker.
    Accepted,
    /// It may have started.
    Started(Start),
    /// Nobody has its outcome yet.
    Finished(Arc<Outcome>),
    /// Somebody has its outcome, since this age.
    Reported(Arc<Outcome>, u32),
}

/// A job in the table.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) source: Source,
    /// Its id takes a place in the ledger.
    pub(super) recorded: bool,
    /// Shared with records on their way to the disk.
    pub(super) about: Arc<About>,
    /// Until it has finished; its command is gone once it has started. Most jobs have finished.
    pub(super) job: Option<Box<Job>>,
    pub(super) phase: Phase,
    /// Steps that are on their way to the disk.
    pub(super) unwritten: u32,
}

impl Entry {
    pub(super) fn new(key: Key, source: Source, recorded: bool, job: Job) -> Self {
        Entry {
            key,
            source,
            recorded,
            about: Arc::new(About {
                id: job.id.as_str().into(),
                type_name: job.type_name.clone(),
                command: beginning(&job.msg),
                started: None,
                expires: expires(&job),
            }),
            job: Some(Box::new(job)),
            phase: Phase::Accepted,
            unwritten: 0,
        }
    }

    /// The record of its acceptance, with the start if it has started.
    pub(super) fn accepted(&self, start: Option<Start>) -> Option<Record> {
        Some(Record::Accepted {
            key: self.key,
            source: self.source,
            start,
            job: self.job.clone()?,
        })
    }

    /// A job that has begun does not begin again.
    pub(super) fn drop_command(&mut self) {
        if let Some(job) = &mut self.job {
            job.msg = String::new();
        }
    }

    /// Notes when it was started, in seconds since the epoch.
    pub(super) fn set_started(&mut self, at: Option<u64>) {
        Arc::make_mut(&mut self.about).started = at;
    }

    /// True if it runs with no other job.
    pub(super) fn is_guarded(&self) -> bool {
        is_guarded(&self.about.type_name)
    }

    /// True if it runs without a worker.
    pub(super) fn is_upgrade(&self) -> bool {
        self.about.type_name == UPGRADE
    }

    /// Bytes that the waiting job holds.
    pub(super) fn held(&self) -> usize {
        self.job.as_ref().map_or(0, |job| job.held())
    }

    pub(super) fn outcome(&self) -> Option<&Arc<Outcome>> {
        match &self.phase {
            Phase::Finished(outcome) | Phase::Reported(outcome, _) => Some(outcome),
            Phase::Accepted | Phase::Started(_) => None,
        }
    }
}

/// Seconds since the epoch before which the id of a signed job may not go; one beyond 2106 is never
/// forgotten.
fn expires(job: &Job) -> u32 {
    let signed = job.expires.filter(|_| job.sig.is_some());
    signed.map_or(0, |expires| u32::try_from(expires).unwrap_or(u32::MAX))
}
