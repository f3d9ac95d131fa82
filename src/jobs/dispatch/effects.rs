//! The effects of steps that are certain.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::live::Live;
use super::workers::Ended;
use super::Jobs;
use crate::boot::Why;
use crate::config;
use crate::jobs::guarded::is_guarded;
use crate::jobs::message::{Job, Kind};
use crate::jobs::outcome::{End, Outcome};
use crate::jobs::recent::State;
use crate::jobs::run::{self, detached, Limits, Output, Stop, Tap, Work};
use crate::jobs::table::{Effect, Number};
use crate::jobs::upgrades::Hold;
use crate::jobs::{Source, Stand, FEW};

/// Pieces of live output of one job that wait to be read.
const PIECES: usize = 8;

/// Longest wait for a reboot that was asked for.
const REBOOT_WITHIN: Duration = Duration::from_secs(180);

impl Jobs {
    pub(super) fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Accepted(number) => self.accepted(number),
            Effect::Late(number) => self.answer(number),
            Effect::Refused(number) => self.refused(number),
            Effect::Run(number) => self.run_one(number),
            Effect::Adopt(number) => self.adopt(number),
            Effect::Judge(number) if self.is_upgrade(number) => self.resume_upgrade(number),
            Effect::Judge(number) => self.judge(number),
            Effect::Ended(number) => self.ended(number),
        }
    }

    /// True if a job of this type may start: a worker is free, or no job runs if it has to be alone.
    pub(super) fn may_start(&self, type_name: &str) -> bool {
        if self.held() != Hold::Nothing {
            return false;
        }
        let running = self.table.running();
        match is_guarded(type_name) {
            true => running == 0,
            false => {
                !self.table.runs_alone() && running < self.options.borrow().jobs.workers.max(1)
            }
        }
    }

    /// Starts what waits while workers are free.
    pub(super) fn start_queued(&mut self) {
        while !self.closing {
            let Some(ready) = self.table.ready(self.can_record()) else {
                return;
            };
            if !self.may_start(&ready.job.type_name) {
                return;
            }
            let number = ready.number;
            let judged = match self.table.source(number) {
                Some(Source::Mqtt) => self.gate.again(ready.job),
                Some(Source::Ubus) | None => Ok(()),
            };
            if let Err(refusal) = judged {
                let reason = Some(refusal.to_string());
                self.finish(number, Outcome::without_command(End::Rejected, "", reason));
            } else {
                let start = self.start_now();
                self.table.start(number, start);
            }
        }
    }

    fn run_one(&mut self, number: Number) {
        let Some(kind) = self.table.job(number).map(|job| job.kind) else {
            return;
        };
        match kind {
            Kind::Ping => self.finish(number, Outcome::without_command(End::Processed, "", None)),
            Kind::Cancel => {
                let source = self.table.source(number).unwrap_or(Source::Mqtt);
                let target = self.table.take_command(number).unwrap_or_default();
                let reason = self.cancel(source, &target);
                let outcome = Outcome::without_command(End::Processed, "", reason);
                self.finish(number, outcome);
            }
            // Nobody would tell it to end any more.
            Kind::Shell | Kind::Reboot | Kind::Upgrade if self.closing => {
                let reason = Some("the agent stopped".to_owned());
                self.finish(
                    number,
                    Outcome::without_command(End::Interrupted, "", reason),
                );
            }
            Kind::Shell => self.run_shell(number),
            Kind::Reboot => self.run_reboot(number),
            Kind::Upgrade => self.run_upgrade(number),
        }
    }

    fn run_shell(&mut self, number: Number) {
        // Before the rest is copied: it may be long.
        let msg = self.table.take_command(number).unwrap_or_default();
        let Some(job) = self.table.job(number).cloned() else {
            return;
        };
        let id: Arc<str> = job.id.as_str().into();
        let tap = job.live.then(|| {
            let (tap, pieces) = Tap::new(PIECES);
            self.outbox.live().follow(&id, pieces);
            tap
        });
        let output = Output::new();
        let work = Work {
            id,
            msg,
            type_name: job.type_name.clone(),
            limits: limits(&job, &self.options.borrow().jobs),
            output: output.clone(),
            tap,
        };
        let stopped = self.stoppable(number, Some(output));
        let Some(watched) = self.watched(number) else {
            return;
        };
        if watched.is_guarded() && self.ledger.is_some() {
            // A trial may have been readable only after the ledger was.
            self.forget_unknown_trial();
        }
        match self.detached_in(number).filter(|_| job.detach) {
            // Nothing begins before the undo is prepared.
            None if watched.is_guarded() => {
                let spare = self.workers.spare();
                let run = watched.run(stopped, move |stopped| async move {
                    let (outcome, leftover) = run::run(work, spare, stopped).await;
                    (Some(outcome), leftover)
                });
                self.workers.start(number, run);
            }
            None => {
                let ended = run::run(work, self.workers.spare(), stopped);
                self.workers.start(number, async move {
                    let (outcome, leftover) = ended.await;
                    (watched.judged(Some(outcome)).await, leftover)
                });
            }
            Some((dir, name)) => {
                self.is_detached(number);
                let run = watched.run(stopped, move |stopped| async move {
                    let outcome = detached::start(&dir, &name, work, stopped).await;
                    (outcome, None)
                });
                self.workers.start(number, run);
            }
        }
        self.tell(number, State::Running);
    }

    /// Waits for a detached job that an earlier agent has started.
    fn adopt(&mut self, number: Number) {
        let Some((dir, name)) = self.detached_in(number) else {
            return;
        };
        let output = detached::output(&dir, &name);
        let stopped = self.stoppable(number, Some(output));
        self.is_detached(number);
        let job = self.table.job(number);
        let type_name = job.map(|job| job.type_name.clone()).unwrap_or_default();
        let Some(watched) = self.watched(number) else {
            return;
        };
        self.workers.start(number, async move {
            let outcome = detached::adopt(&dir, &name, &type_name, stopped).await;
            (watched.judged(outcome).await, None)
        });
    }

    /// The directory and the name of a detached job, which are those of its record; `None` if it has none.
    fn detached_in(&self, number: Number) -> Option<(PathBuf, String)> {
        let dir = self.ledger.as_ref()?.path().to_path_buf();
        let key = self.table.recorded_key(number)?;
        Some((dir, key.to_string()))
    }

    fn is_detached(&mut self, number: Number) {
        if let Some(live) = self.live.get_mut(&number) {
            live.detached = true;
        }
    }

    /// Removes what a detached job has left in files, now that its outcome is recorded. If it could not be,
    /// they are all that the next agent can learn it from.
    fn forget_detached(&self, number: Number) {
        if self.table.is_failing() {
            return;
        }
        if let Some((dir, name)) = self.detached_in(number) {
            if let Err(error) = detached::forget(&dir, &name) {
                log::warn!("{}: a detached job's files: {error}", dir.display());
            }
        }
    }

    /// Asks for a reboot. The agent of the next boot reports it.
    fn run_reboot(&mut self, number: Number) {
        let id = self.table.job(number).map(|job| job.id.clone());
        let id = id.unwrap_or_default();
        let reboot = (self.setting.reboot)(Why::Job { id });
        let stopped = self.stoppable(number, None);
        let failed = |reason: String| Outcome {
            success: false,
            ..Outcome::without_command(End::Processed, "", Some(reason))
        };
        self.workers.start(number, async move {
            let asked = async {
                if let Err(error) = reboot.await {
                    return failed(format!("the reboot failed: {error}"));
                }
                tokio::time::sleep(REBOOT_WITHIN).await;
                let s = REBOOT_WITHIN.as_secs();
                failed(format!("the device did not reboot within {s} s"))
            };
            let outcome = tokio::select! {
                outcome = asked => Some(outcome),
                stop = stopped => match stop {
                    Ok(Stop::Cancel) => Some(failed("cancelled".to_owned())),
                    // The reboot ends the agent, too.
                    Ok(Stop::Shutdown(_)) | Err(_) => None,
                },
            };
            (outcome, None)
        });
        self.tell(number, State::Running);
    }

    /// Takes out a job whom this agent owes nothing more for.
    pub(super) fn no_longer_live(&mut self, number: Number) -> Option<Live> {
        let live = self.live.remove(&number);
        if self.live.is_empty() {
            self.live.shrink_to(FEW);
        }
        live
    }

    pub(super) fn stoppable(
        &mut self,
        number: Number,
        output: Option<Output>,
    ) -> oneshot::Receiver<Stop> {
        let (stop, stopped) = oneshot::channel();
        let live = self.live.entry(number).or_insert_with(Live::inherited);
        live.stop = Some(stop);
        live.output = output;
        stopped
    }

    /// Stops a job of the same source; returns the reason if it cannot.
    fn cancel(&mut self, source: Source, id: &str) -> Option<String> {
        let target = self.table.number(source, id);
        let target = target.filter(|number| self.table.outcome(*number).is_none());
        let Some(target) = target else {
            let reason = match self.ledger {
                Some(_) => "no job with this id is waiting or running",
                None => {
                    "jobs that were recorded cannot be read yet, and none is known with this id"
                }
            };
            return Some(reason.into());
        };
        let stop = self.live.get_mut(&target).and_then(|live| live.stop.take());
        match stop {
            // It fails if the job has just ended by itself, which is as good; or if it is an upgrade that has gone
            // too far.
            Some(stop) => {
                let told = stop.send(Stop::Cancel);
                if told.is_err() && self.is_upgrade(target) {
                    return Some("the upgrade can no longer be stopped".into());
                }
            }
            None if self.is_upgrade(target) && self.table.state(target) == Some(State::Running) => {
                return Some("the upgrade can no longer be stopped".into());
            }
            None => {
                let reason = Some("cancelled before it started".to_string());
                self.finish(target, Outcome::without_command(End::Processed, "", reason));
            }
        }
        None
    }

    pub(super) fn worker_ended(&mut self, number: Number, ended: Ended) {
        match ended {
            Ended::With(outcome) => self.finish(number, outcome),
            Ended::GoesOn => {}
            Ended::Failed => {
                let reason = Some("the worker failed".to_string());
                let outcome = Outcome::without_command(End::Interrupted, "", reason);
                self.finish(number, outcome);
            }
        }
    }

    pub(super) fn finish(&mut self, number: Number, outcome: Outcome) {
        let now = self.now();
        self.table.finish(number, outcome, now);
    }

    /// The outcome of a job is certain: everybody who waits for it gets it.
    fn ended(&mut self, number: Number) {
        let Some(outcome) = self.table.outcome(number).cloned() else {
            return;
        };
        let state = State::of(&outcome);
        self.settled(number, &outcome);
        self.upgrade_recorded(number);
        let live = self.no_longer_live(number);
        if live.as_ref().is_some_and(|live| live.detached) {
            self.forget_detached(number);
        }
        if live.is_some() {
            // Jobs of an earlier agent are not counted here.
            self.count(|facts| match state {
                State::Done => facts.done += 1,
                State::Rejected => facts.rejected += 1,
                _ => facts.failed += 1,
            });
        }
        match self.table.source(number) {
            Some(Source::Mqtt) => {
                if let Some(id) = self.table.id(number).cloned() {
                    self.outbox().result(&id);
                }
            }
            // A caller on the bus has the outcome with this.
            Some(Source::Ubus) | None => {
                let now = self.now();
                self.table.reported(number, now);
                self.upgrade_taken(number);
            }
        }
        if let Some(live) = live {
            live.stands(Stand::Ended(outcome));
        }
        self.tell(number, state);
    }

    /// Tells running jobs to end; those that wait are left to the next agent.
    pub(super) fn close(&mut self, grace: Duration) {
        self.closing = true;
        (self.opening, self.beside) = (None, None);
        for live in self.live.values_mut() {
            if let Some(stop) = live.stop.take() {
                // Half of the time is for the jobs, the other half for their results.
                let _ = stop.send(Stop::Shutdown(grace / 2));
            }
        }
    }
}

fn limits(job: &Job, options: &config::Jobs) -> Limits {
    let wanted = job.timeout.unwrap_or(options.timeout);
    Limits {
        timeout: wanted.max(Duration::from_secs(1)).min(options.timeout),
        output_max: options.output_max,
    }
}
