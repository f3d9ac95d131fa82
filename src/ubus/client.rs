//! The handle that the rest of a program holds.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};

use super::connection::{self, Connection};
use super::error::{Error, Status};
use super::object::{Method, ObjectInfo};
use super::protocol::{Incoming, Notice, Ticket, Token};
use super::{from_members, to_members};

/// Commands that may wait for the connection; whoever sends one more waits.
const COMMANDS: usize = 64;

/// Calls that may wait for an object's owner; the next caller is told "out of memory".
pub const REQUESTS: usize = 64;

/// Events and notices that may wait for a listener; the next are counted as lost.
pub const EVENTS: usize = 256;

/// Whether there is a bus.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pub connected: bool,
    /// Why not, once it was tried.
    pub error: Option<String>,
}

/// What a listener hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    Event {
        name: String,
        data: Bytes,
    },
    /// So many events did not fit into the queue.
    Lost {
        count: u32,
    },
}

/// Who waits for a reply: every DATA of it, and the status that ended it.
pub(super) type ReplyTo = oneshot::Sender<Result<(Vec<Bytes>, Status), Error>>;

#[derive(Debug)]
pub(super) enum Command {
    Call {
        path: String,
        method: String,
        args: Vec<u8>,
        timeout: Duration,
        answer: ReplyTo,
    },
    Event {
        name: String,
        data: Vec<u8>,
        answer: ReplyTo,
    },
    Lookup {
        pattern: String,
        timeout: Duration,
        answer: oneshot::Sender<Result<Vec<ObjectInfo>, Error>>,
    },
    Offer {
        path: String,
        methods: Vec<Method>,
        requests: mpsc::Sender<Incoming>,
        subscribers: watch::Sender<bool>,
        answer: oneshot::Sender<Result<Token, Error>>,
    },
    Listen {
        pattern: String,
        events: mpsc::Sender<Heard>,
        answer: oneshot::Sender<Result<Token, Error>>,
    },
    Subscribe {
        pattern: String,
        notices: mpsc::Sender<Notice>,
        answer: oneshot::Sender<Result<Token, Error>>,
    },
}

/// What is sent without waiting, also from destructors. Its number is bounded by the calls others
/// made of us and by what we declared.
#[derive(Debug)]
pub(super) enum Local {
    Reply {
        ticket: Ticket,
        data: Vec<u8>,
    },
    Finish {
        ticket: Ticket,
        status: Status,
    },
    Notify {
        token: Token,
        kind: String,
        data: Vec<u8>,
    },
    End {
        token: Token,
    },
}

/// A client of the bus at `path`, and the driver to spawn for it. Connects, and connects again, by
/// itself.
pub fn connect(path: &Path) -> (Client, Connection) {
    let (commands, commands_rx) = mpsc::channel(COMMANDS);
    let (local, local_rx) = mpsc::unbounded_channel();
    let (state_tx, state) = watch::channel(State::default());
    let client = Client {
        commands,
        local,
        state,
    };
    let connection = Connection::new(path.to_owned(), commands_rx, local_rx, state_tx);
    (client, connection)
}

/// A cheap handle on the connection.
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    local: mpsc::UnboundedSender<Local>,
    state: watch::Receiver<State>,
}

impl Client {
    /// Whether there is a bus, to look at or to wait on.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Waits for the bus, at most `within`.
    pub async fn connected(&self, within: Duration) -> Result<(), Error> {
        connection::connected(&mut self.state.clone(), within).await
    }

