//! SUBSCRIBE, UNSUBSCRIBE, NOTIFY, and what is said when one side goes.

use ubus::blob::Writer;
use ubus::message::{attr, Kind};
use ubus::Status;

use super::acl::Action;
use super::bus::{Answer, Bus};
use super::message::{Message, Outgoing};
use super::request::Request;

impl Bus {
    pub(super) fn subscribe(
        &mut self,
        client: u32,
        request: &Request,
        out: &mut impl Outgoing,
    ) -> Result<Answer, Status> {
        let (subscriber, target) = self.pair(client, request)?;
        let object = self.objects.get(&target).ok_or(Status::NOT_FOUND)?;
        let owner = object.owner.ok_or(Status::NOT_FOUND)?;
        if owner == client {
            return Err(Status::INVALID_ARGUMENT);
        }
        let allowed = match &object.path {
            Some(path) => self.allows(client, path, Action::Subscribe),
            None => self.share_a_name(client, owner),
        };
        if !allowed {
            return Err(Status::NOT_FOUND);
        }
        if let Some(object) = self.objects.get_mut(&subscriber) {
            object.targets.push(target);
        }
        if let Some(object) = self.objects.get_mut(&target) {
            object.subscribers.push(subscriber);
            if object.subscribers.len() == 1 {
                self.tell_active(target, out);
            }
        }
        Ok(Answer::Status(Status::OK))
    }

    pub(super) fn unsubscribe(
        &mut self,
        client: u32,
        request: &Request,
        out: &mut impl Outgoing,
    ) -> Result<Answer, Status> {
        let (subscriber, target) = self.pair(client, request)?;
        if !self.cut(subscriber, target) {
            return Err(Status::NOT_FOUND);
        }
        self.tell_if_last(target, out);
        Ok(Answer::Status(Status::OK))
    }

    pub(super) fn notify(
        &mut self,
        client: u32,
        seq: u16,
        peer: u32,
        request: &Request,
        out: &mut impl Outgoing,
    ) -> Result<Answer, Status> {
        let (Some(id), Some(method)) = (request.object, &request.method) else {
            return Err(Status::INVALID_ARGUMENT);
        };
        self.owned(client, id, Status::PERMISSION_DENIED)?;
        let mut subscribers = self
            .objects
            .get(&id)
            .map(|object| object.subscribers.clone())
            .unwrap_or_default();
        subscribers.reverse();
        if !request.no_reply {
            let mut list = Writer::new();
            for subscriber in &subscribers {
                list.attr(0, false, &subscriber.to_be_bytes());
            }
            let attributes = Writer::new()
                .word(attr::OBJID, id)
                .nested(attr::SUBSCRIBERS, &list.into_bytes())
                .status(Status::OK.0);
            self.send(
                out,
                client,
                Message::new(Kind::Status, seq, peer, attributes),
            );
        }
        let data = request.data.as_deref();
        for subscriber in subscribers {
            let Some(owner) = self
                .objects
                .get(&subscriber)
                .and_then(|object| object.owner)
            else {
                continue;
            };
            let mut attributes = Writer::new();
            if request.no_reply {
                attributes = attributes.flag(attr::NO_REPLY, true);
            }
            let attributes = self.forwarded(client, attributes, subscriber, method, data);
            self.send(
                out,
                owner,
                Message::new(Kind::Invoke, seq, client, attributes),
            );
        }
        Ok(Answer::Silent)
    }

    /// Ends all subscriptions of and to an object that goes, the newest first.
    pub(super) fn drop_subscriptions(&mut self, id: u32, out: &mut impl Outgoing) {
        while let Some(target) = self
            .objects
            .get(&id)
            .and_then(|object| object.targets.last().copied())
        {
            self.cut(id, target);
            self.tell_if_last(target, out);
        }
        while let Some(subscriber) = self
            .objects
            .get(&id)
            .and_then(|object| object.subscribers.last().copied())
        {
            self.tell_target_gone(subscriber, id, out);
            self.cut(subscriber, id);
            self.tell_if_last(id, out);
        }
    }

    /// The subscriber, which has to be the client's, and the target of a request.
    fn pair(&self, client: u32, request: &Request) -> Result<(u32, u32), Status> {
        let (Some(subscriber), Some(target)) = (request.object, request.target) else {
            return Err(Status::INVALID_ARGUMENT);
        };
        self.owned(client, subscriber, Status::INVALID_ARGUMENT)?;
        Ok((subscriber, target))
    }

    /// Removes the newest subscription of `subscriber` to `target`, if there is one.
    fn cut(&mut self, subscriber: u32, target: u32) -> bool {
        let Some(object) = self.objects.get_mut(&subscriber) else {
            return false;
        };
        let Some(at) = object.targets.iter().rposition(|id| *id == target) else {
            return false;
        };
        object.targets.remove(at);
        if let Some(object) = self.objects.get_mut(&target) {
            if let Some(at) = object.subscribers.iter().rposition(|id| *id == subscriber) {
                object.subscribers.remove(at);
            }
        }
        true
    }

    fn tell_if_last(&mut self, target: u32, out: &mut impl Outgoing) {
        let object = self.objects.get(&target);
        if object.is_some_and(|object| object.subscribers.is_empty()) {
            self.tell_active(target, out);
        }
    }

    /// NOTIFY to the owner of `target`: whether it has subscribers.
    fn tell_active(&mut self, target: u32, out: &mut impl Outgoing) {
        let Some(object) = self.objects.get_mut(&target) else {
            return;
        };
        let attributes = Writer::new()
            .word(attr::OBJID, target)
            .flag(attr::ACTIVE, !object.subscribers.is_empty());
        let message = Message::new(Kind::Notify, object.next_seq(), 0, attributes);
        if let Some(owner) = object.owner {
            self.send(out, owner, message);
        }
    }

    /// UNSUBSCRIBE to the owner of `subscriber`: its target is gone.
    fn tell_target_gone(&mut self, subscriber: u32, target: u32, out: &mut impl Outgoing) {
        let Some(object) = self.objects.get_mut(&subscriber) else {
            return;
        };
        let attributes = Writer::new()
            .word(attr::OBJID, subscriber)
            .word(attr::TARGET, target);
        let message = Message::new(Kind::Unsubscribe, object.next_seq(), 0, attributes);
        if let Some(owner) = object.owner {
            self.send(out, owner, message);
        }
    }

    /// Objects without a path are open to clients of the same user or the same group.
    fn share_a_name(&self, client: u32, owner: u32) -> bool {
        match (self.clients.get(&client), self.clients.get(&owner)) {
            (Some(a), Some(b)) => {
                a.credentials.user == b.credentials.user
                    || a.credentials.group == b.credentials.group
            }
            _ => false,
        }
    }
}
