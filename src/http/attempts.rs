//! Attempts at one server: the time of the next one, and the log level of a failure.

use std::time::Duration;

use tokio::time::Instant;

use crate::outage::Outage;
use crate::process::backoff::Backoff;
use crate::process::clock::Pace;

/// The course of attempts, from the outcome of each.
pub struct Attempts {
    pace: Pace,
    backoff: Backoff,
    outage: Outage,
    /// When the server began to accept, if it does.
    up_since: Option<Instant>,
}

impl Attempts {
    pub fn new(spread: Duration, pace: Pace) -> Self {
        Attempts {
            pace,
            backoff: Backoff::new(spread, pace),
            outage: Outage::default(),
            up_since: None,
        }
    }

    /// The wait before the first attempt.
    pub fn first(&mut self) -> Duration {
        self.backoff.next_wait()
    }

    /// The server took something.
    pub fn accepted(&mut self, now: Instant) {
        self.up_since.get_or_insert(now);
    }

    /// An attempt failed for the reason `text`, which is logged as `what`, a failure of that: returns
    /// how long to wait before the next one. `asked` is what the server asked for, unpaced.
    pub fn failed(&mut self, what: &str, text: &str, asked: Duration, now: Instant) -> Duration {
        if let Some(since) = self.up_since.take() {
            self.backoff.session_ended(now - since);
            self.outage.over();
        }
        log::log!(self.outage.level(text), "{what}: {text}");
        // On top of what the server asked for, or all would come back together.
        self.pace.of(asked) + self.backoff.next_wait()
    }
}