    /// Calls a method and reads the first DATA of its reply; [`Error::NoData`] if there is none.
    ///
    /// One round trip (two when the object's id is not known yet). A callee that dies never
    /// answers: `timeout` ends the wait.
    pub async fn call<A, R>(
        &self,
        path: &str,
        method: &str,
        args: &A,
        timeout: Duration,
    ) -> Result<R, Error>
    where
        A: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        let replies = self
            .call_raw(path, method, to_members(args)?, timeout)
            .await?;
        from_members(replies.first().ok_or(Error::NoData)?)
    }

    /// Calls a method with members as they stand in DATA; every DATA of the reply, maybe none.
    pub async fn call_raw(
        &self,
        path: &str,
        method: &str,
        args: Vec<u8>,
        timeout: Duration,
    ) -> Result<Vec<Bytes>, Error> {
        let (data, status) = self.call_whole(path, method, args, timeout).await?;
        succeeded(status).map(|()| data)
    }

    /// [`Client::call_raw`] for those who also want what came before a callee's error: the data, and
    /// the status the callee ended with.
    pub async fn call_whole(
        &self,
        path: &str,
        method: &str,
        args: Vec<u8>,
        timeout: Duration,
    ) -> Result<(Vec<Bytes>, Status), Error> {
        self.ask(|answer| Command::Call {
            path: path.to_owned(),
            method: method.to_owned(),
            args,
            timeout,
            answer,
        })
        .await
    }

    /// The objects that `pattern` means: a path, a prefix ending in `*`, or all if empty.
    /// [`Status::NOT_FOUND`] if there is none; an empty list if what there is, is hidden from us.
    pub async fn lookup(&self, pattern: &str, timeout: Duration) -> Result<Vec<ObjectInfo>, Error> {
        self.ask(|answer| Command::Lookup {
            pattern: pattern.to_owned(),
            timeout,
            answer,
        })
        .await
    }

    /// Sends an event to whoever listens; done when the daemon took it.
    pub async fn send_event<A: Serialize + ?Sized>(
        &self,
        name: &str,
        data: &A,
    ) -> Result<(), Error> {
        self.send_event_raw(name, to_members(data)?).await
    }

    /// [`Client::send_event`] with members as they stand in DATA.
    pub async fn send_event_raw(&self, name: &str, data: Vec<u8>) -> Result<(), Error> {
        let (_, status) = self
            .ask(|answer| Command::Event {
                name: name.to_owned(),
                data,
                answer,
            })
            .await?;
        succeeded(status)
    }

    /// Offers an object at `path`, now and after each reconnect, until the [`Object`] is dropped.
    /// Fails if the daemon refuses it ("invalid argument" is also its word for a path that is
    /// taken); one that was accepted once is offered every second should a reconnect find its path
    /// taken.
    pub async fn offer(&self, path: &str, methods: Vec<Method>) -> Result<Object, Error> {
        let (requests, requests_rx) = mpsc::channel(REQUESTS);
        let (subscribers, subscribers_rx) = watch::channel(false);
        let token = self
            .ask(|answer| Command::Offer {
                path: path.to_owned(),
                methods,
                requests,
                subscribers,
                answer,
            })
            .await?;
        Ok(Object {
            declared: self.declared(token),
            requests: requests_rx,
            subscribers: subscribers_rx,
        })
    }

    /// Hears the events whose name `pattern` means, until the [`Events`] are dropped.
    pub async fn listen(&self, pattern: &str) -> Result<Events, Error> {
        let (events, events_rx) = mpsc::channel(EVENTS);
        let token = self
            .ask(|answer| Command::Listen {
                pattern: pattern.to_owned(),
                events,
                answer,
            })
            .await?;
        Ok(Events {
            _declared: self.declared(token),
            events: events_rx,
        })
    }

    /// Follows the objects that `pattern` means, those there are and those to come, until the
    /// [`Subscription`] is dropped.
    pub async fn subscribe(&self, pattern: &str) -> Result<Subscription, Error> {
        let (notices, notices_rx) = mpsc::channel(EVENTS);
        let token = self
            .ask(|answer| Command::Subscribe {
                pattern: pattern.to_owned(),
                notices,
                answer,
            })
            .await?;
        Ok(Subscription {
            _declared: self.declared(token),
            notices: notices_rx,
        })
    }

    fn declared(&self, token: Token) -> Declared {
        Declared {
            token,
            local: self.local.clone(),
        }
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Command,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        self.commands
            .send(command(answer))
            .await
            .map_err(|_| Error::Disconnected)?;
        answered.await.map_err(|_| Error::Disconnected)?
    }
}

fn succeeded(status: Status) -> Result<(), Error> {
    match status {
        Status::OK => Ok(()),
        status => Err(Error::Status(status)),
    }
}

/// Something that exists on the bus as long as this value.
#[derive(Debug)]
struct Declared {
    token: Token,
    local: mpsc::UnboundedSender<Local>,
}

impl Drop for Declared {
    fn drop(&mut self) {
        // Without a connection left there is nothing to withdraw.
        let _ = self.local.send(Local::End { token: self.token });
    }
}

/// An object of ours; withdrawn when dropped.
#[derive(Debug)]
pub struct Object {
    declared: Declared,
    requests: mpsc::Receiver<Incoming>,
    subscribers: watch::Receiver<bool>,
}

