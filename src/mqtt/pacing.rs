//! When the broker is tried: the retry rule, fed with what became of each session.

use std::time::Duration;

use super::takeover::Takeover;
use crate::process::backoff::Backoff;
use crate::process::clock::Pace;

/// The course of sessions and attempts at them. No I/O, no clock: the link says how each went.
#[derive(Debug)]
pub struct Pacing {
    backoff: Backoff,
    takeover: Takeover,
}

impl Pacing {
    pub fn new(spread: Duration, pace: Pace) -> Self {
        Pacing {
            backoff: Backoff::new(spread, pace),
            takeover: Takeover::default(),
        }
    }

    /// The wait before the next attempt.
    pub fn next_wait(&mut self) -> Duration {
        self.backoff.next_wait()
    }

    /// A session ended `held` after the broker had accepted us, or an attempt failed, with `held` zero;
    /// `closed_idle` says that the broker closed it while nothing was under way. Returns whether another client
    /// with our id is the likely reason.
    pub fn ended(&mut self, held: Duration, closed_idle: bool) -> bool {
        self.backoff.session_ended(held);
        self.takeover.ended(held, closed_idle)
    }
}
