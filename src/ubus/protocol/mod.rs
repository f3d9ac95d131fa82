//! The client's half of the conversation, without socket and without clock.
//!
//! [`Protocol`] is told what happened (the socket opened, a frame came, somebody wants a call, time
//! passed) and says what has to happen ([`Output`]): frames to send, results to hand over. It keeps
//! what has to exist on the bus (objects, listeners, subscriptions) and sets it up again on each
//! connection.
//!
//! * [`requests`]: what is under way, matched by sequence number and peer, each with a deadline
//! * [`watch`]: events and subscriptions
//! * this file: the frames themselves, calls, and our own objects

mod requests;
mod watch;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use self::requests::{Pending, Requests};
use self::watch::Watch;
use super::blob::{Writer, MAX_BLOB};
use super::blobmsg::Type;
use super::error::{Error, Status};
use super::message::{attr, system_object, Attributes, Frame, Kind, FORWARD_RESERVE};
use super::object::{write_signature, Method, ObjectInfo};

/// How long the daemon may take for its greeting and for what we ask of itself.
pub const DAEMON_TIMEOUT: Duration = Duration::from_secs(5);

/// Wait before an object that the daemon refused (its path is still taken) is offered again.
pub const REGISTER_RETRY: Duration = Duration::from_secs(1);

/// Requests of users under way at once; further ones fail with [`Error::Busy`].
pub const MAX_REQUESTS: usize = 256;

/// Bytes of DATA one call may collect.
pub const MAX_REPLY: usize = 4 << 20;

/// Objects one look-up may bring.
pub const MAX_OBJECTS: usize = 4096;

/// Object ids remembered by path.
const MAX_PATHS: usize = 1024;

/// Names something the user asked for, chosen by the user.
pub type Token = u64;

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It is done, or will be as soon as there is a connection.
    Done,
    Objects(Vec<ObjectInfo>),
    /// Each DATA of the reply, in order, maybe none, and the status that ended it.
    Data(Vec<Bytes>, Status),
}

/// Where the answer to an incoming call goes. Worthless after a reconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    connection: u32,
    object: u32,
    peer: u32,
    seq: u16,
}

/// A call of one of our methods.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    pub method: String,
    pub data: Bytes,
    /// The caller's user and group, as the daemon vouches for them.
    pub user: String,
    pub group: String,
    pub ticket: Ticket,
}

/// Something that happened to a subscription.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// From now on notifications of this object arrive.
    Subscribed { path: String },
    /// The object of that path sent this.
    Notification {
        path: String,
        kind: String,
        data: Bytes,
    },
    /// The object, or the bus with it, is gone; it is subscribed again when it comes back.
    Gone { path: String },
    /// So many notices did not fit into the queue of the one who reads them.
    Lost { count: u32 },
}

/// What the owner of the state machine has to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    Send(Frame),
    Answer(Token, Result<Answer, Error>),
    /// A method of the object with this token was called.
    Request(Token, Incoming),
    /// The object with this token got its first subscriber, or lost its last.
    Subscribers(Token, bool),
    /// An event for the listener with this token.
    Event(Token, String, Bytes),
    /// News for the subscription with this token.
    Notice(Token, Notice),
    /// Greeted: what was declared is being registered.
    Connected,
    /// The daemon does not behave; connect again.
    Drop(String),
}

/// One of our objects on the bus.
#[derive(Debug)]
struct Declared {
    path: String,
    methods: Vec<Method>,
    /// The first registration still owes the user an answer.
    announce: bool,
    id: Option<u32>,
    /// When to offer it again after a refusal.
    retry: Option<Instant>,
}

/// What an id of ours on this connection stands for.
#[derive(Debug, Clone, PartialEq)]
enum Role {
    Object(Token),
    Listener,
    Subscriber(watch::Target),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Link {
    Down,
    Greeting { until: Instant },
    Up,
}

/// See the module's description.
#[derive(Debug)]
pub struct Protocol {
    link: Link,
    /// Counts connections, so that an answer never goes to the wrong one.
    connection: u32,
    requests: Requests,
    paths: HashMap<String, u32>,
    objects: BTreeMap<Token, Declared>,
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
            objects: BTreeMap::new(),
            roles: HashMap::new(),
            watch: Watch::default(),
            outputs: VecDeque::new(),
        }
    }
}

