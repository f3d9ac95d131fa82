//! The daemon's state, and what each message does to it.

use std::collections::{BTreeMap, VecDeque};

use fastrand::Rng;
use ubus::blob::Writer;
use ubus::blobmsg::Type;
use ubus::message::{system_object, Kind};
use ubus::Status;

use super::acl::{Acl, Action};
use super::events::Pattern;
use super::lookup::Lookup;
use super::message::{Message, Outgoing};
use super::monitor::Monitor;
use super::objects::{Object, ObjectType};
use super::request::Request;
use super::Credentials;

/// Ids below are the daemon's own objects.
pub(super) const FIRST_ID: u32 = 1024;

/// The end of a handler.
pub(super) enum Answer {
    /// With this STATUS from the daemon.
    Status(Status),
    /// Without one: somebody else answers, or nobody.
    Silent,
}

pub(super) struct Client {
    pub(super) credentials: Credentials,
    /// Ids of its objects, oldest first.
    pub(super) objects: Vec<u32>,
    /// LOOKUPs that wait until all that was sent so far has gone out.
    pub(super) lookups: VecDeque<Lookup>,
}

/// The bus daemon without its sockets.
///
/// A client is known by the id in its HELLO. Every method hands what the daemon writes to an
/// [`Outgoing`], in order.
pub struct Bus {
    rng: Rng,
    pub(super) acl: Acl,
    /// Counts the loads of the access lists, from 1.
    pub(super) acl_sequence: u32,
    pub(super) clients: BTreeMap<u32, Client>,
    pub(super) objects: BTreeMap<u32, Object>,
    pub(super) types: BTreeMap<u32, ObjectType>,
    /// Object ids by path, in byte order.
    pub(super) paths: BTreeMap<Vec<u8>, u32>,
    /// Sorted by text; equal ones in the order they were registered.
    pub(super) patterns: Vec<Pattern>,
    /// Deliveries of events so far.
    pub(super) event_seq: u16,
    pub(super) monitors: Vec<Monitor>,
}

impl Bus {
    /// A bus with nobody on it. The same `seed` gives the same ids.
    pub fn new(seed: u64, acl: Acl) -> Self {
        let own = [
            system_object::EVENT,
            system_object::ACL,
            system_object::MONITOR,
        ];
        Bus {
            rng: Rng::with_seed(seed),
            acl,
            acl_sequence: 1,
            clients: BTreeMap::new(),
            objects: own.map(|id| (id, Object::default())).into(),
            types: BTreeMap::new(),
            paths: BTreeMap::new(),
            patterns: Vec::new(),
            event_seq: 0,
            monitors: Vec::new(),
        }
    }

    /// Takes a client on and returns its id; it is to be greeted next.
    pub fn admit(&mut self, credentials: Credentials) -> u32 {
        let id = new_id(&mut self.rng, &self.clients);
        self.clients.insert(
            id,
            Client {
                credentials,
                objects: Vec::new(),
                lookups: VecDeque::new(),
            },
        );
        id
    }

    /// Sends HELLO to a client just admitted.
    pub fn greet(&mut self, client: u32, out: &mut impl Outgoing) {
        let hello = Message::new(Kind::Hello, 0, client, Writer::new());
        self.send(out, client, hello);
    }

    /// Forgets a client, its objects and its subscriptions. The others hear of it as the rules say,
    /// and so is the client itself.
    pub fn disconnect(&mut self, client: u32, out: &mut impl Outgoing) {
        self.monitors.retain(|monitor| monitor.client != client);
        let Some(state) = self.clients.get(&client) else {
            return;
        };
        for object in state.objects.clone().into_iter().rev() {
            self.free_object(object, out);
        }
        self.clients.remove(&client);
    }

    /// Handles what `client` sent. Nothing happens if there is no such client.
    pub fn receive(&mut self, client: u32, mut message: Message, out: &mut impl Outgoing) {
        if !self.clients.contains_key(&client) {
            return;
        }
        self.observe(client, &message.frame, false, out);
        let kind = Kind::from_id(message.frame.kind);
        if !matches!(kind, Some(Kind::Status | Kind::Invoke)) {
            message.fd = None;
        }
        let (seq, peer) = (message.frame.seq, message.frame.peer);
        let request = Request::read(&message.frame.payload);
        let answer = match kind {
            Some(Kind::Ping) => {
                message.frame.kind = Kind::Data as u8;
                self.send(out, client, message);
                Ok(Answer::Status(Status::OK))
            }
            Some(Kind::Status | Kind::Data) => {
                self.relay(client, message, &request, out);
                Ok(Answer::Silent)
            }
            Some(Kind::Lookup) => {
                self.start_lookup(client, Lookup::new(seq, peer, request), out);
                Ok(Answer::Silent)
            }
            Some(Kind::Invoke) => self.invoke(client, message, &request, out),
            Some(Kind::AddObject) => self.add_object(client, seq, peer, &request, out),
            Some(Kind::RemoveObject) => self.remove_object(client, seq, peer, &request, out),
            Some(Kind::Subscribe) => self.subscribe(client, &request, out),
            Some(Kind::Unsubscribe) => self.unsubscribe(client, &request, out),
            Some(Kind::Notify) => self.notify(client, seq, peer, &request, out),
            Some(Kind::Hello | Kind::Monitor) | None => Err(Status::INVALID_COMMAND),
        };
        match answer {
            Ok(Answer::Silent) => {}
            Ok(Answer::Status(status)) | Err(status) => {
                self.send_status(client, seq, peer, status, out);
            }
        }
    }

    /// Replaces the access lists and announces it: event `ubus.acl.sequence`.
    pub fn reload(&mut self, acl: Acl, out: &mut impl Outgoing) {
        self.acl = acl;
        self.acl_sequence = self.acl_sequence.wrapping_add(1);
        let mut data = Writer::new();
        data.member(Type::Int32, b"sequence", &self.acl_sequence.to_be_bytes());
        self.deliver_event(None, b"ubus.acl.sequence", &data.into_bytes(), out);
    }

    /// Sends `message` to `client`; monitors get their copy first.
    pub(super) fn send(&mut self, out: &mut impl Outgoing, client: u32, message: Message) {
        self.observe(client, &message.frame, true, out);
        out.send(client, message);
    }

    pub(super) fn send_status(
        &mut self,
        client: u32,
        seq: u16,
        peer: u32,
        status: Status,
        out: &mut impl Outgoing,
    ) {
        let attributes = Writer::new().status(status.0);
        self.send(
            out,
            client,
            Message::new(Kind::Status, seq, peer, attributes),
        );
    }

    /// True if the access lists let `client` do this.
    pub(super) fn allows(&self, client: u32, name: &[u8], action: Action<'_>) -> bool {
        self.clients
            .get(&client)
            .is_some_and(|state| self.acl.allows(&state.credentials, name, action))
    }

    pub(super) fn new_object_id(&mut self) -> u32 {
        new_id(&mut self.rng, &self.objects)
    }

    pub(super) fn new_type_id(&mut self) -> u32 {
        new_id(&mut self.rng, &self.types)
    }
}

fn new_id<V>(rng: &mut Rng, taken: &BTreeMap<u32, V>) -> u32 {
    loop {
        let id = rng.u32(FIRST_ID..);
        if !taken.contains_key(&id) {
            return id;
        }
    }
}

#[cfg(test)]
mod tests;
