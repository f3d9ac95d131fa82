//! Jobs that are watched over, from before their start to the verdict on their change.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::workers::Finished;
use super::Jobs;
use crate::jobs::guarded::{is_guarded, Guard, Ran, Ticket};
use crate::jobs::outcome::{End, Outcome};
use crate::jobs::run::Stop;
use crate::jobs::table::{Key, Number};

/// A job that is watched over, if somebody does.
pub(super) struct Watched {
    guard: Option<Arc<dyn Guard>>,
    ticket: Ticket,
    type_name: String,
}

impl Jobs {
    /// Has a job watched that is about to start, or goes on.
    pub(super) fn watched(&self, number: Number) -> Option<Watched> {
        let source = self.table.source(number)?;
        let job = self.table.job(number)?;
        if let Some(guard) = &self.guard {
            guard.starts();
        }
        Some(Watched {
            guard: self.guard.clone(),
            ticket: Ticket {
                key: Key::new(source, &job.id).to_string(),
                id: job.id.clone(),
                detach: job.detach,
            },
            type_name: job.type_name.clone(),
        })
    }

    /// The outcome of a job is recorded.
    pub(super) fn settled(&self, number: Number, outcome: &Outcome) {
        let (Some(guard), true) = (&self.guard, is_guarded(&outcome.type_name)) else {
            return;
        };
        if let (Some(source), Some(id)) = (self.table.source(number), self.table.id(number)) {
            guard.settled(Key::new(source, id).to_string());
        }
    }

    /// True if there is the trial of an earlier agent's job, and no ledger yet that says whether it waits for that. Of
    /// two trials at once the guard would forget the first.
    pub(super) fn has_unread_trial(&self) -> bool {
        let left = self.guard.as_ref().and_then(|guard| guard.left());
        self.ledger.is_none() && left.is_some()
    }

    /// Has the change of an earlier agent's job judged.
    pub(super) fn judge(&mut self, number: Number) {
        let Some(watched) = self.watched(number) else {
            return;
        };
        self.workers.start(number, watched.judge_earlier());
    }
}

impl Watched {
    /// True for a job whose change is undone if the device is worse off after it.
    pub(super) fn is_guarded(&self) -> bool {
        is_guarded(&self.type_name)
    }

    /// Prepares what has to be there before the command begins. Fails with the outcome of a job that may not
    /// run; with none if the agent ends first.
    async fn prepare(&self, stopped: &mut oneshot::Receiver<Stop>) -> Result<(), Option<Outcome>> {
        let Some(guard) = self.guard.as_ref().filter(|_| self.is_guarded()) else {
            return Ok(());
        };
        let refused = tokio::select! {
            armed = guard.arm(self.ticket.clone()) => match armed {
                Ok(()) => return Ok(()),
                Err(reason) => Some((End::Rejected, reason)),
            },
            stop = stopped => match stop {
                Ok(Stop::Cancel) => Some((End::Processed, "cancelled before it started".to_owned())),
                Ok(Stop::Shutdown(_)) | Err(_) => None,
            },
        };
        guard.abandoned();
        let outcome = |(end, reason)| Outcome::without_command(end, &self.type_name, Some(reason));
        Err(refused.map(outcome))
    }

    /// Runs `work`, and returns its outcome with the verdict on what it changed.
    pub(super) async fn run<W, F>(self, mut stopped: oneshot::Receiver<Stop>, work: W) -> Finished
    where
        W: FnOnce(oneshot::Receiver<Stop>) -> F,
        F: Future<Output = Finished>,
    {
        if let Err(outcome) = self.prepare(&mut stopped).await {
            return (outcome, None);
        }
        let (outcome, leftover) = work(stopped).await;
        (self.judged(outcome).await, leftover)
    }

    /// The outcome of a command with the verdict on its change; `None` if the next agent decides.
    pub(super) async fn judged(self, outcome: Option<Outcome>) -> Option<Outcome> {
        let outcome = outcome?;
        let Some(guard) = &self.guard else {
            return Some(outcome);
        };
        let ran = Some(Ran::of(&outcome));
        let is_guarded = self.is_guarded();
        let judged = guard.ended(self.ticket, is_guarded, ran).await?;
        let mut outcome = outcome;
        if is_guarded && judged.rebooted && outcome.end == End::Interrupted {
            // The command ended with the device, as it may.
            (outcome.end, outcome.success) = (End::Processed, true);
        }
        Some(judged.applied_to(outcome))
    }

    async fn judge_earlier(self) -> Finished {
        let is_guarded = self.is_guarded();
        let Some(guard) = &self.guard else {
            return (None, None);
        };
        let Some(judged) = guard.ended(self.ticket, is_guarded, None).await else {
            return (None, None);
        };
        let outcome = match is_guarded {
            true => judged.outcome(&self.type_name),
            false => {
                let reason = Some("the agent restarted while the job ran".to_owned());
                let cut = Outcome::without_command(End::Interrupted, &self.type_name, reason);
                judged.applied_to(cut)
            }
        };
        (Some(outcome), None)
    }
}
