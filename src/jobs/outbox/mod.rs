//! Replies on their way out: handed to who publishes them, and kept until the other side has them.

mod publisher;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::Instant;

pub(super) use publisher::Returned;
pub use publisher::{Channel, Outlets, Replies, Reply};

use publisher::Fate;

/// Replies handed out to one publisher and neither taken nor given back.
const WINDOW: usize = 64;

/// Rejections waiting to be sent; beyond it they are only counted.
const REJECTIONS_MAX: usize = 64;

/// Who publishes a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outlet {
    Broker,
    Api,
}

/// What a reply is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Delivered(Arc<str>),
    Result(Arc<str>),
    Rejected { id: Arc<str>, reason: Arc<str> },
}

impl Item {
    fn id(&self) -> &Arc<str> {
        match self {
            Item::Delivered(id) | Item::Result(id) | Item::Rejected { id, .. } => id,
        }
    }
}

/// What stands before one publisher.
#[derive(Debug)]
struct Line {
    waiting: VecDeque<Item>,
    /// Handed out.
    out: usize,
    sender: mpsc::Sender<Reply>,
}

impl Line {
    fn new() -> (Self, Replies) {
        // One place: what the publisher has not asked for stays here.
        let (sender, replies) = mpsc::channel(1);
        let line = Line {
            waiting: VecDeque::new(),
            out: 0,
            sender,
        };
        (line, Replies::new(replies))
    }

    /// Everything was taken, or nobody is left who could.
    fn is_settled(&self) -> bool {
        self.waiting.is_empty() && self.out == 0 || self.sender.is_closed()
    }
}

/// Replies not yet taken. They are encoded when they are handed out, so that waiting ones cost little.
#[derive(Debug)]
pub(super) struct Outbox {
    broker: Line,
    api: Line,
    /// Who publishes results and rejections.
    results: Outlet,
    handed_out: HashMap<u64, (Outlet, Item)>,
    /// Refused ones, each with when it is offered again; the soonest first.
    refused: VecDeque<(Instant, Item)>,
    /// Ids with a result waiting. One handed out does not count: who asks again may have missed it.
    offered: HashSet<Arc<str>>,
    rejections: usize,
    next_token: u64,
    returns_sender: mpsc::Sender<Returned>,
}

impl Outbox {
    pub(super) fn new(results: Outlet) -> (Self, Outlets, mpsc::Receiver<Returned>) {
        let (broker, broker_replies) = Line::new();
        let (api, api_replies) = Line::new();
        let (returns_sender, returns) = mpsc::channel(2 * WINDOW);
        let outbox = Outbox {
            broker,
            api,
            results,
            handed_out: HashMap::new(),
            refused: VecDeque::new(),
            offered: HashSet::new(),
            rejections: 0,
            next_token: 0,
            returns_sender,
        };
        let outlets = Outlets {
            broker: broker_replies,
            api: api_replies,
        };
        (outbox, outlets, returns)
    }

    /// Results and rejections go there from now on, those that wait too.
    pub(super) fn route_results(&mut self, to: Outlet) {
        if self.results == to {
            return;
        }
        let waiting = &mut self.line(self.results).waiting;
        let (stay, go) = waiting
            .drain(..)
            .partition(|item| matches!(item, Item::Delivered(_)));
        *waiting = stay;
        self.results = to;
        let refused = self.refused.drain(..).map(|(_, item)| item);
        let go = VecDeque::into_iter(go).chain(refused).collect::<Vec<_>>();
        self.line(to).waiting.extend(go);
    }

    pub(super) fn delivered(&mut self, id: &Arc<str>) {
        self.broker
            .waiting
            .push_back(Item::Delivered(Arc::clone(id)));
    }

    /// Offers the result of a job, unless it waits already.
    pub(super) fn result(&mut self, id: &Arc<str>) {
        if self.offered.insert(Arc::clone(id)) {
            let item = Item::Result(Arc::clone(id));
            self.line(self.results).waiting.push_back(item);
        }
    }

    /// Offers a rejection; false if too many wait.
    pub(super) fn rejected(&mut self, id: &str, reason: &str) -> bool {
        if self.rejections >= REJECTIONS_MAX {
            return false;
        }
        self.rejections += 1;
        self.line(self.results).waiting.push_back(Item::Rejected {
            id: id.into(),
            reason: reason.into(),
        });
        true
    }

    /// Whether everything was taken, but for what nobody takes: refused ones are not waited for.
    pub(super) fn is_settled(&self) -> bool {
        self.broker.is_settled() && self.api.is_settled()
    }

    /// Whether something may be handed out now.
    pub(super) fn is_ready(&self, to: Outlet) -> bool {
        let line = match to {
            Outlet::Broker => &self.broker,
            Outlet::Api => &self.api,
        };
        !line.waiting.is_empty() && line.out < WINDOW
    }

    /// A sender to wait with for a publisher that asks.
    pub(super) fn sender(&self, to: Outlet) -> mpsc::Sender<Reply> {
        match to {
            Outlet::Broker => self.broker.sender.clone(),
            Outlet::Api => self.api.sender.clone(),
        }
    }

    /// Hands out the next reply with the payload that `encode` makes of it.
    pub(super) fn hand_out(
        &mut self,
        to: Outlet,
        permit: mpsc::OwnedPermit<Reply>,
        encode: impl FnOnce(&Item) -> Option<Vec<u8>>,
    ) {
        let Some(item) = self.line(to).waiting.pop_front() else {
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
        let id = Arc::clone(item.id());
        self.handed_out.insert(token, (to, item));
        self.line(to).out += 1;
        let returns = self.returns_sender.clone();
        permit.send(Reply::new(channel, id, payload.into(), token, returns));
    }

    /// Settles a reply that came back; returns the id whose result was taken. One that was refused is
    /// offered again at `later`, which never lies before that of an earlier call.
    pub(super) fn settle(&mut self, returned: &Returned, later: Instant) -> Option<Arc<str>> {
        let (from, item) = self.handed_out.remove(&returned.token)?;
        self.line(from).out -= 1;
        match (returned.fate, item) {
            (Fate::Taken, Item::Result(id)) => return Some(id),
            (Fate::Taken, item) => self.forget(&item),
            // The same waits already.
            (_, Item::Result(id)) if !self.offered.insert(Arc::clone(&id)) => {}
            (Fate::Refused, item) => self.refused.push_back((later, item)),
            (Fate::GivenBack, item @ Item::Delivered(_)) => self.broker.waiting.push_front(item),
            (Fate::GivenBack, item) => self.line(self.results).waiting.push_front(item),
        }
        None
    }

    /// When the next refused reply is to be offered again.
    pub(super) fn next_again(&self) -> Option<Instant> {
        self.refused.front().map(|(at, _)| *at)
    }

    /// Offers refused replies again whose time has come.
    pub(super) fn again(&mut self, now: Instant) {
        while self.next_again().is_some_and(|at| at <= now) {
            if let Some((_, item)) = self.refused.pop_front() {
                self.line(self.results).waiting.push_back(item);
            }
        }
    }

    fn line(&mut self, of: Outlet) -> &mut Line {
        match of {
            Outlet::Broker => &mut self.broker,
            Outlet::Api => &mut self.api,
        }
    }

    fn forget(&mut self, item: &Item) {
        if let Item::Rejected { .. } = item {
            self.rejections -= 1;
        }
    }
}
