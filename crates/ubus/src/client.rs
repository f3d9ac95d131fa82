//! The handle that the rest of a program holds.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};

use super::command::{Command, Declared, Declaring, Local};
use super::connection::{self, Connection};
use super::error::{Error, Status};
use super::listening::{Events, Subscription};
use super::object::{Method, ObjectInfo};
use super::served::Object;
use super::{from_members, to_members};

/// Commands that may wait for the connection; the sender of one more waits.
const COMMANDS: usize = 64;

/// Calls that may wait for an object's owner; the next call fails with "timed out".
pub const REQUESTS: usize = 64;

/// Events and notices that may wait for a listener; the next are counted as lost.
pub const EVENTS: usize = 256;

/// The state of the connection to the bus.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// It stands, and the daemon has greeted.
    pub connected: bool,
    /// Why not, once it was tried.
    pub error: Option<String>,
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
    /// The state of the connection, to look at or to wait on.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Waits for the bus, at most `within`.
    pub async fn connected(&self, within: Duration) -> Result<(), Error> {
        connection::connected(&mut self.state.clone(), within).await
    }

    /// Calls a method and reads the first DATA of its reply; [`Error::NoData`] without one.
    ///
    /// Takes one round trip (two when the object's id is not known yet). A callee that dies never
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

    /// [`Client::call_raw`] with what came before a callee's error: the data, and
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
    /// [`Status::NOT_FOUND`] if no object matches; an empty list if all that match are hidden from us.
    pub async fn lookup(&self, pattern: &str, timeout: Duration) -> Result<Vec<ObjectInfo>, Error> {
        self.ask(|answer| Command::Lookup {
            pattern: pattern.to_owned(),
            timeout,
            answer,
        })
        .await
    }

    /// Sends an event to its listeners; done when the daemon took it.
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
        let declared = self
            .declare(|answer| Command::Offer {
                path: path.to_owned(),
                methods,
                requests,
                subscribers,
                answer,
            })
            .await?;
        Ok(Object {
            declared,
            requests: requests_rx,
            subscribers: subscribers_rx,
        })
    }

    /// Hears the events whose name `pattern` means, until the [`Events`] are dropped.
    pub async fn listen(&self, pattern: &str) -> Result<Events, Error> {
        let (events, events_rx) = mpsc::channel(EVENTS);
        let declared = self
            .declare(|answer| Command::Listen {
                pattern: pattern.to_owned(),
                events,
                answer,
            })
            .await?;
        Ok(Events {
            _declared: declared,
            events: events_rx,
        })
    }

    /// Follows the objects that `pattern` means, those there are and those to come, until the
    /// [`Subscription`] is dropped.
    pub async fn subscribe(&self, pattern: &str) -> Result<Subscription, Error> {
        let (notices, notices_rx) = mpsc::channel(EVENTS);
        let declared = self
            .declare(|answer| Command::Subscribe {
                pattern: pattern.to_owned(),
                notices,
                answer,
            })
            .await?;
        Ok(Subscription {
            _declared: declared,
            notices: notices_rx,
        })
    }

    async fn declare(&self, command: impl FnOnce(Declaring) -> Command) -> Result<Declared, Error> {
        let local = self.local.clone();
        self.ask(|answer| command(Declaring { answer, local }))
            .await
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
