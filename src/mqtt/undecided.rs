//! Jobs handed in and not yet decided on.

use std::collections::VecDeque;

use rumqttc::ManualAck;

use crate::jobs::{Decision, Pending};

/// Jobs read and not yet decided on; beyond it nothing is read.
pub(super) const UNDECIDED: usize = 16;

/// Jobs the jobs part is deciding on, in the order it does; each with what acknowledges it.
#[derive(Default)]
pub(super) struct Undecided(VecDeque<(Option<ManualAck>, Pending)>);

impl Undecided {
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= UNDECIDED
    }

    pub(super) fn push(&mut self, ack: Option<ManualAck>, decision: Pending) {
        self.0.push_back((ack, decision));
    }

    /// The oldest decision, when it is made. Cancel safe.
    pub(super) async fn next(&mut self) -> (Option<ManualAck>, Decision) {
        let Some((_, decision)) = self.0.front_mut() else {
            return std::future::pending().await;
        };
        let decision = decision.await;
        let ack = self.0.pop_front().and_then(|(ack, _)| ack);
        (ack, decision)
    }
}
