//! Our own objects: offered, offered again, called.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::requests::Pending;
use super::{Answer, Incoming, Link, Output, Protocol, Role, Ticket, Token};
use crate::blob::Writer;
use crate::error::{Error, Status};
use crate::message::{attr, Attributes, Frame, Kind, FORWARD_RESERVE};
use crate::object::{write_signature, Method};

/// Wait before an object that the daemon refused (its path is still taken) is offered again.
pub const REGISTER_RETRY: Duration = Duration::from_secs(1);

/// An object of ours on the bus.
#[derive(Debug)]
pub(super) struct Declared {
    path: String,
    methods: Vec<Method>,
    /// The first registration still owes the user an answer.
    pub(super) announce: bool,
    pub(super) id: Option<u32>,
    /// When to offer it again after a refusal.
    pub(super) retry: Option<Instant>,
}

impl Protocol {
    /// Offers an object, now and after each reconnect. Answered with [`Answer::Done`] when it is
    /// registered, at once while there is no connection, or with the daemon's refusal. A refusal,
    /// now or after a reconnect, is followed by further attempts until the object is removed.
    pub fn add_object(&mut self, token: Token, path: &str, methods: Vec<Method>, now: Instant) {
        let up = self.link == Link::Up;
        self.objects.insert(
            token,
            Declared {
                path: path.to_owned(),
                methods,
                announce: up,
                id: None,
                retry: None,
            },
        );
        if up {
            self.register(token, now);
        } else {
            self.outputs
                .push_back(Output::Answer(token, Ok(Answer::Done)));
        }
    }

    /// Withdraws an object.
    pub fn remove_object(&mut self, token: Token, now: Instant) {
        let Some(object) = self.objects.remove(&token) else {
            return;
        };
        if let Some(id) = object.id {
            self.roles.remove(&id);
            self.ask_remove(id, now);
        }
    }

    /// Sends a notification of our object to its subscribers; no answer is awaited.
    /// Without a connection there is no subscriber: nothing happens.
    pub fn notify(&mut self, token: Token, kind: &str, data: &[u8]) -> Result<(), Error> {
        let Some(id) = self.objects.get(&token).and_then(|object| object.id) else {
            return Ok(());
        };
        let seq = self.requests.next_seq();
        let attributes = Writer::new()
            .word(attr::OBJID, id)
            .text(attr::METHOD, kind.as_bytes())
            .nested(attr::DATA, data)
            .flag(attr::NO_REPLY, true);
        self.send(
            Frame::new(Kind::Notify, seq, id, attributes),
            FORWARD_RESERVE,
        )
    }

    /// Adds a DATA to the answer of an incoming call.
    pub fn reply(&mut self, ticket: Ticket, data: &[u8]) -> Result<(), Error> {
        if !self.valid(ticket) {
            return Err(Error::Disconnected);
        }
        let attributes = Writer::new()
            .word(attr::OBJID, ticket.object)
            .nested(attr::DATA, data);
        self.send(
            Frame::new(Kind::Data, ticket.seq, ticket.peer, attributes),
            0,
        )
    }

    /// Ends the answer of an incoming call.
    pub fn finish(&mut self, ticket: Ticket, status: Status) {
        if self.valid(ticket) {
            let attributes = Writer::new()
                .status(status.0)
                .word(attr::OBJID, ticket.object);
            let frame = Frame::new(Kind::Status, ticket.seq, ticket.peer, attributes);
            self.outputs.push_back(Output::Send(frame));
        }
    }

    pub(super) fn valid(&self, ticket: Ticket) -> bool {
        self.link == Link::Up
            && ticket.connection == self.connection
            && self.roles.contains_key(&ticket.object)
    }

    pub(super) fn register(&mut self, token: Token, now: Instant) {
        let Some(object) = self.objects.get_mut(&token) else {
            return;
        };
        object.retry = None;
        let attributes = Writer::new()
            .text(attr::OBJPATH, object.path.as_bytes())
            .nested(attr::SIGNATURE, &write_signature(&object.methods));
        let pending = Pending::Register { token, id: None };
        self.ask(Kind::AddObject, 0, attributes, pending, now);
    }

    pub(super) fn registered(
        &mut self,
        token: Token,
        id: Option<u32>,
        status: Status,
        now: Instant,
    ) {
        let Some(object) = self.objects.get_mut(&token) else {
            // Withdrawn while the daemon was still registering it.
            if let Some(id) = id {
                self.ask_remove(id, now);
            }
            return;
        };
        let announce = std::mem::take(&mut object.announce);
        let result = match (status, id) {
            (Status::OK, Some(id)) => {
                object.id = Some(id);
                self.roles.insert(id, Role::Object(token));
                Ok(Answer::Done)
            }
            (status, _) => {
                object.retry = Some(now + REGISTER_RETRY);
                Err(Error::Status(status))
            }
        };
        if announce {
            self.done(token, result);
        }
    }

    /// Somebody called one of our ids.
    pub(super) fn invoked(&mut self, frame: &Frame, call: Attributes, now: Instant) {
        let (Some(object), Some(method)) = (call.objid, call.method) else {
            return;
        };
        let Some(role) = self.roles.get(&object).cloned() else {
            return;
        };
        let ticket = Ticket {
            connection: self.connection,
            object,
            peer: frame.peer,
            seq: frame.seq,
        };
        let method = String::from_utf8_lossy(&method).into_owned();
        let silent = call.no_reply == Some(true);
        match role {
            Role::Object(token) => {
                let known = self
                    .objects
                    .get(&token)
                    .is_some_and(|object| object.methods.iter().any(|m| m.name == method));
                match call.data {
                    _ if silent => {}
                    _ if !known => self.finish(ticket, Status::METHOD_NOT_FOUND),
                    None => self.finish(ticket, Status::INVALID_ARGUMENT),
                    Some(data) => {
                        let text = |name: Option<Bytes>| {
                            name.map_or_else(String::new, |name| {
                                String::from_utf8_lossy(&name).into_owned()
                            })
                        };
                        let incoming = Incoming {
                            method,
                            data,
                            user: text(call.user),
                            group: text(call.group),
                            ticket,
                        };
                        self.outputs.push_back(Output::Request(token, incoming));
                    }
                }
            }
            // Events come from the daemon itself, which has no client id.
            Role::Listener if frame.peer == 0 => {
                self.event(&method, call.data.unwrap_or_default(), now);
            }
            Role::Listener => self.finish(ticket, Status::METHOD_NOT_FOUND),
            Role::Subscriber(target) => {
                self.notification(&target, method, call.data.unwrap_or_default());
                if !silent {
                    self.finish(ticket, Status::OK);
                }
            }
        }
    }
}
