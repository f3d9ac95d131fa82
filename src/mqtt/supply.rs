//! The replies and output that a link publishes; they outlive the link.

use std::future::Future;
use std::path::Path;

use tokio::sync::watch;

use crate::jobs;

use super::notes::Notes;
use super::retained::Retained;
use super::trust::Trust;

/// Replies and output of jobs, and what earlier links learned of the broker. A link that ends hands it to
/// the next one.
#[derive(Debug)]
pub struct Supply {
    pub(super) replies: jobs::Replies,
    pub(super) live: jobs::LiveOutput,
    pub(super) trust: Trust,
    pub(super) retained: Retained,
    /// Somebody waits for the broker: it is tried, and asked, every 5 s.
    pub(super) hurry: watch::Receiver<bool>,
}

impl Supply {
    /// For the first link.
    pub fn new(replies: jobs::Replies, live: jobs::LiveOutput) -> Self {
        Supply {
            replies,
            live,
            trust: Trust::default(),
            retained: Retained::default(),
            hurry: watch::channel(false).1,
        }
    }

    /// Tries the broker, and asks it for a sign of life, every 5 s while `hurry` is true.
    pub fn hurried_by(mut self, hurry: watch::Receiver<bool>) -> Self {
        self.hurry = hurry;
        self
    }

    /// Remembers in `state_dir` where a broker keeps a presence of ours, and begins with what earlier agents
    /// remembered.
    pub fn remembering(mut self, state_dir: &Path) -> Self {
        self.retained = Retained::noted(Notes::of(state_dir));
        self
    }

    /// Waits for `shutdown`; output of jobs is dropped meanwhile.
    pub(super) async fn idle(&mut self, shutdown: impl Future<Output = ()>) {
        tokio::select! {
            () = shutdown => {}
            never = self.live.discard() => match never {},
        }
    }
}
