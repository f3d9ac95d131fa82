//! The state that the stream and its session share.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::awaited::Asked;
use super::header;
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
    /// Replies that the broker passed over, when the stream ended: so many of the oldest.
    pub(super) passed_over: usize,
    /// The broker has answered everything that was sent.
    pub(super) quiet: bool,
    /// A PINGREQ behind everything that was sent has no answer yet.
    pub(super) asking: bool,
    /// Bytes that a message may have which must not hold up others.
    pub(super) room: usize,
    /// Packets that the session wants to be sent.
    pub(super) wanted: Vec<u8>,
    /// The session wants to know when everything is answered.
    pub(super) ask: bool,
    /// A message of the session is not answered yet.
    pub(super) said: bool,
    /// When the newest question was sent that is answered.
    pub(super) proof: Option<Instant>,
}

/// The stream, as the session sees it. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(in crate::mqtt) struct Watch {
    state: Arc<Mutex<State>>,
    news: Arc<Notify>,
    quiet: Arc<Notify>,
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

    /// Replies that the broker passed over, when the stream ended: it answered what was sent after them and not
    /// them. They are so many of the oldest that are not acknowledged.
    pub(in crate::mqtt) fn passed_over(&self) -> usize {
        self.state().passed_over
    }

    /// True if the broker has answered everything that was sent: nothing waits for anything.
    pub(in crate::mqtt) fn is_quiet(&self) -> bool {
        self.state().quiet
    }

    /// True if the broker was asked whether it has everything, and did not answer yet.
    pub(in crate::mqtt) fn is_asking(&self) -> bool {
        let state = self.state();
        state.ask || state.asking
    }

    /// Asks the broker whether it has everything. The stream does so when it is polled next.
    pub(in crate::mqtt) fn ask(&self) {
        self.state().ask = true;
    }

    /// When the newest question was sent that the broker has answered: both ways worked after that.
    pub(in crate::mqtt) fn proof(&self) -> Option<Instant> {
        self.state().proof
    }

    /// Bytes that a message may have which must not hold up others.
    pub(in crate::mqtt) fn room(&self) -> usize {
        self.state().room
    }

    /// Sends a message at QoS 0, and asks the broker whether it has it. The stream does so when it is polled
    /// next.
    pub(in crate::mqtt) fn say(&self, topic: &str, payload: &[u8]) {
        let mut packet = header::publish(topic, payload);
        let mut state = self.state();
        state.wanted.append(&mut packet);
        state.quiet = false;
        (state.ask, state.said) = (true, true);
    }

    /// True if a message of [`Watch::say`] is on its way.
    pub(in crate::mqtt) fn is_saying(&self) -> bool {
        self.state().said
    }

    /// Returns when the broker has answered, after [`Watch::ask`]. Cancel safe.
    pub(in crate::mqtt) async fn answered(&self) {
        self.quiet.notified().await;
    }

    /// The broker answered a PINGREQ.
    pub(super) fn tell_answered(&self) {
        self.quiet.notify_one();
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
