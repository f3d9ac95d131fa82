//! The client's half of the conversation, without socket and without clock.
//!
//! [`Protocol`] takes what happened (the socket opened, a frame came, somebody wants a call, time
//! passed) and says what has to happen ([`Output`]): frames to send, results to hand over. It keeps
//! what has to exist on the bus (objects, listeners, subscriptions) and sets it up again on each
//! connection.
//!
//! * [`requests`]: what is under way, matched by sequence number and peer, each with a deadline
//! * [`calls`]: calls and look-ups
//! * [`objects`]: our own objects
//! * [`watch`]: events and subscriptions; [`follow`]: the objects of a subscription
//! * [`output`]: what comes out of all that
//! * this file: the link, and which frame is for whom

mod calls;
mod follow;
mod objects;
mod output;
mod requests;
mod watch;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

pub use self::objects::REGISTER_RETRY;
pub use self::output::{Answer, Incoming, Notice, Output, Ticket, Token};

use self::objects::Declared;
use self::requests::{Pending, Requests};
use self::watch::Watch;
use super::blob::{Writer, MAX_BLOB};
use super::error::{Error, Status};
use super::message::{attr, Attributes, Frame, Kind};
use super::ordered::Map;

/// Longest wait for the daemon's greeting and for answers of its own.
pub const DAEMON_TIMEOUT: Duration = Duration::from_secs(5);

/// Requests of users under way at once; further ones fail with [`Error::Busy`].
pub const MAX_REQUESTS: usize = 256;

/// Bytes of the frames with DATA that one call may collect.
pub const MAX_REPLY: usize = 4 << 20;

/// Objects one look-up may bring.
pub const MAX_OBJECTS: usize = 4096;

/// The meaning of an id of ours on this connection.
#[derive(Debug, Clone, PartialEq)]
enum Role {
    Object(Token),
    Listener,
    Subscriber(follow::Target),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Link {
    Down,
    Greeting { until: Instant },
    Up,
}

/// Outputs that the queue has room for while it is empty.
const OUTPUTS_KEPT: usize = 16;

/// See the module's description.
#[derive(Debug)]
pub struct Protocol {
    link: Link,
    /// Counts connections, so that an answer never goes to the wrong one.
    connection: u32,
    requests: Requests,
    paths: HashMap<String, u32>,
    objects: Map<Token, Declared>,
    roles: HashMap<u32, Role>,
    watch: Watch,
    outputs: VecDeque<Output>,
}

impl Default for Protocol {
    fn default() -> Self {
        Protocol {
            link: Link::Down,
            connection: 0,
            requests: Requests::default(),
            paths: HashMap::new(),
            objects: Map::default(),
            roles: HashMap::new(),
            watch: Watch::default(),
            outputs: VecDeque::new(),
        }
    }
}

impl Protocol {
    /// The next thing to do, if any.
    pub fn poll(&mut self) -> Option<Output> {
        let next = self.outputs.pop_front();
        if self.outputs.is_empty() {
            // A burst does not keep its room.
            self.outputs.shrink_to(OUTPUTS_KEPT);
        }
        next
    }

    /// Requests without an answer so far.
    pub fn under_way(&self) -> usize {
        self.requests.under_way()
    }

