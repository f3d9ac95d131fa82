//! Events and notifications of others.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::command::Declared;
use super::protocol::Notice;

/// An event, or the number of those that were lost.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// An event.
    Event {
        /// Its name.
        name: String,
        /// Its members, as they stand in DATA.
        data: Bytes,
    },
    /// So many events did not fit into the queue.
    Lost {
        /// Their number.
        count: u32,
    },
}

/// Events that match a pattern.
#[derive(Debug)]
pub struct Events {
    pub(super) _declared: Declared,
    pub(super) events: mpsc::Receiver<Heard>,
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
    pub(super) _declared: Declared,
    pub(super) notices: mpsc::Receiver<Notice>,
}

impl Subscription {
    /// The next notice; `None` when the connection's driver ended.
    pub async fn next(&mut self) -> Option<Notice> {
        self.notices.recv().await
    }
}
