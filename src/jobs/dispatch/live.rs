//! A job between its acceptance and its end.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use crate::jobs::message::Job;
use crate::jobs::outcome::Outcome;
use crate::jobs::recent::{Source, State};
use crate::jobs::run::Stop;

type Watched = watch::Sender<Option<Arc<Outcome>>>;

/// A job accepted and not finished.
pub(super) struct Live {
    pub(super) job: Job,
    pub(super) source: Source,
    pub(super) outcome: Watched,
    /// How to stop it, once it runs.
    pub(super) stop: Option<oneshot::Sender<Stop>>,
    pub(super) running: bool,
}

impl Live {
    pub(super) fn state(&self) -> State {
        if self.running {
            State::Running
        } else {
            State::Queued
        }
    }
}