    /// When [`Protocol::time`] has to be called next.
    pub fn deadline(&self) -> Option<Instant> {
        let greeting = match self.link {
            Link::Greeting { until } => Some(until),
            _ => None,
        };
        let retry = match self.link {
            Link::Up => self.objects.values().filter_map(|o| o.retry).min(),
            _ => None,
        };
        [greeting, retry, self.requests.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The socket opened; the daemon speaks first.
    pub fn opened(&mut self, now: Instant) {
        self.connection = self.connection.wrapping_add(1);
        self.link = Link::Greeting {
            until: now + DAEMON_TIMEOUT,
        };
    }

    /// The socket closed: what was under way fails, what was declared waits for the next one.
    pub fn closed(&mut self) {
        self.link = Link::Down;
        self.paths.clear();
        self.roles.clear();
        for object in self.objects.values_mut() {
            object.id = None;
            object.retry = None;
        }
        for pending in self.requests.drain() {
            self.fail(pending, Error::Disconnected);
        }
        // What was declared stands; it comes about with the next connection.
        for token in self.watch.waiting().keys().copied() {
            self.done(token, Ok(Answer::Done));
        }
        for (token, notice) in self.watch.closed() {
            self.outputs.push_back(Output::Notice(token, notice));
        }
    }

    /// Time passed.
    pub fn time(&mut self, now: Instant) {
        if let Link::Greeting { until } = self.link {
            if until <= now {
                self.drop_link("no greeting from the bus");
            }
        }
        while let Some((pending, timeout)) = self.requests.expired(now) {
            if pending.is_of_a_caller() {
                self.fail(pending, Error::Timeout(timeout.as_millis()));
            } else {
                // Asked of the daemon itself, which answers at once or not at all.
                self.fail(pending, Error::Disconnected);
                self.drop_link("the bus does not answer");
            }
        }
        if self.link == Link::Up {
            let due: Vec<Token> = self
                .objects
                .iter()
                .filter(|(_, object)| object.retry.is_some_and(|at| at <= now))
                .map(|(token, _)| *token)
                .collect();
            for token in due {
                self.register(token, now);
            }
        }
    }

    /// A frame came.
    pub fn frame(&mut self, frame: &Frame, now: Instant) {
        let kind = Kind::from_id(frame.kind);
        if let Link::Greeting { .. } = self.link {
            match kind {
                Some(Kind::Hello) => self.greeted(now),
                _ => self.drop_link("the bus did not greet"),
            }
            return;
        }
        if self.link == Link::Down {
            return;
        }
        let attributes = Attributes::parse(&frame.payload);
        match (kind, attributes) {
            (Some(Kind::Data), Ok(reply)) => self.requests.collect(frame, &reply),
            (Some(Kind::Status), Ok(reply)) => {
                // A STATUS without its attribute is no answer; the daemon sends none.
                if let Some(status) = reply.status {
                    if let Some(pending) = self.requests.take(frame) {
                        self.answered(pending, Status(status), now);
                    }
                }
            }
            (Some(Kind::Data | Kind::Status), Err(reason)) => {
                match self.requests.take(frame) {
                    Some(pending) if pending.is_of_a_caller() => self.fail(pending, reason.into()),
                    // Nobody asks once more for what is ours.
                    Some(pending) => {
                        self.fail(pending, reason.into());
                        self.drop_link("the bus sends an answer that cannot be read");
                    }
                    None => {}
                }
            }
            (Some(Kind::Invoke), Ok(call)) => self.invoked(frame, call, now),
            (Some(Kind::Notify), Ok(change)) => {
                let role = change.objid.and_then(|id| self.roles.get(&id));
                if let (Some(Role::Object(token)), Some(active)) = (role, change.active) {
                    self.outputs.push_back(Output::Subscribers(*token, active));
                }
            }
            (Some(Kind::Unsubscribe), Ok(gone)) => self.target_gone(&gone, now),
            // Nothing else is addressed to clients; an unreadable one cannot be answered either.
            _ => {}
        }
    }

    fn drop_link(&mut self, reason: &str) {
        self.outputs.push_back(Output::Drop(reason.to_owned()));
        self.closed();
    }

    fn send(&mut self, frame: Frame, reserve: usize) -> Result<(), Error> {
        let size = frame.blob_len();
        if size + reserve > MAX_BLOB {
            return Err(Error::TooLarge(size));
        }
        self.outputs.push_back(Output::Send(frame));
        Ok(())
    }

    /// Sends a request of our own to the daemon and remembers it.
    fn ask(&mut self, kind: Kind, peer: u32, attributes: Writer, pending: Pending, now: Instant) {
        let until = now + DAEMON_TIMEOUT;
        let seq = self.requests.add(peer, pending, DAEMON_TIMEOUT, until);
        let frame = Frame::new(kind, seq, peer, attributes);
        self.outputs.push_back(Output::Send(frame));
    }

    fn ask_remove(&mut self, id: u32, now: Instant) {
        let attributes = Writer::new().word(attr::OBJID, id);
        self.ask(Kind::RemoveObject, 0, attributes, Pending::Remove, now);
    }

    fn ask_lookup(&mut self, pattern: &str, pending: Pending, timeout: Duration, until: Instant) {
        let seq = self.requests.add(0, pending, timeout, until);
        let attributes = match pattern {
            "" => Writer::new(),
            _ => Writer::new().text(attr::OBJPATH, pattern.as_bytes()),
        };
        let frame = Frame::new(Kind::Lookup, seq, 0, attributes);
        self.outputs.push_back(Output::Send(frame));
    }

    fn greeted(&mut self, now: Instant) {
        self.link = Link::Up;
        self.outputs.push_back(Output::Connected);
        let tokens: Vec<Token> = self.objects.keys().copied().collect();
        for token in tokens {
            self.register(token, now);
        }
        self.start_watching(now);
    }

    /// A request of ours ended with `status`.
    fn answered(&mut self, pending: Pending, status: Status, now: Instant) {
        match pending {
            Pending::Call(call) => self.call_ended(call, status),
            Pending::Resolve(resolve) => self.resolved(resolve, status),
            Pending::Lookup { token, found } => {
                let result = match status {
                    Status::OK => Ok(Answer::Objects(found)),
                    status => Err(Error::Status(status)),
                };
                self.done(token, result);
            }
            Pending::Register { token, id } => self.registered(token, id, status, now),
            Pending::Remove => {}
            Pending::Watch(step) => self.watch_answered(step, status, now),
        }
    }

    fn fail(&mut self, pending: Pending, error: Error) {
        match pending {
            Pending::Call(call) => self.done(call.token, Err(error)),
            Pending::Resolve(resolve) => self.done(resolve.call.token, Err(error)),
            Pending::Lookup { token, .. } => self.done(token, Err(error)),
            Pending::Register { token, .. } => {
                let announce = self
                    .objects
                    .get_mut(&token)
                    .is_some_and(|object| std::mem::take(&mut object.announce));
                if announce {
                    self.done(token, Ok(Answer::Done));
                }
            }
            Pending::Remove | Pending::Watch(_) => {}
        }
    }

    fn done(&mut self, token: Token, result: Result<Answer, Error>) {
        self.outputs.push_back(Output::Answer(token, result));
    }
}

#[cfg(test)]
mod tests;
