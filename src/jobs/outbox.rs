//! Replies on their way to the broker: handed out, and kept until the broker has them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

/// Replies handed out and neither taken by the broker nor given back.
const WINDOW: usize = 64;

/// Rejections waiting to be sent; beyond it they are only counted.
const REJECTIONS_MAX: usize = 64;

/// Where a reply goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// `delivery/<base>`
    Delivery,
    /// `pub/<base>`
    Result,
}

/// One reply to publish at QoS 1. Dropping it without [`Reply::acknowledged`] gives it back: it is
/// offered again.
#[derive(Debug)]
pub struct Reply {
    pub channel: Channel,
    pub payload: Bytes,
    token: u64,
    taken: bool,
    returns: mpsc::Sender<Returned>,
}

impl Reply {
    /// The broker has it.
    pub fn acknowledged(mut self) {
        self.taken = true;
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        // There is a place for every reply handed out, so this fails only when the jobs part is gone.
        let _ = self.returns.try_send(Returned {
            token: self.token,
            taken: self.taken,
        });
    }
}

/// A reply that came back.
#[derive(Debug)]
pub(super) struct Returned {
    token: u64,
    taken: bool,
}

/// The replies to publish, in order.
#[derive(Debug)]
pub struct Replies(mpsc::Receiver<Reply>);

impl Replies {
    /// The next reply; None when the jobs part has ended. Cancel safe.
    pub async fn next(&mut self) -> Option<Reply> {
        self.0.recv().await
    }
}

/// What a reply is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Delivered(Arc<str>),
    Result(Arc<str>),
    Rejected { id: Arc<str>, reason: Arc<str> },
}

/// Replies not yet taken by the broker. They are encoded when they are handed out, so that waiting
/// ones cost little.
#[derive(Debug)]
pub(super) struct Outbox {
    waiting: VecDeque<Item>,
    handed_out: HashMap<u64, Item>,
    /// Ids with a result waiting. One handed out does not count: who asks again may have missed it.
    offered: HashSet<Arc<str>>,
    rejections: usize,
    next_token: u64,
    sender: mpsc::Sender<Reply>,
    returns_sender: mpsc::Sender<Returned>,
}

impl Outbox {
    pub(super) fn new() -> (Self, Replies, mpsc::Receiver<Returned>) {
        // One place: what the publisher has not asked for stays here.
        let (sender, replies) = mpsc::channel(1);
        let (returns_sender, returns) = mpsc::channel(WINDOW);
        let outbox = Outbox {
            waiting: VecDeque::new(),
            handed_out: HashMap::new(),
            offered: HashSet::new(),
            rejections: 0,
            next_token: 0,
            sender,
            returns_sender,
        };
        (outbox, Replies(replies), returns)
    }

    pub(super) fn delivered(&mut self, id: &Arc<str>) {
        self.waiting.push_back(Item::Delivered(Arc::clone(id)));
    }

    /// Offers the result of a job, unless it waits already.
    pub(super) fn result(&mut self, id: &Arc<str>) {
        if self.offered.insert(Arc::clone(id)) {
            self.waiting.push_back(Item::Result(Arc::clone(id)));
        }
    }

    /// Offers a rejection; false if too many wait.
    pub(super) fn rejected(&mut self, id: &str, reason: &str) -> bool {
        if self.rejections >= REJECTIONS_MAX {
            return false;
        }
        self.rejections += 1;
        self.waiting.push_back(Item::Rejected {
            id: id.into(),
            reason: reason.into(),
        });
        true
    }

