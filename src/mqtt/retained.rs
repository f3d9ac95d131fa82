//! The presence that the broker keeps for who subscribes later (option `status_retain`), and what becomes of it
//! when it stands where it does not belong any more.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use rumqttc::{PublishNotice, PublishNoticeError, PublishResult};

use super::notes::Notes;

/// Topics remembered; the oldest goes.
const TOPICS: usize = 4;

/// Connections on which a message is tried to be removed: a broker may refuse us the old topic, and that by
/// closing the connection.
const TRIES: u8 = 3;

/// A topic on which a message of ours may be kept.
#[derive(Debug)]
struct Kept {
    /// `host:port`.
    broker: String,
    topic: String,
    tries: u8,
}

impl Kept {
    fn new(broker: &str, topic: &str) -> Self {
        Kept {
            broker: broker.to_owned(),
            topic: topic.to_owned(),
            tries: 0,
        }
    }

    fn is_at(&self, broker: &str, topic: &str) -> bool {
        self.broker == broker && self.topic == topic
    }
}

/// Where the broker may keep a presence of ours. Lives as long as the agent, for the settings may change, and is
/// noted for the next one.
#[derive(Debug, Default)]
pub(super) struct Retained {
    kept: Vec<Kept>,
    notes: Option<Notes>,
}

impl Retained {
    /// Begins with what earlier agents noted.
    pub(super) fn noted(notes: Notes) -> Self {
        let noted = notes.read(TOPICS).into_iter();
        let kept = noted.map(|(broker, topic)| Kept::new(&broker, &topic));
        Retained {
            kept: kept.collect(),
            notes: Some(notes),
        }
    }

    fn note(&mut self) {
        if let Some(notes) = &mut self.notes {
            let kept = self.kept.iter();
            notes.write(kept.map(|kept| (kept.broker.as_str(), kept.topic.as_str())));
        }
    }

    /// The broker at `broker` keeps a presence on `topic` from now on.
    pub(super) fn keeps(&mut self, broker: &str, topic: &str) {
        let known = self.kept.iter().position(|kept| kept.is_at(broker, topic));
        let kept = known.map(|at| self.kept.remove(at));
        let is_new = kept.is_none();
        if self.kept.len() >= TOPICS {
            self.kept.remove(0);
        }
        self.kept.push(Kept {
            tries: 0,
            ..kept.unwrap_or_else(|| Kept::new(broker, topic))
        });
        if is_new {
            self.note();
        }
    }

    /// The topics at `broker` but `current` from which the presence has to go, each for a few connections.
    pub(super) fn stale(&mut self, broker: &str, current: Option<&str>) -> Vec<String> {
        let is_stale = |kept: &Kept| kept.broker == broker && Some(kept.topic.as_str()) != current;
        let before = self.kept.len();
        self.kept
            .retain(|kept| !is_stale(kept) || kept.tries < TRIES);
        if self.kept.len() < before {
            self.note();
        }
        let stale = self.kept.iter_mut().filter(|kept| is_stale(kept));
        stale
            .map(|kept| {
                kept.tries += 1;
                kept.topic.clone()
            })
            .collect()
    }

    /// The broker keeps nothing there any more.
    pub(super) fn forget(&mut self, broker: &str, topic: &str) {
        let before = self.kept.len();
        self.kept.retain(|kept| !kept.is_at(broker, topic));
        if self.kept.len() < before {
            self.note();
        }
    }
}

type Settled = Pin<Box<dyn Future<Output = Result<PublishResult, PublishNoticeError>> + Send>>;

/// Empty messages under way that remove a presence.
#[derive(Default)]
pub(super) struct Removals(Vec<(Settled, String)>);

impl Removals {
    pub(super) fn push(&mut self, notice: PublishNotice, topic: String) {
        self.0.push((Box::pin(notice.wait_async()), topic));
    }

    /// The topics whose removal the broker has acknowledged since the last time.
    pub(super) fn acknowledged(&mut self) -> Vec<String> {
        let mut done = Vec::new();
        self.0.retain_mut(|(notice, topic)| {
            let context = &mut Context::from_waker(Waker::noop());
            match notice.as_mut().poll(context) {
                Poll::Ready(Ok(_)) => done.push(std::mem::take(topic)),
                Poll::Ready(Err(_)) => {}
                Poll::Pending => return true,
            }
            false
        });
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_presence_that_is_kept_elsewhere_is_removed_until_it_is_gone_or_three_times() {
        let mut retained = Retained::default();
        retained.keeps("b:1", "old");
        retained.keeps("b:1", "new");
        retained.keeps("other:1", "old");
        assert_eq!(retained.stale("b:1", Some("new")), ["old"]);
        retained.forget("b:1", "old");
        assert!(retained.stale("b:1", Some("new")).is_empty());
        for _ in 0..TRIES {
            assert_eq!(retained.stale("b:1", None), ["new"]);
        }
        assert!(retained.stale("b:1", None).is_empty());
        assert_eq!(retained.kept.len(), 1);
        // Retained again, it is removed again.
        retained.keeps("b:1", "new");
        assert_eq!(retained.stale("b:1", None), ["new"]);
    }

    #[test]
    fn topics_remembered_are_bounded() {
        let mut retained = Retained::default();
        for n in 0..100 {
            retained.keeps("b:1", &n.to_string());
        }
        assert_eq!(retained.stale("b:1", None), ["96", "97", "98", "99"]);
    }
}
