//! Jobs handed in and not yet decided on.

use std::collections::VecDeque;

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

    /// The oldest decision, when it is made. Cancel safe.
    pub(super) async fn next(&mut self) -> (Option<ManualAck>, Decision) {
        let Some((_, decision, _)) = self.0.front_mut() else {
            return std::future::pending().await;
        };
        let decision = decision.await;
        let ack = self.0.pop_front().and_then(|(ack, ..)| ack);
        (ack, decision)
    }
}
