//! The task that decides on jobs, starts them and keeps what became of them.

mod admission;
mod live;
mod outgoing;
mod queue;
mod rejections;
mod workers;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{sleep_until, Instant};

use super::ledger::Ledger;
use super::outbox::{Outbox, Outlet, Outlets, Returned};
use super::outcome::{End, Outcome};
use super::recent::{beginning, Entry, Recent, Source, State};
use super::run::{self, Limits, Output, Stop, Work};
use super::{Change, Command, Decision, Detail, Facts, RunError};
use crate::clock;
use crate::config::Config;
use crate::crash::Crashes;
use crate::provision::Identity;

use live::Live;
use outgoing::outlet_of_results;
use queue::Queue;
use rejections::Rejections;
use workers::Workers;

/// The jobs part; [`Jobs::run`] is its task.
pub struct Jobs {
    config: watch::Receiver<Arc<Config>>,
    mac: watch::Receiver<Identity>,
    commands: mpsc::Receiver<Command>,
    facts: watch::Sender<Facts>,
    changes: broadcast::Sender<Change>,
    began: Instant,
    ledger: Ledger,
    live: HashMap<Arc<str>, Live>,
    queue: Queue,
    workers: Workers,
    recent: Recent,
    outbox: Outbox,
    returns: mpsc::Receiver<Returned>,
    rejections: Rejections,
    crashes: Crashes,
}

impl Jobs {
    /// Skips payloads that ended earlier agents, and notes which one is handled.
    pub fn with_crashes(mut self, crashes: Crashes) -> Self {
        self.crashes = crashes;
        self
    }

    pub(super) fn new(
        config: watch::Receiver<Arc<Config>>,
        mac: watch::Receiver<Identity>,
        commands: mpsc::Receiver<Command>,
        facts: watch::Sender<Facts>,
        changes: broadcast::Sender<Change>,
    ) -> (Self, Outlets) {
        let (outbox, outlets, returns) = Outbox::new(outlet_of_results(&config.borrow()));
        let jobs = Jobs {
            config,
            mac,
            commands,
            facts,
            changes,
            began: Instant::now(),
            ledger: Ledger::default(),
            live: HashMap::new(),
            queue: Queue::default(),
            workers: Workers::default(),
            recent: Recent::default(),
            outbox,
            returns,
            rejections: Rejections::default(),
            crashes: Crashes::default(),
        };
        (jobs, outlets)
    }

