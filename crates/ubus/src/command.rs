//! Requests of handles to the connection.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

use super::error::{Error, Status};
use super::listening::Heard;
use super::object::{Method, ObjectInfo};
use super::protocol::{Incoming, Notice, Ticket, Token};

/// A caller that waits for a reply: every DATA of it, and the status that ended it.
pub(super) type ReplyTo = oneshot::Sender<Result<(Vec<Bytes>, Status), Error>>;

/// The asker of something that is to exist on the bus.
#[derive(Debug)]
pub(super) struct Declaring {
    pub(super) answer: oneshot::Sender<Result<Declared, Error>>,
    pub(super) local: mpsc::UnboundedSender<Local>,
}

impl Declaring {
    /// Hands it over. If nobody waits any more, it is withdrawn at once.
    pub(super) fn answer(self, token: Token, declared: Result<(), Error>) {
        let local = self.local;
        let _ = self
            .answer
            .send(declared.map(|()| Declared { token, local }));
    }
}

/// A request that is answered.
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
        answer: Declaring,
    },
    Listen {
        pattern: String,
        events: mpsc::Sender<Heard>,
        answer: Declaring,
    },
    Subscribe {
        pattern: String,
        notices: mpsc::Sender<Notice>,
        answer: Declaring,
    },
}

/// A command sent without waiting, also from destructors. Its number is bounded by the calls others
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

/// Something that exists on the bus as long as this value.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) token: Token,
    pub(super) local: mpsc::UnboundedSender<Local>,
}

impl Drop for Declared {
    fn drop(&mut self) {
        // Without a connection left there is nothing to withdraw.
        let _ = self.local.send(Local::End { token: self.token });
    }
}
