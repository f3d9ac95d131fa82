//! Replies sent to the broker and not acknowledged by it.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use rumqttc::{PublishNotice, PublishNoticeError, PublishResult};

use crate::jobs::Reply;

/// Replies under way at most.
const IN_FLIGHT: usize = 32;

type Settled = Pin<Box<dyn Future<Output = Result<PublishResult, PublishNoticeError>> + Send>>;

/// Replies under way, in the order they were sent. Whatever of them is not acknowledged when the
/// connection ends goes back to the jobs part.
#[derive(Default)]
pub(super) struct InFlight(VecDeque<(Settled, Reply)>);

impl InFlight {
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= IN_FLIGHT
    }

    pub(super) fn push(&mut self, notice: PublishNotice, reply: Reply) {
        self.0.push_back((Box::pin(notice.wait_async()), reply));
    }

    /// Marks the replies that the broker has acknowledged. The library settles a notice before it
    /// yields the packet that did it, so looking after each PUBACK sees every one.
    pub(super) fn settle(&mut self) {
        let mut unsettled = VecDeque::with_capacity(self.0.len());
        for (mut notice, reply) in self.0.drain(..) {
            match notice
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
            {
                Poll::Ready(Ok(_)) => reply.acknowledged(),
                // Dropped, it is offered again.
                Poll::Ready(Err(_)) => {}
                Poll::Pending => unsettled.push_back((notice, reply)),
            }
        }
        self.0 = unsettled;
    }

    /// Gives unacknowledged replies back, last one first, so that they stand in line as before.
    pub(super) fn give_back(&mut self) {
        while let Some(unacknowledged) = self.0.pop_back() {
            drop(unacknowledged);
        }
    }
}
