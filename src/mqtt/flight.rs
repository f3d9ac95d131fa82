//! Replies sent to the broker and not acknowledged by it.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use rumqttc::{PublishNotice, PublishNoticeError, PublishResult};

use crate::jobs::Reply;

/// Replies under way at most.
const IN_FLIGHT: usize = 32;

/// Bytes of replies under way beyond which none is added: on a slow line each waits for those before it.
const BYTES: usize = 64 * 1024;

type Settled = Pin<Box<dyn Future<Output = Result<PublishResult, PublishNoticeError>> + Send>>;

/// Replies under way, in the order they were sent. Those that are not acknowledged when the
/// connection ends goes back to the jobs part.
#[derive(Default)]
pub(super) struct InFlight {
    replies: VecDeque<(Settled, Reply)>,
    bytes: usize,
}

impl InFlight {
    pub(super) fn is_full(&self) -> bool {
        self.replies.len() >= IN_FLIGHT || self.bytes >= BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    pub(super) fn push(&mut self, notice: PublishNotice, reply: Reply) {
        self.bytes += reply.payload.len();
        self.replies
            .push_back((Box::pin(notice.wait_async()), reply));
    }

    /// Marks the replies that the broker has acknowledged. The library settles a notice before it
    /// yields the packet that did it, so looking after each PUBACK sees every one.
    pub(super) fn settle(&mut self) {
        let mut unsettled = VecDeque::with_capacity(self.replies.len());
        for (mut notice, reply) in self.replies.drain(..) {
            let context = &mut Context::from_waker(Waker::noop());
            match notice.as_mut().poll(context) {
                Poll::Ready(Ok(_)) => reply.acknowledged(),
                // Dropped, it is offered again.
                Poll::Ready(Err(_)) => {}
                Poll::Pending => unsettled.push_back((notice, reply)),
            }
        }
        self.replies = unsettled;
        self.bytes = self
            .replies
            .iter()
            .map(|(_, reply)| reply.payload.len())
            .sum();
    }

    /// Gives unacknowledged replies back, last one first, so that they stand in line as before.
    pub(super) fn give_back(&mut self) {
        while let Some(unacknowledged) = self.replies.pop_back() {
            drop(unacknowledged);
        }
        self.bytes = 0;
    }

    /// The broker did not answer: gives unacknowledged replies back. It passed over the first `passed_over` of
    /// them, which come again later.
    pub(super) fn timed_out(&mut self, passed_over: usize) {
        for _ in 0..passed_over {
            if let Some((_, reply)) = self.replies.pop_front() {
                reply.passed_over();
            }
        }
        self.give_back();
    }

    /// The broker closed the connection: gives unacknowledged replies back as suspects. `alone` says that
    /// nothing but one of them waited for an acknowledgement.
    pub(super) fn closed(&mut self, alone: bool) {
        let alone = alone && self.replies.len() == 1;
        while let Some((_, reply)) = self.replies.pop_front() {
            reply.closed(alone);
        }
        self.bytes = 0;
    }
}
