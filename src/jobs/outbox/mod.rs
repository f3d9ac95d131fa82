//! Replies on their way out: handed to who publishes them, and kept until the other side has them.

mod aside;
mod doubts;
mod line;
mod publisher;
#[cfg(test)]
mod schedules;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::Instant;

pub(super) use doubts::Extent;
pub(super) use publisher::Returned;
pub use publisher::{Channel, Outlets, Replies, Reply};

use super::live::Live;
use super::FEW;
use crate::http::fits_path;
use aside::Aside;
use doubts::Doubts;
use line::{Line, WINDOW};
use publisher::Fate;

/// Rejections waiting to be sent; beyond it they are only counted.
const REJECTIONS_MAX: usize = 64;

/// The publisher of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outlet {
    Broker,
    Api,
}

/// The subject of a reply.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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

/// The fate of a reply that came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Settled {
    /// It is offered again, or nobody waits for it.
    Again,
    /// The result of this job was taken.
    Taken(Arc<str>),
    /// The broker closed the connection on this reply again and again; it is not sent any more.
    GivenUp(Item),
}

/// Replies not yet taken. They are encoded when they are handed out, so that waiting ones cost little.
#[derive(Debug)]
pub(super) struct Outbox {
    broker: Line,
    api: Line,
    /// The publisher of results and rejections.
    results: Outlet,
    /// By token; [`WINDOW`] of each outlet at most.
    handed_out: Vec<(u64, Outlet, Item)>,
    doubts: Doubts,
    /// Replies that are offered again later.
    aside: Aside,
    live: Live,
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
        let (live, live_output) = Live::new();
        let (returns_sender, returns) = mpsc::channel(2 * WINDOW);
        let outbox = Outbox {
            broker,
            api,
            results,
            handed_out: Vec::new(),
            doubts: Doubts::default(),
            aside: Aside::default(),
            live,
            offered: HashSet::new(),
            rejections: 0,
            next_token: 0,
            returns_sender,
        };
        let outlets = Outlets {
            broker: broker_replies,
            api: api_replies,
            live: live_output,
        };
        (outbox, outlets, returns)
    }

    /// The way of a reply. The API names a job in the path of a URL, so a reply whose id fits none goes to
    /// the broker.
    fn outlet(&self, item: &Item) -> Outlet {
        match item {
            Item::Delivered(_) => Outlet::Broker,
            item if !fits_path(item.id()) => Outlet::Broker,
            _ => self.results,
        }
    }

    /// Results and rejections go there from now on, those that wait too.
    pub(super) fn route_results(&mut self, to: Outlet) {
        let from = std::mem::replace(&mut self.results, to);
        if from == to {
            return;
        }
        let line = self.line(from);
        let waiting = std::mem::take(&mut line.waiting);
        let suspects = std::mem::take(&mut line.suspects);
        let aside = self.aside.take_all();
        let all: Vec<_> = waiting.into_iter().chain(suspects).chain(aside).collect();
        for item in all {
            self.offer(item);
        }
    }

    /// Where the output of running jobs goes.
    pub(super) fn live(&self) -> &Live {
        &self.live
    }

    pub(super) fn delivered(&mut self, id: &Arc<str>) {
        self.offer(Item::Delivered(Arc::clone(id)));
    }

    /// Offers the result of a job, unless it waits already or was given up.
    pub(super) fn result(&mut self, id: &Arc<str>) {
        let item = Item::Result(Arc::clone(id));
        let given_up = self.outlet(&item) == Outlet::Broker && self.doubts.has_given_up(&item);
        if !given_up && self.offered.insert(Arc::clone(id)) {
            self.offer(item);
        }
    }

    /// Puts a reply at the end of its line.
    fn offer(&mut self, item: Item) {
        let to = self.outlet(&item);
        let suspect = to == Outlet::Broker && self.doubts.contain(&item);
        let line = self.line(to);
        match suspect {
            true => line.suspects.push_back(item),
            false => line.waiting.push_back(item),
        }
    }

    /// Offers a rejection; false if too many wait.
    pub(super) fn rejected(&mut self, id: &str, reason: &str) -> bool {
        if self.rejections >= REJECTIONS_MAX {
            return false;
        }
        self.rejections += 1;
        let (id, reason) = (id.into(), reason.into());
        self.offer(Item::Rejected { id, reason });
        true
    }

    /// True if everything was taken; replies put aside are not waited for.
    pub(super) fn is_settled(&self) -> bool {
        self.broker.is_settled() && self.api.is_settled()
    }

    /// True if a reply may be handed out now.
    pub(super) fn is_ready(&self, to: Outlet) -> bool {
        match to {
            Outlet::Broker => self.broker.is_ready(),
            Outlet::Api => self.api.is_ready(),
        }
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
        encode: impl FnOnce(&Item, Extent) -> Option<Vec<u8>>,
    ) {
        let Some((item, suspect)) = self.line(to).pop() else {
            return;
        };
        if let Item::Result(id) = &item {
            self.offered.remove(id);
            if self.offered.is_empty() {
                self.offered.shrink_to(FEW);
            }
        }
        let extent = match to {
            Outlet::Broker => self.doubts.extent(&item),
            Outlet::Api => Extent::Whole,
        };
        let Some(payload) = encode(&item, extent) else {
            self.doubts.forget(&item);
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
        self.handed_out.push((token, to, item));
        let line = self.line(to);
        line.out += 1;
        line.suspect_out = suspect;
        let returns = self.returns_sender.clone();
        permit.send(Reply::new(channel, id, payload.into(), token, returns));
    }

    /// Settles a reply that came back. One that was refused is offered again at `later`, one that was passed
    /// over not after it.
    pub(super) fn settle(&mut self, returned: &Returned, later: Instant) -> Settled {
        let mut tokens = self.handed_out.iter().map(|(token, ..)| *token);
        let Some(at) = tokens.position(|token| token == returned.token) else {
            return Settled::Again;
        };
        let (_, from, item) = self.handed_out.swap_remove(at);
        if self.handed_out.is_empty() {
            self.handed_out.shrink_to(FEW);
        }
        let line = self.line(from);
        line.out -= 1;
        line.suspect_out = false;
        match returned.fate {
            Fate::Taken => {
                match from {
                    Outlet::Broker => self.doubts.acknowledged(&item),
                    Outlet::Api => self.doubts.forget(&item),
                }
                self.forget(&item);
                match item {
                    Item::Result(id) => Settled::Taken(id),
                    _ => Settled::Again,
                }
            }
            Fate::Closed { alone } if from == Outlet::Broker => self.closed(item, alone),
            fate => {
                self.take_back(item, fate, later);
                Settled::Again
            }
        }
    }

    /// Takes back a reply that is offered again.
    fn take_back(&mut self, item: Item, fate: Fate, later: Instant) {
        if let Item::Result(id) = &item {
            if !self.offered.insert(Arc::clone(id)) {
                // The same waits already.
                return;
            }
        }
        let to = self.outlet(&item);
        let suspect = to == Outlet::Broker && self.doubts.contain(&item);
        match fate {
            Fate::Refused => self.aside.refused(item, later),
            Fate::PassedOver if to == Outlet::Broker => {
                self.aside.passed_over(item, Instant::now(), later);
            }
            _ if suspect => self.broker.suspects.push_front(item),
            _ => self.line(to).waiting.push_front(item),
        }
    }

    /// The broker closed the connection while `item` was on its way.
    fn closed(&mut self, item: Item, alone: bool) -> Settled {
        if let Item::Result(id) = &item {
            if self.offered.remove(id) {
                // The same waits already, among those not suspected.
                self.broker.waiting.retain(|waiting| *waiting != item);
                self.broker.suspects.retain(|waiting| *waiting != item);
                self.api.waiting.retain(|waiting| *waiting != item);
            }
        }
        if !alone {
            self.doubts.suspect(&item);
        } else if self.doubts.count(&item) {
            self.doubts.forget(&item);
            self.forget(&item);
            return Settled::GivenUp(item);
        }
        if let Item::Result(id) = &item {
            self.offered.insert(Arc::clone(id));
        }
        match self.outlet(&item) {
            Outlet::Api => self.offer(item),
            Outlet::Broker => {
                self.prove(&item);
                self.broker.suspects.push_back(item);
            }
        }
        Settled::Again
    }

    /// Sees to it that another reply is acknowledged before the suspect goes again: where no other could be,
    /// the delivery of its job is said once more.
    fn prove(&mut self, suspect: &Item) {
        let line = &self.broker;
        let others = !line.waiting.is_empty() || line.out > 0;
        let unproven = |item: &Item| self.doubts.wants_proof(item);
        let wanted = unproven(suspect) && line.suspects.iter().all(unproven);
        if let (false, true, Item::Result(id)) = (others, wanted, suspect) {
            let proof = Item::Delivered(Arc::clone(id));
            self.broker.waiting.push_back(proof);
        }
    }

    /// When the next reply that was put aside is to be offered again.
    pub(super) fn next_again(&self) -> Option<Instant> {
        self.aside.next()
    }

    /// Offers replies again that were put aside until now.
    pub(super) fn again(&mut self, now: Instant) {
        while let Some(item) = self.aside.take(now) {
            self.offer(item);
        }
    }

    fn line(&mut self, of: Outlet) -> &mut Line {
        match of {
            Outlet::Broker => &mut self.broker,
            Outlet::Api => &mut self.api,
        }
    }

    fn forget(&mut self, item: &Item) {
        self.aside.forget(item);
        if let Item::Rejected { .. } = item {
            self.rejections -= 1;
        }
    }
}
