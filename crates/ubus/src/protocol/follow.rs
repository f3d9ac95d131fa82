//! The objects of a subscription: found, followed, and gone.

use std::time::Instant;

use bytes::Bytes;

use super::requests::Pending;
use super::watch::Step;
use super::{Answer, Notice, Output, Protocol, Role, Token, DAEMON_TIMEOUT};
use crate::blob::Writer;
use crate::error::{Error, Status};
use crate::message::{attr, Attributes, Kind};
use crate::object::ObjectInfo;

/// Objects that one subscription follows at once.
const MAX_TARGETS: usize = 256;

/// A subscription to one object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    pub(super) token: Token,
    pub(super) path: String,
    /// The object's id; another one means another object of the same path.
    pub(super) id: u32,
}

impl Protocol {
    pub(super) fn find(&mut self, token: Token, now: Instant) {
        if let Some(subscription) = self.watch.subscriptions.get(&token) {
            let pattern = subscription.pattern.clone();
            let step = Pending::Watch(Step::Find {
                token,
                found: Vec::new(),
            });
            self.ask_lookup(&pattern, step, DAEMON_TIMEOUT, now + DAEMON_TIMEOUT);
        }
    }

    /// A look-up for a subscription ended.
    pub(super) fn found(
        &mut self,
        token: Token,
        found: Vec<ObjectInfo>,
        status: Status,
        now: Instant,
    ) {
        for object in found {
            self.follow(token, &object.path, object.id, now);
        }
        if self.watch.owed.remove(&token).is_some() {
            let result = match status {
                Status::OK | Status::NOT_FOUND => Ok(Answer::Done),
                status => Err(Error::Status(status)),
            };
            self.done(token, result);
        }
    }

    /// The object that is to hear `target` was made, or not.
    pub(super) fn subscriber_made(
        &mut self,
        target: Target,
        id: Option<u32>,
        status: Status,
        now: Instant,
    ) {
        match (status, id) {
            (Status::OK, Some(id)) if self.wants(&target) => {
                let attributes = Writer::new()
                    .word(attr::OBJID, id)
                    .word(attr::TARGET, target.id);
                let step = Pending::Watch(Step::Subscribe { target, id });
                self.ask(Kind::Subscribe, 0, attributes, step, now);
            }
            (_, id) => {
                self.forget(&target);
                if let Some(id) = id {
                    self.ask_remove(id, now);
                }
            }
        }
    }

    /// Our object `id` hears `target` from now on, or not.
    pub(super) fn subscribed(&mut self, target: Target, id: u32, status: Status, now: Instant) {
        if status == Status::OK && self.wants(&target) {
            let notice = Notice::Subscribed {
                path: target.path.clone(),
            };
            self.outputs.push_back(Output::Notice(target.token, notice));
            self.roles.insert(id, Role::Subscriber(target));
        } else {
            // Gone again already, or not for us: its return will be an event.
            self.forget(&target);
            self.ask_remove(id, now);
        }
    }

    /// True while `target` is the object to follow.
    fn wants(&self, target: &Target) -> bool {
        self.watch
            .subscriptions
            .get(&target.token)
            .and_then(|subscription| subscription.targets.get(&target.path))
            == Some(&target.id)
    }

    fn forget(&mut self, target: &Target) {
        if self.wants(target) {
            if let Some(subscription) = self.watch.subscriptions.get_mut(&target.token) {
                subscription.targets.remove(&target.path);
            }
        }
    }

    pub(super) fn follow(&mut self, token: Token, path: &str, id: u32, now: Instant) {
        let Some(subscription) = self.watch.subscriptions.get_mut(&token) else {
            return;
        };
        if subscription.targets.get(path) == Some(&id) || subscription.targets.len() >= MAX_TARGETS
        {
            return;
        }
        subscription.targets.insert(path.to_owned(), id);
        let target = Target {
            token,
            path: path.to_owned(),
            id,
        };
        let step = Pending::Watch(Step::Subscriber { target, id: None });
        self.ask(Kind::AddObject, 0, Writer::new(), step, now);
    }

    /// A followed object sent something.
    pub(super) fn notification(&mut self, target: &Target, kind: String, data: Bytes) {
        let notice = Notice::Notification {
            path: target.path.clone(),
            kind,
            data,
        };
        self.outputs.push_back(Output::Notice(target.token, notice));
    }

    /// The daemon says that what one of our ids follows is gone.
    pub(super) fn target_gone(&mut self, gone: &Attributes, now: Instant) {
        let Some(id) = gone.objid else {
            return;
        };
        if let Some(Role::Subscriber(target)) = self.roles.get(&id).cloned() {
            if gone.target != Some(target.id) {
                return;
            }
            self.roles.remove(&id);
            self.forget(&target);
            self.ask_remove(id, now);
            let notice = Notice::Gone { path: target.path };
            self.outputs.push_back(Output::Notice(target.token, notice));
        }
    }
}
