//! Jobs on a session: handed in when they arrive, acknowledged when they are decided on.

use rumqttc::{ManualAck, Publish};

use super::Session;
use crate::jobs::{Decision, Source};
use crate::mqtt::error::refused;

impl Session<'_> {
    /// Hands a job in; it is acknowledged when the decision is there.
    pub(super) fn job(&mut self, publish: Publish) -> Result<(), String> {
        let ack = self.client.prepare_ack(&publish);
        if ack.as_ref().is_some_and(|ack| self.undecided.has(ack)) {
            // The broker has sent the same job again: one acknowledgement is for both.
            return Ok(());
        }
        let bytes = publish.payload.len();
        let decision = self
            .around
            .jobs
            .submit(publish.payload, Source::Mqtt)
            .map_err(|busy| busy.to_string())?;
        self.undecided.push(ack, decision, bytes);
        Ok(())
    }

    pub(super) fn acknowledge(
        &mut self,
        ack: Option<ManualAck>,
        decision: &Decision,
    ) -> Result<(), String> {
        match (ack, decision) {
            // The broker keeps it for the next agent.
            (_, Decision::Closed) | (None, _) => Ok(()),
            (Some(ack), _) => {
                self.undecided.sends(ack.clone());
                self.client.try_manual_ack(ack).map_err(refused)
            }
        }
    }
}