impl Protocol {
    /// The next thing to do, if any.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
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
        for token in self.watch.waiting() {
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
            match pending {
                Pending::Call(_) | Pending::Resolve(_) | Pending::Lookup { .. } => {
                    self.fail(pending, Error::Timeout(timeout.as_millis()));
                }
                // Asked of the daemon itself, which answers at once or not at all.
                _ => {
                    self.fail(pending, Error::Disconnected);
                    self.drop_link("the bus does not answer");
                }
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

    /// Calls a method; the answer is [`Answer::Data`].
    pub fn call(
        &mut self,
        token: Token,
        path: &str,
        method: &str,
        data: Vec<u8>,
        timeout: Duration,
        now: Instant,
    ) {
        let call = requests::Call {
            token,
            path: path.to_owned(),
            method: method.to_owned(),
            args: data.into(),
            timeout,
            until: now + timeout,
            stale: None,
            collected: Vec::new(),
            bytes: 0,
        };
        if let Err(error) = self.ready(&call) {
            self.outputs.push_back(Output::Answer(token, Err(error)));
            return;
        }
        match self.paths.get(path) {
            Some(id) => {
                let id = *id;
                self.invoke(call, id);
            }
            None => self.resolve(call),
        }
    }

    /// Sends an event to whoever listens; `data` are the members of its table. Answered with
    /// [`Answer::Data`] when the daemon took it.
    pub fn send_event(&mut self, token: Token, name: &str, data: &[u8], now: Instant) {
        let mut args = Writer::new();
        args.string(b"id", name.as_bytes());
        args.member(Type::Table, b"data", data);
        let call = requests::Call {
            token,
            path: String::new(),
            method: "send".to_owned(),
            args: args.into_bytes().into(),
            timeout: DAEMON_TIMEOUT,
            until: now + DAEMON_TIMEOUT,
            stale: None,
            collected: Vec::new(),
            bytes: 0,
        };
        match self.ready(&call) {
            Ok(()) => self.invoke(call, system_object::EVENT),
            Err(error) => self.done(token, Err(error)),
        }
    }

    /// Looks objects up: all, one path, or a prefix ending in `*`. If nothing matches the status is
    /// "not found"; an empty list means that what matches is hidden from us.
    pub fn lookup(&mut self, token: Token, pattern: &str, timeout: Duration, now: Instant) {
        if let Err(error) = self.up() {
            self.outputs.push_back(Output::Answer(token, Err(error)));
            return;
        }
        let pending = Pending::Lookup {
            token,
            found: Vec::new(),
        };
        self.ask_lookup(pattern, pending, timeout, now + timeout);
    }

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

    /// Sends a notification of our object to whoever subscribed; nobody's answer is awaited.
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
                if let Some(pending) = self.requests.take(frame) {
                    self.fail(pending, reason.into());
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

    fn up(&self) -> Result<(), Error> {
        match self.link {
            Link::Up if self.requests.of_users() >= MAX_REQUESTS => Err(Error::Busy),
            Link::Up => Ok(()),
            _ => Err(Error::Disconnected),
        }
    }

    fn ready(&self, call: &requests::Call) -> Result<(), Error> {
        self.up()?;
        let size = call.frame(0, 0).blob_len();
        if size + FORWARD_RESERVE > MAX_BLOB {
            return Err(Error::TooLarge(size));
        }
        Ok(())
    }

    fn valid(&self, ticket: Ticket) -> bool {
        self.link == Link::Up
            && ticket.connection == self.connection
            && self.roles.contains_key(&ticket.object)
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

    fn register(&mut self, token: Token, now: Instant) {
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

    fn resolve(&mut self, call: requests::Call) {
        let (path, timeout, until) = (call.path.clone(), call.timeout, call.until);
        let pending = Pending::Resolve(requests::Resolve { call, id: None });
        self.ask_lookup(&path, pending, timeout, until);
    }

    fn invoke(&mut self, call: requests::Call, id: u32) {
        let frame_of = call.clone_for_frame();
        let (timeout, until) = (call.timeout, call.until);
        let seq = self.requests.add(id, Pending::Call(call), timeout, until);
        self.outputs
            .push_back(Output::Send(frame_of.frame(seq, id)));
    }

    /// A request of ours ended with `status`.
    fn answered(&mut self, pending: Pending, status: Status, now: Instant) {
        let ok = status == Status::OK;
        match pending {
            Pending::Call(call) => self.call_ended(call, status),
            Pending::Resolve(requests::Resolve { call, id }) => match id {
                Some(id) => {
                    if self.paths.len() >= MAX_PATHS {
                        self.paths.clear();
                    }
                    self.paths.insert(call.path.clone(), id);
                    if call.stale == Some(id) {
                        // The same object as before: it was the callee that said so.
                        let answer = Answer::Data(Vec::new(), Status::NOT_FOUND);
                        self.done(call.token, Ok(answer));
                    } else {
                        self.invoke(call, id);
                    }
                }
                // Hidden from us (no error, no object) is as good as missing.
                None if ok => self.done(call.token, Err(Error::Status(Status::NOT_FOUND))),
                None => self.done(call.token, Err(Error::Status(status))),
            },
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

    fn call_ended(&mut self, mut call: requests::Call, status: Status) {
        if status == Status::NOT_FOUND && call.stale.is_none() && call.collected.is_empty() {
            // Either the callee says so, or the id we remembered is gone: look again, once.
            if let Some(id) = self.paths.remove(&call.path) {
                call.stale = Some(id);
                self.resolve(call);
                return;
            }
        }
        let result = if call.bytes > MAX_REPLY {
            Err(Error::TooLarge(call.bytes))
        } else {
            Ok(Answer::Data(call.collected, status))
        };
        self.done(call.token, result);
    }

    fn registered(&mut self, token: Token, id: Option<u32>, status: Status, now: Instant) {
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
    fn invoked(&mut self, frame: &Frame, call: Attributes, now: Instant) {
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
