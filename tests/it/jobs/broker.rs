//! The operator's side of the broker.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A message that the broker keeps until it is acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) number: u64,
    pub(super) id: String,
}

/// Messages on their way to the device, and what came back.
#[derive(Debug, Default)]
pub(super) struct Broker {
    published: u64,
    /// Not delivered in this session yet.
    pub(super) queue: VecDeque<Message>,
    pub(super) unacknowledged: Vec<Message>,
    /// The different outcomes of each id that arrived.
    pub(super) outcomes: BTreeMap<String, BTreeSet<String>>,
    pub(super) ids: BTreeSet<String>,
}

impl Broker {
    pub(super) fn publish(&mut self, id: &str) {
        self.published += 1;
        self.ids.insert(id.to_owned());
        self.queue.push_back(Message {
            number: self.published,
            id: id.to_owned(),
        });
    }

    /// The agent has taken a message; returns the id of its job, if it was waited for.
    pub(super) fn acknowledged(&mut self, number: u64) -> Option<String> {
        let mut all = self.unacknowledged.iter();
        let at = all.position(|message| message.number == number)?;
        Some(self.unacknowledged.remove(at).id)
    }

    /// A new session: what was not acknowledged comes again, in order.
    pub(super) fn reconnected(&mut self) {
        for message in std::mem::take(&mut self.unacknowledged).into_iter().rev() {
            self.queue.push_front(message);
        }
    }
}
