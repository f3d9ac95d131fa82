//! A publisher's side of the outbox.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::jobs::live::LiveOutput;

/// Where a reply goes at the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// `delivery/<base>`
    Delivery,
    /// `pub/<base>`
    Result,
}

/// A reply to publish. Dropping it without [`Reply::acknowledged`] gives it back: it is offered
/// again.
#[derive(Debug)]
pub struct Reply {
    pub channel: Channel,
    /// Of the job.
    pub id: Arc<str>,
    pub payload: Bytes,
    token: u64,
    fate: Fate,
    returns: mpsc::Sender<Returned>,
}

/// The fate of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It could not be sent.
    GivenBack,
    /// The other side has it.
    Taken,
    /// The other side does not want this one.
    Refused,
    /// The broker closed the connection while this one was on its way; `alone` if it was the only one.
    Closed { alone: bool },
    /// The broker answered others that came later, and not this one.
    PassedOver,
}

impl Reply {
    pub(super) fn new(
        channel: Channel,
        id: Arc<str>,
        payload: Bytes,
        token: u64,
        returns: mpsc::Sender<Returned>,
    ) -> Self {
        Reply {
            channel,
            id,
            payload,
            token,
            fate: Fate::GivenBack,
            returns,
        }
    }

    /// The other side has it.
    pub fn acknowledged(mut self) {
        self.fate = Fate::Taken;
    }

    /// The other side took others and not this one: it is offered again later, so that those behind it
    /// do not have to wait.
    pub fn refused(mut self) {
        self.fate = Fate::Refused;
    }

    /// The broker closed the connection before it acknowledged this one; `alone` says that nothing else was
    /// on its way. It is offered again, but does not hold up others any more.
    pub fn closed(mut self, alone: bool) {
        self.fate = Fate::Closed { alone };
    }

    /// The broker answered what came after this one, and this one not in time: it is offered again later, so
    /// that it does not end one connection after the other.
    pub fn passed_over(mut self) {
        self.fate = Fate::PassedOver;
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        // There is a place for every reply handed out, so this fails only when the jobs part is gone.
        let _ = self.returns.try_send(Returned {
            token: self.token,
            fate: self.fate,
        });
    }
}

/// A reply that came back.
#[derive(Debug)]
pub(in crate::jobs) struct Returned {
    pub(super) token: u64,
    pub(super) fate: Fate,
}

/// The replies to publish, in order.
#[derive(Debug)]
pub struct Replies(mpsc::Receiver<Reply>);

impl Replies {
    pub(super) fn new(replies: mpsc::Receiver<Reply>) -> Self {
        Replies(replies)
    }

    /// Gives back what was handed out and not asked for by an earlier publisher: it may go another way
    /// by now.
    pub fn give_back(&mut self) {
        while let Ok(reply) = self.0.try_recv() {
            drop(reply);
        }
    }

    /// True if none is there yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next reply, if it is there.
    #[cfg(test)]
    pub(super) fn try_next(&mut self) -> Option<Reply> {
        self.0.try_recv().ok()
    }

    /// The next reply; None when the jobs part has ended. Cancel safe.
    pub async fn next(&mut self) -> Option<Reply> {
        self.0.recv().await
    }
}

/// Everything to publish, by publisher.
#[derive(Debug)]
pub struct Outlets {
    /// Everything, but results while option `rest` is set.
    pub broker: Replies,
    /// Results while option `rest` is set.
    pub api: Replies,
    /// Output of running jobs, for the broker.
    pub live: LiveOutput,
}
