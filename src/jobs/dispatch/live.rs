//! The callers and processes that a job in the table has in this agent.

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::jobs::run::{Output, Stop};
use crate::jobs::{Decision, Run, RunError, Stand};

/// A caller that waits until the acceptance of a job is certain.
pub(super) enum Caller {
    /// Brought a payload; the decision it gets if the job is accepted.
    Sender(oneshot::Sender<Decision>, Decision),
    /// Runs a local job.
    Local(oneshot::Sender<Result<Run, RunError>>),
}

impl Caller {
    /// True if nobody waits for its answer any more.
    pub(super) fn has_gone(&self) -> bool {
        match self {
            Caller::Sender(decision, _) => decision.is_closed(),
            Caller::Local(answer) => answer.is_closed(),
        }
    }
}

/// A job that has not ended, and whom this agent owes something for it.
pub(super) struct Live {
    /// Until its acceptance is certain.
    pub(super) callers: Vec<Caller>,
    pub(super) accepted: bool,
    /// When this agent got to know of it.
    pub(super) since: Instant,
    /// Made for the first local caller: jobs of the broker have none.
    pub(super) stand: Option<watch::Sender<Stand>>,
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
            stand: None,
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

    /// Where the job stands: at `now`, if nobody has asked before.
    pub(super) fn stand(&mut self, now: Stand) -> watch::Receiver<Stand> {
        let stand = self.stand.get_or_insert_with(|| watch::channel(now).0);
        stand.subscribe()
    }

    /// Says to everybody who waits for the end where the job stands.
    pub(super) fn stands(&self, now: Stand) {
        if let Some(stand) = &self.stand {
            stand.send_replace(now);
        }
    }
}
