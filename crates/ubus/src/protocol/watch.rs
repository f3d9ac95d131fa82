//! Events and subscriptions, kept up over reconnects and over objects that come and go.
//!
//! A single anonymous object hears all events. A notification does not say which object sent it, so
//! each subscribed object gets an anonymous subscriber object of its own.
//!
//! ```text
//! greeted ─► ADD listener ─► register each pattern ─► LOOKUP each subscription
//!                                                        └─ per object: ADD subscriber ─► SUBSCRIBE
//! event ubus.object.add that a subscription means ───────────────────────┘
//! ```
//!
//! Registering for `ubus.object.add` before the look-up leaves no gap; an object found twice is
//! subscribed once.

use std::collections::HashMap;
use std::time::Instant;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::follow::Target;
use super::requests::Pending;
use super::{Answer, Link, Notice, Output, Protocol, Role, Token};
use crate::blob::Writer;
use crate::error::{Error, Status};
use crate::message::{attr, system_object, Kind};
use crate::object::{matches, ObjectInfo};
use crate::ordered::{Map, Set};
use crate::{from_members, to_members};

/// The event that says which objects appeared.
const OBJECT_ADD: &str = "ubus.object.add";

/// Steps on the way to hearing something; all are requests to the daemon.
#[derive(Debug)]
pub(super) enum Step {
    Listener {
        id: Option<u32>,
    },
    Register {
        pattern: String,
    },
    Find {
        token: Token,
        found: Vec<ObjectInfo>,
    },
    Subscriber {
        target: Target,
        id: Option<u32>,
    },
    Subscribe {
        target: Target,
        id: u32,
    },
}

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) pattern: String,
    /// Paths followed on this connection, with the object's id.
    pub(super) targets: HashMap<String, u32>,
}

/// A subscription, and how far it is on this connection.
#[derive(Debug, Default)]
pub(super) struct Watch {
    listeners: Map<Token, String>,
    pub(super) subscriptions: Map<Token, Subscription>,
    /// The anonymous object on this connection.
    listener: Option<u32>,
    listener_asked: bool,
    /// Patterns sent to the daemon on this connection, and those it confirmed.
    asked: Set<String>,
    confirmed: Set<String>,
    /// Users that wait for their listener or subscription to stand.
    pub(super) owed: Set<Token>,
}

impl Watch {
    /// The connection is gone: forgets ids, reports followed objects gone.
    pub(super) fn closed(&mut self) -> Vec<(Token, Notice)> {
        self.listener = None;
        self.listener_asked = false;
        self.asked.clear();
        self.confirmed.clear();
        let mut notices = Vec::new();
        for (token, subscription) in self.subscriptions.iter_mut() {
            for (path, _) in subscription.targets.drain() {
                notices.push((*token, Notice::Gone { path }));
            }
        }
        notices
    }

    /// Everybody who waits.
    pub(super) fn waiting(&mut self) -> Set<Token> {
        std::mem::take(&mut self.owed)
    }

    fn patterns(&self) -> Set<String> {
        let mut patterns = Set::default();
        for pattern in self.listeners.values() {
            patterns.insert(pattern.clone(), ());
        }
        if !self.subscriptions.is_empty() {
            patterns.insert(OBJECT_ADD.to_owned(), ());
        }
        patterns
    }
}

#[derive(Serialize)]
struct RegisterArgs<'a> {
    object: u32,
    pattern: &'a str,
}

#[derive(Deserialize)]
struct ObjectAdd {
    id: u32,
    path: String,
}

impl Protocol {
    /// Hears events whose name `pattern` means, now and after each reconnect. Answered when the
    /// daemon confirmed it, at once while there is no connection.
    pub fn listen(&mut self, token: Token, pattern: &str, now: Instant) {
        self.watch.listeners.insert(token, pattern.to_owned());
        if self.watch.confirmed.contains(pattern) {
            self.done(token, Ok(Answer::Done));
        } else {
            self.await_watch(token, now);
        }
    }

    /// Follows the objects whose path `pattern` means, now and whenever one appears. Answered when
    /// those that exist were looked up; their subscriptions are [`Notice::Subscribed`].
    pub fn subscribe(&mut self, token: Token, pattern: &str, now: Instant) {
        self.watch.subscriptions.insert(
            token,
            Subscription {
                pattern: pattern.to_owned(),
                targets: HashMap::new(),
            },
        );
        let heard = self.watch.confirmed.contains(OBJECT_ADD);
        self.await_watch(token, now);
        if heard {
            self.find(token, now);
        }
    }

