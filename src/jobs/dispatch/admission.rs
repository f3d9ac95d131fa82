//! What is accepted, and what is refused with which reason.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Jobs, Live};
use crate::clock;
use crate::jobs::ledger::{Full, Known};
use crate::jobs::message::{self, Job, Kind, Rejected};
use crate::jobs::outcome::{End, Outcome};
use crate::jobs::recent::{beginning, Entry, Source, State};
use crate::jobs::run::Stop;
use crate::jobs::{Decision, Request, Run, RunError};

impl Jobs {
    /// The order of checks: what ended an earlier agent, size and JSON, device, signature, known id, expiry, ledger.
    pub(super) fn submit(&mut self, payload: &Bytes, source: Source) -> Decision {
        let _handling = match self.crashes.handle("message", payload) {
            Ok(handling) => handling,
            // Even its id was read by what may have panicked.
            Err(skipped) => return self.reject(None, skipped.to_string()),
        };
        let job = match message::parse(payload) {
            Ok(job) => job,
            Err(Rejected { id, reason }) => return self.reject(id, reason),
        };
        if !job.is_for(&self.mac.borrow()) {
            return self.reject(Some(job.id), "job is for another device".into());
        }
        let closed = self.config.borrow().closed.jobs();
        if let Some(reason) = closed {
            return self.reject(Some(job.id), reason);
        }
        // A key is set so that no job runs that it did not sign.
        if !self.config.borrow().job_pubkey.is_empty() {
            let reason = "job_pubkey is set, and this version cannot check signatures";
            return self.reject(Some(job.id), reason.into());
        }
        if let Known::Unfinished | Known::Finished(_) = self.ledger.known(&job.id) {
            let id: Arc<str> = job.id.as_str().into();
            if let Known::Finished(_) = self.ledger.known(&id) {
                self.outbox().result(&id);
            }
            return Decision::Known { id: job.id };
        }
        let id = job.id.clone();
        match self.accept(job, source) {
            Ok(_) => Decision::Accepted { id },
            Err(reason) => self.reject(Some(id), reason),
        }
    }

    pub(super) fn run_local(&mut self, request: Request) -> Result<Run, RunError> {
        let rejected = |reason: &str| RunError::Rejected(reason.to_string());
        let id = request.id.unwrap_or_else(made_up_id);
        message::check_id(&id).map_err(rejected)?;
        let kind = Kind::of(&request.type_name);
        message::check_msg(kind, &request.msg).map_err(rejected)?;
        message::check_type(&request.type_name).map_err(rejected)?;
        message::check_timeout(request.timeout).map_err(rejected)?;
        let known = match self.ledger.known(&id) {
            Known::New => None,
            Known::Finished(outcome) => {
                let state = State::of(&outcome);
                Some((watch::channel(Some(outcome)).1, state))
            }
            Known::Unfinished => self
                .live
                .get(id.as_str())
                .map(|live| (live.outcome.subscribe(), live.state())),
        };
        if let Some((outcome, state)) = known {
            return Ok(Run { id, outcome, state });
        }
        let job = Job {
            id: id.clone(),
            kind,
            type_name: request.type_name,
            msg: request.msg,
            timeout: request.timeout,
            timestamp: None,
            expires: None,
            device: None,
        };
        let outcome = self.accept(job, Source::Ubus).map_err(|reason| {
            self.count(|facts| facts.rejected += 1);
            RunError::Rejected(reason)
        })?;
        self.start_queued();
        let state = match outcome.borrow().as_deref() {
            Some(outcome) => State::of(outcome),
            None => self
                .live
                .get(id.as_str())
                .map_or(State::Queued, Live::state),
        };
        Ok(Run { id, outcome, state })
    }

    /// Records a job whose id is new and puts it to work.
    fn accept(
        &mut self,
        job: Job,
        source: Source,
    ) -> Result<watch::Receiver<Option<Arc<Outcome>>>, String> {
        if job.expired(clock::epoch_seconds()) {
            return Err("job has expired".into());
        }
        if job.kind == Kind::Reboot {
            return Err(
                "type reboot is not supported: its result could not outlive the reboot".into(),
            );
        }
        let held = job.held();
        if !self.queue.has_room(held) {
            return Err(Full.to_string());
        }
        let id: Arc<str> = job.id.as_str().into();
        self.ledger
            .accept(Arc::clone(&id), self.began.elapsed())
            .map_err(|full| full.to_string())?;
        if source == Source::Mqtt {
            self.outbox.delivered(&id);
        }
        self.recent.add(Entry {
            id: Arc::clone(&id),
            type_name: job.type_name.clone(),
            command: beginning(&job.msg),
            source,
            started: None,
            outcome: None,
        });
        let (sender, outcome) = watch::channel(None);
        let kind = job.kind;
        let live = Live {
            job,
            source,
            outcome: sender,
            stop: None,
            running: false,
        };
        self.live.insert(Arc::clone(&id), live);
        match kind {
            Kind::Shell => {
                self.queue.push(Arc::clone(&id), held);
                self.tell(&id, State::Queued);
            }
            Kind::Ping => self.answer_at_once(&id, None),
            Kind::Cancel => {
                let reason = self.cancel(&id);
                self.answer_at_once(&id, reason);
            }
            Kind::Reboot => {}
        }
        Ok(outcome)
    }

    /// Finishes a job that needs no command.
    fn answer_at_once(&mut self, id: &Arc<str>, failure: Option<String>) {
        let Some(live) = self.live.get(id) else {
            return;
        };
        let outcome = Outcome::without_command(End::Processed, &live.job.type_name, failure);
        self.ledger.start(id);
        self.recent.started(id, clock::epoch_seconds());
        self.finish(id, outcome);
    }

    /// Stops the job that the job `id` names; says why if there is none.
    fn cancel(&mut self, id: &Arc<str>) -> Option<String> {
        let target: Arc<str> = self.live.get(id)?.job.msg.as_str().into();
        let Some(live) = self.live.get_mut(&target).filter(|_| target != *id) else {
            return Some("no job with this id is waiting or running".into());
        };
        if live.running {
            if let Some(stop) = live.stop.take() {
                // It fails if the job has just ended by itself, which is as good.
                let _ = stop.send(Stop::Cancel);
            }
        } else {
            let type_name = live.job.type_name.clone();
            self.queue.remove(&target);
            let reason = Some("cancelled before it started".to_string());
            let outcome = Outcome::without_command(End::Processed, &type_name, reason);
            self.finish(&target, outcome);
        }
        None
    }

    /// Refuses a payload. The sender is answered, and the log told, once per second at most.
    fn reject(&mut self, id: Option<String>, reason: String) -> Decision {
        self.count(|facts| facts.rejected += 1);
        if let Some(untold) = self.rejections.may_tell(Instant::now()) {
            let answered = match &id {
                Some(id) => self.outbox().rejected(id, &reason),
                None => false,
            };
            let silent = if answered { "" } else { ", not answered" };
            log::warn!(
                "job refused: {}{silent}; {untold} more since the last such line",
                reason.escape_debug()
            );
        }
        Decision::Rejected { id, reason }
    }
}

fn made_up_id() -> String {
    format!("local-{:016x}", fastrand::u64(..))
}