impl Object {
    /// The next call of one of its methods; `None` when the connection's driver ended.
    pub async fn next(&mut self) -> Option<Request> {
        let incoming = self.requests.recv().await?;
        Some(Request {
            method: incoming.method,
            user: incoming.user,
            group: incoming.group,
            data: incoming.data,
            answer: Responder {
                ticket: incoming.ticket,
                local: self.declared.local.clone(),
                open: true,
            },
        })
    }

    /// Sends a notification to all subscribers; nothing happens while there are none.
    pub fn notify<A: Serialize + ?Sized>(&self, kind: &str, data: &A) -> Result<(), Error> {
        self.notify_raw(kind, to_members(data)?)
    }

    /// [`Object::notify`] with members as they stand in DATA.
    pub fn notify_raw(&self, kind: &str, data: Vec<u8>) -> Result<(), Error> {
        self.declared
            .local
            .send(Local::Notify {
                token: self.declared.token,
                kind: kind.to_owned(),
                data,
            })
            .map_err(|_| Error::Disconnected)
    }

    /// Whether anybody subscribed, to look at or to wait on.
    pub fn subscribers(&self) -> watch::Receiver<bool> {
        self.subscribers.clone()
    }
}

/// A call of one of our methods. It may be answered at once or later, from anywhere.
#[derive(Debug)]
pub struct Request {
    pub method: String,
    /// The caller's user and group names, as the daemon vouches for them.
    pub user: String,
    pub group: String,
    data: Bytes,
    answer: Responder,
}

impl Request {
    /// The arguments, as a struct; unknown ones are ignored.
    pub fn args<T: DeserializeOwned>(&self) -> Result<T, Error> {
        from_members(&self.data)
    }

    /// The arguments as they stand in DATA.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The part that answers, to be kept while the rest is done with.
    pub fn into_responder(self) -> Responder {
        self.answer
    }

    /// Answers with one DATA and success.
    pub fn reply<T: Serialize + ?Sized>(self, value: &T) {
        self.answer.reply(value);
    }

    /// Answers with a status alone.
    pub fn finish(self, status: Status) {
        self.answer.finish(status);
    }
}

/// Owes a caller an answer; if dropped without, the caller is told "unknown error", for the bus
/// itself would leave it waiting.
#[derive(Debug)]
pub struct Responder {
    ticket: Ticket,
    local: mpsc::UnboundedSender<Local>,
    open: bool,
}

impl Responder {
    /// Adds one DATA to the answer.
    pub fn data<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), Error> {
        self.data_raw(to_members(value)?);
        Ok(())
    }

    /// [`Responder::data`] with members as they stand in DATA.
    pub fn data_raw(&self, data: Vec<u8>) {
        // A caller on a connection that is gone is gone with it.
        let _ = self.local.send(Local::Reply {
            ticket: self.ticket,
            data,
        });
    }

    /// One DATA and success; "system error" if `value` has no wire form.
    pub fn reply<T: Serialize + ?Sized>(self, value: &T) {
        match self.data(value) {
            Ok(()) => self.finish(Status::OK),
            Err(error) => {
                log::error!("ubus: a reply: {error}");
                self.finish(Status::SYSTEM_ERROR);
            }
        }
    }

    /// Ends the answer.
    pub fn finish(mut self, status: Status) {
        self.end(status);
    }

    fn end(&mut self, status: Status) {
        if std::mem::replace(&mut self.open, false) {
            let _ = self.local.send(Local::Finish {
                ticket: self.ticket,
                status,
            });
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.end(Status::UNKNOWN_ERROR);
    }
}

/// Events that match a pattern.
#[derive(Debug)]
pub struct Events {
    _declared: Declared,
    events: mpsc::Receiver<Heard>,
}

impl Events {
    /// The next event; `None` when the connection's driver ended.
    pub async fn next(&mut self) -> Option<Heard> {
        self.events.recv().await
    }
}

/// Notifications of the objects that match a pattern.
#[derive(Debug)]
pub struct Subscription {
    _declared: Declared,
    notices: mpsc::Receiver<Notice>,
}

impl Subscription {
    /// The next notice; `None` when the connection's driver ended.
    pub async fn next(&mut self) -> Option<Notice> {
        self.notices.recv().await
    }
}
