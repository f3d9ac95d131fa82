//! The callers and processes that a job in the table has in this agent.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::jobs::outcome::Outcome;
use crate::jobs::run::{Output, Stop};
use crate::jobs::{Decision, Run, RunError};

/// A caller that waits until the acceptance of a job is certain.
pub(super) enum Caller {
    /// Brought a payload; the decision it gets if the job is accepted.
    Sender(oneshot::Sender<Decision>, Decision),
    /// Runs a local job.
    Local(oneshot::Sender<Result<Run, RunError>>),
}

/// A job that has not ended, and whom this agent owes something for it.
pub(super) struct Live {
    /// Until its acceptance is certain.
    pub(super) callers: Vec<Caller>,
    pub(super) accepted: bool,
    /// When this agent got to know of it.
    pub(super) since: Instant,
    /// Made for the first local caller: jobs of the broker have none.
    outcome: Option<watch::Sender<Option<Arc<Outcome>>>>,
    /// Stops it, once it runs.
    pub(super) stop: Option<oneshot::Sender<Stop>>,
    /// Its output so far, while it runs.
    pub(super) output: Option<Output>,
    /// Its output and its end are in files.
    pub(super) detached: bool,
}

impl Live {
    /// A job whose acceptance is not certain yet.
    pub(super) fn new() -> Self {
        Live {
            callers: Vec::new(),
            accepted: false,
            since: Instant::now(),
            outcome: None,
            stop: None,
            output: None,
            detached: false,
        }
    }

    /// A job that an earlier agent has accepted.
    pub(super) fn inherited() -> Self {
        Live {
            accepted: true,
            ..Live::new()
        }
    }

    /// The outcome, once it is certain.
    pub(super) fn outcome(&mut self) -> watch::Receiver<Option<Arc<Outcome>>> {
        let outcome = self.outcome.get_or_insert_with(|| watch::channel(None).0);
        outcome.subscribe()
    }

    /// Gives the outcome to everybody who waits for it.
    pub(super) fn ended(self, outcome: Arc<Outcome>) {
        if let Some(waiting) = self.outcome {
            waiting.send_replace(Some(outcome));
        }
    }
}
