//! Admission of jobs, and refusals with their reasons.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::live::{Caller, Live};
use super::Jobs;
use crate::jobs::guarded::{is_guarded, NOT_SETTLED};
use crate::jobs::message::{self, Job, Kind, Rejected};
use crate::jobs::outcome::{End, Outcome};
use crate::jobs::recent::State;
use crate::jobs::table::{Full, Key, Known, Number};
use crate::jobs::{Decision, Request, Run, RunError, Source, Stand};

impl Jobs {
    /// Decides on a payload, at the latest when the disk has recorded the job.
    pub(super) fn submit(
        &mut self,
        payload: &Bytes,
        source: Source,
        decision: oneshot::Sender<Decision>,
    ) {
        // A sender that has gone misses nothing: the broker sends the job again.
        match self.check(payload) {
            Err((id, reason)) => drop(decision.send(self.reject(id, reason))),
            Ok(job) => {
                let id = job.id.clone();
                match self.table.known(source, &id) {
                    Some(Known::Finished(_)) => {
                        self.outbox().result(&Arc::from(id.as_str()));
                        drop(decision.send(Decision::Known { id }));
                    }
                    Some(Known::Unfinished(number)) => {
                        let known = Decision::Known { id };
                        self.wait(number, Caller::Sender(decision, known));
                    }
                    None => match self.accept(source, job, true) {
                        Ok(number) => {
                            let accepted = Decision::Accepted { id };
                            self.wait(number, Caller::Sender(decision, accepted));
                        }
                        Err(reason) => drop(decision.send(self.reject(Some(id), reason))),
                    },
                }
            }
        }
    }

    /// The order of checks: what ended an earlier agent, size and JSON, device, signature; then known id,
    /// expiry, ledger.
    fn check(&mut self, payload: &Bytes) -> Result<Job, (Option<String>, String)> {
        // Even the id was read by what may have panicked.
        let skipped = |skipped: crate::process::crash::Skipped| (None, skipped.to_string());
        let _handling = self.crashes.handle("message", payload).map_err(skipped)?;
        let job = message::parse(payload).map_err(|Rejected { id, reason }| (id, reason))?;
        match self.gate.admit(&job) {
            Ok(()) => Ok(job),
            Err(refusal) => Err((Some(job.id), refusal.to_string())),
        }
    }

    /// Runs a local job; its caller is answered when the disk has recorded it.
    pub(super) fn run_local(
        &mut self,
        request: Request,
        answer: oneshot::Sender<Result<Run, RunError>>,
    ) {
        match self.local(request) {
            Ok(Local::Waits(number)) => self.wait(number, Caller::Local(answer)),
            // A caller that has gone needs no answer.
            Ok(Local::Done(run)) => drop(answer.send(Ok(run))),
            Err(reason) => {
                self.count(|facts| facts.rejected += 1);
                drop(answer.send(Err(RunError::Rejected(reason))));
            }
        }
    }

    fn local(&mut self, request: Request) -> Result<Local, String> {
        let recorded = request.id.is_some();
        let id = request.id.unwrap_or_else(made_up_id);
        message::check_id(&id)?;
        let kind = Kind::of(&request.type_name);
        message::check_msg(kind, &request.msg)?;
        message::check_type(&request.type_name)?;
        message::check_timeout(request.timeout)?;
        match self.table.known(Source::Ubus, &id) {
            Some(Known::Finished(outcome)) => {
                let stand = watch::channel(Stand::Ended(outcome)).1;
                return Ok(Local::Done(Run { id, stand }));
            }
            Some(Known::Unfinished(number)) => return Ok(Local::Waits(number)),
            None => {}
        }
        let job = Job {
            id,
            kind,
            type_name: request.type_name,
            msg: request.msg,
            timeout: request.timeout,
            timestamp: None,
            expires: None,
            device: None,
            detach: false,
            live: false,
            sig: None,
        };
        self.accept(Source::Ubus, job, recorded).map(Local::Waits)
    }