    /// Ends a listener or a subscription. (A pattern cannot be taken back from the daemon; what it
    /// still brings is nobody's.)
    pub fn unwatch(&mut self, token: Token, now: Instant) {
        self.watch.listeners.remove(&token);
        self.watch.owed.remove(&token);
        if self.watch.subscriptions.remove(&token).is_some() {
            let ids: Vec<u32> = self
                .roles
                .iter()
                .filter(|(_, role)| matches!(role, Role::Subscriber(t) if t.token == token))
                .map(|(id, _)| *id)
                .collect();
            for id in ids {
                self.roles.remove(&id);
                self.ask_remove(id, now);
            }
        }
    }

    fn await_watch(&mut self, token: Token, now: Instant) {
        if self.link == Link::Up {
            self.watch.owed.insert(token, ());
            self.start_watching(now);
        } else {
            self.done(token, Ok(Answer::Done));
        }
    }

    /// Takes the next steps towards hearing all that is wanted.
    pub(super) fn start_watching(&mut self, now: Instant) {
        let patterns = self.watch.patterns();
        if patterns.is_empty() {
            return;
        }
        let Some(object) = self.watch.listener else {
            if !std::mem::replace(&mut self.watch.listener_asked, true) {
                let step = Pending::Watch(Step::Listener { id: None });
                self.ask(Kind::AddObject, 0, Writer::new(), step, now);
            }
            return;
        };
        for pattern in patterns.keys().cloned() {
            if !self.watch.asked.insert(pattern.clone(), ()) {
                continue;
            }
            let args = RegisterArgs {
                object,
                pattern: &pattern,
            };
            // Two numbers and a string always have a wire form.
            let Ok(data) = to_members(&args) else {
                continue;
            };
            let attributes = Writer::new()
                .word(attr::OBJID, system_object::EVENT)
                .text(attr::METHOD, b"register")
                .nested(attr::DATA, &data);
            let step = Pending::Watch(Step::Register { pattern });
            self.ask(Kind::Invoke, system_object::EVENT, attributes, step, now);
        }
    }

    /// A step was answered.
    pub(super) fn watch_answered(&mut self, step: Step, status: Status, now: Instant) {
        match step {
            Step::Listener { id: Some(id) } if status == Status::OK => {
                self.watch.listener = Some(id);
                self.roles.insert(id, Role::Listener);
                self.start_watching(now);
            }
            Step::Listener { .. } => {
                self.watch.listener_asked = false;
                for token in self.watch.waiting().keys().copied() {
                    self.done(token, Err(Error::Status(status)));
                }
            }
            Step::Register { pattern } => self.pattern_answered(&pattern, status, now),
            Step::Find { token, found } => self.found(token, found, status, now),
            Step::Subscriber { target, id } => self.subscriber_made(target, id, status, now),
            Step::Subscribe { target, id } => self.subscribed(target, id, status, now),
        }
    }

    fn pattern_answered(&mut self, pattern: &str, status: Status, now: Instant) {
        let result = match status {
            Status::OK => Ok(Answer::Done),
            status => Err(Error::Status(status)),
        };
        if result.is_ok() {
            self.watch.confirmed.insert(pattern.to_owned(), ());
        } else {
            self.watch.asked.remove(pattern);
        }
        let waiting: Vec<Token> = self
            .watch
            .listeners
            .iter()
            .filter(|(token, wanted)| *wanted == pattern && self.watch.owed.contains(token))
            .map(|(token, _)| *token)
            .collect();
        for token in waiting {
            self.watch.owed.remove(&token);
            self.done(token, result.clone());
        }
        if pattern == OBJECT_ADD {
            // Refused or not: what exists already can be followed.
            let tokens: Vec<Token> = self.watch.subscriptions.keys().copied().collect();
            for token in tokens {
                self.find(token, now);
            }
        }
    }

    /// An event came.
    pub(super) fn event(&mut self, name: &str, data: Bytes, now: Instant) {
        if name == OBJECT_ADD {
            if let Ok(added) = from_members::<ObjectAdd>(&data) {
                // Its old id, if there was one, is worthless.
                self.paths.remove(&added.path);
                let tokens: Vec<Token> = self
                    .watch
                    .subscriptions
                    .iter()
                    .filter(|(_, subscription)| matches(&subscription.pattern, &added.path))
                    .map(|(token, _)| *token)
                    .collect();
                for token in tokens {
                    self.follow(token, &added.path, added.id, now);
                }
            }
        }
        for (token, pattern) in self.watch.listeners.iter() {
            if matches(pattern, name) {
                let event = Output::Event(*token, name.to_owned(), data.clone());
                self.outputs.push_back(event);
            }
        }
    }
}
