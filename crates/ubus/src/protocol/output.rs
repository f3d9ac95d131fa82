//! Messages of the state machine to its owner.

use bytes::Bytes;

use crate::error::{Error, Status};
use crate::message::Frame;
use crate::object::ObjectInfo;

/// Names something the user asked for, chosen by the user.
pub type Token = u64;

/// The end of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Done, or will be as soon as there is a connection.
    Done,
    /// The objects that were looked up.
    Objects(Vec<ObjectInfo>),
    /// Each DATA of the reply, in order, maybe none, and the status that ended it.
    Data(Vec<Bytes>, Status),
}

/// Where the answer to an incoming call goes. Worthless after a reconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    pub(super) connection: u32,
    pub(super) object: u32,
    pub(super) peer: u32,
    pub(super) seq: u16,
}

#[cfg(test)]
impl Ticket {
    /// That of some call.
    pub(crate) const SOME: Ticket = Ticket {
        connection: 1,
        object: 2,
        peer: 3,
        seq: 4,
    };
}

/// A call of one of our methods.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// The method that is called.
    pub method: String,
    /// Its arguments, as they stand in DATA.
    pub data: Bytes,
    /// The caller's user and group, as the daemon vouches for them.
    pub user: String,
    /// The caller's group.
    pub group: String,
    /// Names the call in its answer.
    pub ticket: Ticket,
}

/// Something that happened to a subscription.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// From now on notifications of this object arrive.
    Subscribed {
        /// The path of the object.
        path: String,
    },
    /// The object of that path sent this.
    Notification {
        /// The path of the object.
        path: String,
        /// The kind of the notification.
        kind: String,
        /// Its members, as they stand in DATA.
        data: Bytes,
    },
    /// The object, or the bus with it, is gone; it is subscribed again when it comes back.
    Gone {
        /// The path of the object.
        path: String,
    },
    /// So many notices did not fit into the queue of the one who reads them.
    Lost {
        /// Their number.
        count: u32,
    },
}

/// Work for the owner of the state machine.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// A frame for the daemon.
    Send(Frame),
    /// The end of what was asked with this token.
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