    /// Works until `shutdown`, then tells running jobs to end and waits, at most for `grace`, until
    /// they have and the broker has taken their results.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>, grace: Duration) {
        tokio::pin!(shutdown);
        let mut closing: Option<Instant> = None;
        let (mut config_lives, mut handles_live) = (true, true);
        loop {
            self.start_queued();
            self.count_queued();
            if closing.is_some() && self.is_settled() {
                return;
            }
            let again = self.outbox.next_again();
            let never = Instant::now() + Duration::from_secs(3600);
            tokio::select! {
                () = &mut shutdown, if closing.is_none() => {
                    closing = Some(Instant::now() + grace);
                    self.close(grace);
                }
                () = sleep_until(closing.unwrap_or(never)), if closing.is_some() => {
                    log::warn!("jobs: the time to end is over, results that nobody took are lost");
                    return;
                }
                command = self.commands.recv(), if handles_live => match command {
                    Some(command) => self.obey(command, closing.is_some()),
                    None => handles_live = false,
                },
                (id, outcome) = self.workers.ended() => self.worker_ended(&id, outcome),
                Some(returned) = self.returns.recv() => self.settle(&returned),
                Ok(permit) = self.outbox.sender(Outlet::Broker).reserve_owned(),
                    if self.outbox.is_ready(Outlet::Broker) =>
                {
                    self.hand_out(Outlet::Broker, permit);
                }
                Ok(permit) = self.outbox.sender(Outlet::Api).reserve_owned(),
                    if self.outbox.is_ready(Outlet::Api) =>
                {
                    self.hand_out(Outlet::Api, permit);
                }
                () = sleep_until(again.unwrap_or(never)), if again.is_some() => {
                    self.outbox.again(Instant::now());
                }
                changed = self.config.changed(), if config_lives => {
                    config_lives = changed.is_ok();
                    self.outbox();
                }
            }
        }
    }

    /// Nothing runs, and nobody is left to take what is to be sent or everything was taken.
    fn is_settled(&self) -> bool {
        self.workers.is_empty() && self.outbox.is_settled()
    }

    fn obey(&mut self, command: Command, closing: bool) {
        // Whoever asked may have gone meanwhile; then nobody misses the answer.
        match command {
            Command::Submit { decision, .. } if closing => {
                let _ = decision.send(Decision::Closed);
            }
            Command::Submit {
                payload,
                source,
                decision,
            } => {
                let _ = decision.send(self.submit(&payload, source));
            }
            Command::Run { answer, .. } if closing => {
                let _ = answer.send(Err(RunError::Rejected("the agent is stopping".into())));
            }
            Command::Run { request, answer } => {
                let _ = answer.send(self.run_local(request));
            }
            Command::Recent { answer } => {
                let _ = answer.send(self.recent.summaries());
            }
            Command::Job { id, answer } => {
                let _ = answer.send(self.detail(&id));
            }
        }
    }

    /// Starts what waits while workers are free.
    fn start_queued(&mut self) {
        let config = Arc::clone(&self.config.borrow());
        while self.workers.len() < config.job_workers.max(1) {
            let Some(id) = self.queue.pop() else {
                return;
            };
            self.start(id, &config);
        }
    }

    fn start(&mut self, id: Arc<str>, config: &Config) {
        let Some(live) = self.live.get_mut(&id) else {
            return;
        };
        if live.job.expired(clock::epoch_seconds()) {
            let reason = Some("job has expired".to_string());
            let outcome = Outcome::without_command(End::Rejected, &live.job.type_name, reason);
            self.finish(&id, outcome);
            return;
        }
        if !self.ledger.start(&id) {
            return;
        }
        let limits = Limits {
            timeout: live
                .job
                .timeout
                .unwrap_or(config.job_timeout)
                .max(Duration::from_secs(1))
                .min(config.job_timeout),
            output_max: config.job_output_max,
        };
        let (stop, stopped) = oneshot::channel();
        live.stop = Some(stop);
        live.running = true;
        let work = Work {
            id: Arc::clone(&id),
            msg: std::mem::take(&mut live.job.msg),
            type_name: live.job.type_name.clone(),
            limits,
            output: Output::new(),
            tap: None,
        };
        self.workers.start(Arc::clone(&id), run::run(work, stopped));
        self.recent.started(&id, clock::epoch_seconds());
        self.count(|facts| facts.running += 1);
        self.tell(&id, State::Running);
    }

    fn worker_ended(&mut self, id: &Arc<str>, outcome: Option<Outcome>) {
        self.count(|facts| facts.running -= 1);
        let outcome = outcome.unwrap_or_else(|| {
            let type_name = self.live.get(id).map(|live| live.job.type_name.as_str());
            let reason = Some("the worker failed".to_string());
            Outcome::without_command(End::Interrupted, type_name.unwrap_or_default(), reason)
        });
        self.finish(id, outcome);
    }

    /// Records an outcome and tells everybody who waits for it.
    fn finish(&mut self, id: &Arc<str>, outcome: Outcome) {
        let Some(outcome) = self.ledger.finish(id, outcome) else {
            return;
        };
        let Some(live) = self.live.remove(id) else {
            return;
        };
        self.recent.finished(id, Arc::clone(&outcome));
        let state = State::of(&outcome);
        self.count(|facts| match state {
            State::Done => facts.done += 1,
            State::Rejected => facts.rejected += 1,
            _ => facts.failed += 1,
        });
        match live.source {
            Source::Mqtt => self.outbox().result(id),
            // Who asked on the bus has the outcome with this.
            Source::Ubus => self.ledger.reported(id, self.began.elapsed()),
        }
        live.outcome.send_replace(Some(outcome));
        self.tell(id, state);
    }

    fn detail(&self, id: &str) -> Option<Detail> {
        if let Some(entry) = self.recent.get(id) {
            return Some(entry.detail());
        }
        // More jobs wait than are remembered.
        let live = self.live.get(id)?;
        let entry = Entry {
            id: id.into(),
            type_name: live.job.type_name.clone(),
            command: beginning(&live.job.msg),
            source: live.source,
            started: None,
            outcome: None,
        };
        Some(entry.detail())
    }

    /// Ends everything that was accepted.
    fn close(&mut self, grace: Duration) {
        while let Some(id) = self.queue.pop() {
            let Some(live) = self.live.get(&id) else {
                continue;
            };
            let reason = Some("the agent stopped before the job started".to_string());
            let outcome = Outcome::without_command(End::Interrupted, &live.job.type_name, reason);
            self.finish(&id, outcome);
        }
        for live in self.live.values_mut() {
            if let Some(stop) = live.stop.take() {
                // Half of the time is for the jobs, the other half for their results.
                let _ = stop.send(Stop::Shutdown(grace / 2));
            }
        }
    }

    fn count_queued(&self) {
        let queued = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
        self.facts.send_if_modified(|facts| {
            let was = std::mem::replace(&mut facts.queued, queued);
            was != queued
        });
    }

    fn count(&self, change: impl FnOnce(&mut Facts)) {
        self.facts.send_modify(change);
    }

    fn tell(&self, id: &str, state: State) {
        // Nobody has to listen.
        let _ = self.changes.send(Change {
            id: id.to_string(),
            state,
        });
    }
}
