//! What the stream and the session that uses it tell each other.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::awaited::Asked;
use super::refused::Packet;

/// Topics in one session that are unsubscribed from; messages of further ones are dropped all the same.
const TOPICS: usize = 32;

/// Why the stream ended.
#[derive(Debug)]
pub(in crate::mqtt) enum End {
    /// The broker closed the connection in order.
    Closed,
    /// No byte arrived for so long.
    Silent(Duration),
    /// An answer did not come within this time.
    Unanswered(Asked, Duration),
    /// A packet whose end cannot be known.
    Malformed,
    /// Network or TLS failed.
    Failed(io::Error),
}

/// Messages that were dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::mqtt) struct Counts {
    /// Over 1 MiB, or unusable.
    pub(in crate::mqtt) skipped: u64,
    /// Of other topics.
    pub(in crate::mqtt) foreign: u64,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// The session takes nothing more for now.
    pub(super) paused: bool,
    /// The session is about to end: a flush waits until everything is sent.
    pub(super) draining: bool,
    pub(super) counts: Counts,
    /// Topics met and not yet unsubscribed from.
    topics: Vec<String>,
    /// Topics met in this session.
    met: Vec<String>,
    pub(super) end: Option<End>,
    /// The packet that the library got last.
    pub(super) last: Option<Packet>,
    pub(super) unacknowledged: usize,
}

/// The stream, as the session sees it. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(in crate::mqtt) struct Watch {
    state: Arc<Mutex<State>>,
    news: Arc<Notify>,
}

impl Watch {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is handed up while `paused`. The stream hears of a change when it is polled next.
    pub(in crate::mqtt) fn pause(&self, paused: bool) {
        self.state().paused = paused;
    }

    /// From now on a flush waits until the network has everything.
    pub(in crate::mqtt) fn drain(&self) {
        self.state().draining = true;
    }

    /// Why the stream ended, if it did and nobody asked before.
    pub(in crate::mqtt) fn end(&self) -> Option<End> {
        self.state().end.take()
    }

    /// The packet that the library got last.
    pub(in crate::mqtt) fn last_packet(&self) -> Option<Packet> {
        self.state().last
    }

    /// Messages of ours that the broker has not acknowledged.
    pub(in crate::mqtt) fn unacknowledged(&self) -> usize {
        self.state().unacknowledged
    }

    /// Messages dropped so far.
    pub(in crate::mqtt) fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Returns when a message was dropped. Cancel safe.
    pub(in crate::mqtt) async fn has_news(&self) {
        self.news.notified().await;
    }

    /// Topics to unsubscribe from, each once.
    pub(in crate::mqtt) fn topics(&self) -> Vec<String> {
        std::mem::take(&mut self.state().topics)
    }

    /// Counts a message over 1 MiB or an unusable one.
    pub(super) fn skipped(&self) {
        self.state().counts.skipped += 1;
        self.news.notify_one();
    }

    /// Counts a message of another topic.
    pub(super) fn foreign(&self, topic: Option<String>) {
        let mut state = self.state();
        state.counts.foreign += 1;
        self.news.notify_one();
        let Some(topic) = topic.filter(|topic| !state.met.contains(topic)) else {
            return;
        };
        if state.met.len() < TOPICS {
            state.met.push(topic.clone());
            state.topics.push(topic);
        }
    }
}