    /// Puts a job in the table whose id is new. It starts at once if a worker is free.
    fn accept(&mut self, source: Source, mut job: Job, has_id: bool) -> Result<Number, String> {
        self.gate
            .in_time(&job)
            .map_err(|refusal| refusal.to_string())?;
        if job.kind == Kind::Upgrade {
            let upgrades = self.upgrades.as_ref();
            let upgrades = upgrades.ok_or("this device is not upgraded by jobs")?;
            upgrades.check(&job.msg)?;
        }
        // The next agent has to know an upgrade. Asked again, the others do no harm.
        let has_id = has_id || job.kind == Kind::Upgrade;
        let recorded = has_id && !matches!(job.kind, Kind::Ping | Kind::Cancel);
        if recorded && !self.can_record() {
            if self.ledger.is_none() {
                self.refused.add(source, Key::new(source, &job.id));
            }
            return Err(Full.to_string());
        }
        if is_guarded(&job.type_name) && self.has_unread_trial() {
            return Err(NOT_SETTLED.to_owned());
        }
        let at_once = match job.kind {
            Kind::Ping | Kind::Cancel => true,
            Kind::Upgrade => false,
            Kind::Shell | Kind::Reboot => {
                self.may_start(&job.type_name) && self.table.ready(self.can_record()).is_none()
            }
        };
        let start = at_once.then(|| self.start_now());
        if recorded && self.gate.accepted(&mut job) {
            // In the same batch, so that it costs no sync of its own.
            self.record_time();
        }
        let now = self.now();
        let accepted = self.table.accept(source, job, recorded, start, now);
        let number = accepted.map_err(|full| full.to_string())?;
        self.live.insert(number, Live::new());
        Ok(number)
    }

    /// Answers a caller when the acceptance of the job is certain; on the bus also while the disk is late with it.
    fn wait(&mut self, number: Number, caller: Caller) {
        let live = self.live.entry(number).or_insert_with(Live::inherited);
        // The broker sends a job again with every connection.
        live.callers.retain(|caller| !caller.has_gone());
        live.callers.push(caller);
        if live.accepted || self.table.is_late() {
            self.answer(number);
        }
    }

    /// The acceptance of a job is certain.
    pub(super) fn accepted(&mut self, number: Number) {
        let Some(live) = self.live.get_mut(&number) else {
            return;
        };
        live.accepted = true;
        self.answer(number);
        let id = self.table.id(number).cloned();
        if let (Some(id), Some(Source::Mqtt)) = (id, self.table.source(number)) {
            self.outbox.delivered(&id);
        }
        let kind = self.table.job(number).map(|job| job.kind);
        if let Some(Kind::Shell | Kind::Reboot | Kind::Upgrade) = kind {
            self.tell(number, State::Queued);
        }
    }

    /// Answers the callers of a job. If it is not accepted yet those of the bus alone, which get to know whether it is by
    /// its end.
    pub(super) fn answer(&mut self, number: Number) {
        let Some(live) = self.live.get_mut(&number) else {
            return;
        };
        for caller in std::mem::take(&mut live.callers) {
            match caller {
                Caller::Sender(..) if !live.accepted => live.callers.push(caller),
                Caller::Sender(decision, known) => drop(decision.send(known)),
                Caller::Local(answer) => {
                    let id = self.table.id(number).map(|id| id.to_string());
                    let now = match self.table.state(number) {
                        Some(State::Queued) | None => Stand::Queued,
                        Some(_) => Stand::Running,
                    };
                    let run = Run {
                        id: id.unwrap_or_default(),
                        stand: live.stand(now),
                    };
                    drop(answer.send(Ok(run)));
                }
            }
        }
    }

    /// The disk did not take a job.
    pub(super) fn refused(&mut self, number: Number) {
        let Some(live) = self.no_longer_live(number) else {
            return;
        };
        for caller in live.callers {
            match caller {
                Caller::Sender(decision, Decision::Accepted { id } | Decision::Known { id }) => {
                    let rejected = self.reject(Some(id), Full.to_string());
                    drop(decision.send(rejected));
                }
                Caller::Sender(..) => {}
                Caller::Local(answer) => {
                    self.count(|facts| facts.rejected += 1);
                    drop(answer.send(Err(RunError::Rejected(Full.to_string()))));
                }
            }
        }
        if let Some(stand) = live.stand {
            self.count(|facts| facts.rejected += 1);
            stand.send_replace(Stand::Ended(Arc::new(full())));
        }
    }

    /// Finishes jobs that wait in the ledger and were refused while it was not open, as their senders were told.
    pub(super) fn finish_refused(&mut self) {
        let refused = std::mem::take(&mut self.refused);
        for number in self.table.waiting() {
            let (source, key) = (self.table.source(number), self.table.recorded_key(number));
            let job = source.zip(key);
            if job.is_some_and(|(source, key)| refused.has(source, key)) {
                self.finish(number, full());
            }
        }
    }

    /// Refuses a payload. The sender is answered, and the log told, once per second at most.
    pub(super) fn reject(&mut self, id: Option<String>, reason: String) -> Decision {
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

/// A local job.
enum Local {
    /// Its acceptance is awaited, or it runs.
    Waits(Number),
    Done(Run),
}

/// The outcome of a job that the ledger has no room for.
fn full() -> Outcome {
    Outcome::without_command(End::Rejected, "", Some(Full.to_string()))
}

fn made_up_id() -> String {
    format!("local-{:016x}", fastrand::u64(..))
}
