//! Jobs handed in and not yet decided on.

use std::collections::VecDeque;
use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::task::Poll;

use rumqttc::ManualAck;

use crate::jobs::{Decision, Pending};

/// Jobs read and not yet decided on, and bytes of them, beyond which nothing is read.
const UNDECIDED: usize = 16;
const BYTES: usize = 256 * 1024;

/// Jobs the jobs part is deciding on, in the order it does; each with what acknowledges it.
#[derive(Default)]
pub(super) struct Undecided(VecDeque<(Option<ManualAck>, Pending, usize)>);

impl Undecided {
    pub(super) fn is_full(&self) -> bool {
        let bytes: usize = self.0.iter().map(|(.., bytes)| bytes).sum();
        self.0.len() >= UNDECIDED || bytes >= BYTES
    }

    /// Adds a job of so many bytes.
    pub(super) fn push(&mut self, ack: Option<ManualAck>, decision: Pending, bytes: usize) {
        self.0.push_back((ack, decision, bytes));
    }

    /// The oldest decision, when it is made; the first one that is made if nothing more is read, for a disk may keep
    /// the oldest waiting. Cancel safe.
    pub(super) async fn next(&mut self) -> (Option<ManualAck>, Decision) {
        poll_fn(|context| {
            let turns = if self.is_full() { self.0.len() } else { 1 };
            for (at, (_, decision, _)) in self.0.iter_mut().enumerate().take(turns) {
                if let Poll::Ready(decision) = Pin::new(decision).poll(context) {
                    let ack = self.0.remove(at).and_then(|(ack, ..)| ack);
                    return Poll::Ready((ack, decision));
                }
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn decisions_come_in_order_unless_the_oldest_would_hold_up_all_that_follow() {
        let mut undecided = Undecided::default();
        let mut senders = VecDeque::new();
        let push = |undecided: &mut Undecided| {
            let (sender, decision) = oneshot::channel();
            undecided.push(None, decision.into(), 1);
            sender
        };
        senders.extend((0..UNDECIDED - 1).map(|_| push(&mut undecided)));
        let known = |id: &str| Decision::Known { id: id.into() };
        senders.remove(1).unwrap().send(known("1")).unwrap();
        tokio::select! {
            biased;
            (_, decision) = undecided.next() => panic!("{decision:?}"),
            () = ready(()) => {}
        }
        senders.push_back(push(&mut undecided));
        assert!(undecided.is_full());
        assert_eq!(undecided.next().await.1, known("1"));
        assert!(!undecided.is_full());
        senders.pop_back().unwrap().send(known("last")).unwrap();
        senders.pop_front().unwrap().send(known("0")).unwrap();
        assert_eq!(undecided.next().await.1, known("0"));
    }
}