    /// Whether the broker has everything.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.handed_out.is_empty()
    }

    /// Whether something may be handed out now.
    pub(super) fn is_ready(&self) -> bool {
        !self.waiting.is_empty() && self.handed_out.len() < WINDOW
    }

    /// Whether somebody publishes replies at all.
    pub(super) fn has_publisher(&self) -> bool {
        !self.sender.is_closed()
    }

    /// A sender to wait with for a publisher that asks.
    pub(super) fn sender(&self) -> mpsc::Sender<Reply> {
        self.sender.clone()
    }

    /// Hands out the next reply with the payload and channel that `encode` makes of it.
    pub(super) fn hand_out(
        &mut self,
        permit: mpsc::OwnedPermit<Reply>,
        encode: impl FnOnce(&Item) -> Option<Vec<u8>>,
    ) {
        let Some(item) = self.waiting.pop_front() else {
            return;
        };
        if let Item::Result(id) = &item {
            self.offered.remove(id);
        }
        let Some(payload) = encode(&item) else {
            self.forget(&item);
            return;
        };
        let token = self.next_token;
        self.next_token = self.next_token.wrapping_add(1);
        let channel = match item {
            Item::Delivered(_) => Channel::Delivery,
            Item::Result(_) | Item::Rejected { .. } => Channel::Result,
        };
        self.handed_out.insert(token, item);
        permit.send(Reply {
            channel,
            payload: payload.into(),
            token,
            taken: false,
            returns: self.returns_sender.clone(),
        });
    }

    /// Settles a reply that came back; returns the id whose result the broker took.
    pub(super) fn settle(&mut self, returned: &Returned) -> Option<Arc<str>> {
        let item = self.handed_out.remove(&returned.token)?;
        match item {
            Item::Result(id) if returned.taken => return Some(id),
            Item::Result(id) if !self.offered.insert(Arc::clone(&id)) => {}
            item if returned.taken => self.forget(&item),
            item => self.waiting.push_front(item),
        }
        None
    }

    fn forget(&mut self, item: &Item) {
        if let Item::Rejected { .. } = item {
            self.rejections -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hand_out(outbox: &mut Outbox) {
        let permit = outbox.sender().try_reserve_owned().unwrap();
        outbox.hand_out(permit, |item| Some(format!("{item:?}").into_bytes()));
    }

    #[tokio::test]
    async fn a_reply_that_is_dropped_is_offered_again_and_a_taken_one_is_not() {
        let (mut outbox, mut replies, mut returns) = Outbox::new();
        let id: Arc<str> = "a".into();
        outbox.result(&id);
        hand_out(&mut outbox);
        drop(replies.next().await.unwrap());
        assert_eq!(outbox.settle(&returns.recv().await.unwrap()), None);
        assert!(outbox.is_ready());
        hand_out(&mut outbox);
        replies.next().await.unwrap().acknowledged();
        assert_eq!(outbox.settle(&returns.recv().await.unwrap()), Some(id));
        assert!(outbox.is_empty());
    }

    #[tokio::test]
    async fn a_waiting_result_is_not_offered_twice_but_one_on_its_way_is() {
        let (mut outbox, mut replies, mut returns) = Outbox::new();
        let id: Arc<str> = "a".into();
        outbox.result(&id);
        outbox.result(&id);
        hand_out(&mut outbox);
        assert!(!outbox.is_ready());
        outbox.result(&id);
        assert!(outbox.is_ready());
        // Given back, it is the same as the one that waits.
        drop(replies.next().await.unwrap());
        assert_eq!(outbox.settle(&returns.recv().await.unwrap()), None);
        hand_out(&mut outbox);
        assert!(!outbox.is_ready());
    }

    #[tokio::test]
    async fn no_more_than_the_window_is_handed_out() {
        let (mut outbox, mut replies, mut returns) = Outbox::new();
        for n in 0..WINDOW + 1 {
            outbox.result(&n.to_string().into());
        }
        let mut held = Vec::new();
        while outbox.is_ready() {
            hand_out(&mut outbox);
            held.push(replies.next().await.unwrap());
        }
        assert_eq!(held.len(), WINDOW);
        held.clear();
        for _ in 0..WINDOW {
            outbox.settle(&returns.recv().await.unwrap());
        }
        assert_eq!(outbox.waiting.len(), WINDOW + 1);
    }

    #[test]
    fn rejections_that_nobody_fetches_are_bounded() {
        let (mut outbox, _replies, _returns) = Outbox::new();
        let taken = (0..1000).filter(|_| outbox.rejected("a", "b")).count();
        assert_eq!(taken, REJECTIONS_MAX);
    }
}
