//! The task that decides on jobs, starts them and keeps what became of them.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{sleep_until, Instant};

use super::exec::{self, Leftover, Limits, Stop};
use super::ledger::{Known, Ledger};
use super::message::{self, Job, Kind, Rejected};
use super::outbox::{Item, Outbox, Replies, Returned};
use super::outcome::{End, Outcome};
use super::recent::{Entry, Recent, Source, State};
use super::{reply, Change, Command, Decision, Detail, Facts, Request, Run, RunError};
use crate::clock;
use crate::config::Config;

/// Commands of all queued jobs together, bytes.
const QUEUE_MAX: usize = 4 * 1024 * 1024;

/// Jobs whose background processes still hold their pipes; beyond it the pipes are closed.
const LEFTOVERS_MAX: usize = 64;

/// Time between two rejection answers, and between two log lines about them.
const REJECTION_EVERY: Duration = Duration::from_secs(1);

type Finished = (Arc<str>, Outcome, Option<Leftover>);
type Watched = watch::Sender<Option<Arc<Outcome>>>;

/// A job accepted and not finished.
struct Live {
    job: Job,
    source: Source,
    outcome: Watched,
    /// How to stop it, once it runs.
    stop: Option<oneshot::Sender<Stop>>,
    running: bool,
}

/// The jobs part; [`Jobs::run`] is its task.
pub struct Jobs {
    config: watch::Receiver<Arc<Config>>,
    mac: String,
    commands: mpsc::Receiver<Command>,
    facts: watch::Sender<Facts>,
    changes: broadcast::Sender<Change>,
    began: Instant,
    ledger: Ledger,
    live: HashMap<Arc<str>, Live>,
    queue: VecDeque<Arc<str>>,
    queued_bytes: usize,
    workers: JoinSet<Finished>,
    worker_ids: HashMap<task::Id, Arc<str>>,
    leftovers: JoinSet<()>,
    recent: Recent,
    outbox: Outbox,
    returns: mpsc::Receiver<Returned>,
    rejections: Rejections,
}

impl Jobs {
    pub(super) fn new(
        config: watch::Receiver<Arc<Config>>,
        mac: String,
        commands: mpsc::Receiver<Command>,
        facts: watch::Sender<Facts>,
        changes: broadcast::Sender<Change>,
    ) -> (Self, Replies) {
        let (outbox, replies, returns) = Outbox::new();
        let jobs = Jobs {
            config,
            mac,
            commands,
            facts,
            changes,
            began: Instant::now(),
            ledger: Ledger::default(),
            live: HashMap::new(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            workers: JoinSet::new(),
            worker_ids: HashMap::new(),
            leftovers: JoinSet::new(),
            recent: Recent::default(),
            outbox,
            returns,
            rejections: Rejections::default(),
        };
        (jobs, replies)
    }

    /// Works until `shutdown`, then tells running jobs to end and waits, at most for `grace`, until
    /// they have and the broker has taken their results.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>, grace: Duration) {
        tokio::pin!(shutdown);
        let mut closing: Option<Instant> = None;
        let (mut config_lives, mut handles_live) = (true, true);
        loop {
            self.start_queued();
            if closing.is_some() && self.is_settled() {
                return;
            }
            let never = Instant::now() + Duration::from_secs(3600);
            tokio::select! {
                () = &mut shutdown, if closing.is_none() => {
                    closing = Some(Instant::now() + grace);
                    self.close(grace);
                }
                () = sleep_until(closing.unwrap_or(never)), if closing.is_some() => {
                    log::warn!("jobs: the time to end is over, results not taken by the broker are lost");
                    return;
                }
                command = self.commands.recv(), if handles_live => match command {
                    Some(command) => self.obey(command, closing.is_some()),
                    None => handles_live = false,
                },
                Some(joined) = self.workers.join_next_with_id(), if !self.workers.is_empty() => {
                    self.worker_ended(joined);
                }
                Some(_) = self.leftovers.join_next(), if !self.leftovers.is_empty() => {}
                Some(returned) = self.returns.recv() => self.settle(&returned),
                Ok(permit) = self.outbox.sender().reserve_owned(), if self.outbox.is_ready() => {
                    self.hand_out(permit);
                }
                changed = self.config.changed(), if config_lives => config_lives = changed.is_ok(),
            }
        }
    }

    /// Nothing runs, and nobody is left to take what is to be sent or everything was taken.
    fn is_settled(&self) -> bool {
        self.workers.is_empty() && (self.outbox.is_empty() || !self.outbox.has_publisher())
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

    /// The order of checks: size and JSON, device, known id, expiry, ledger.
    fn submit(&mut self, payload: &Bytes, source: Source) -> Decision {
        let job = match message::parse(payload) {
            Ok(job) => job,
            Err(Rejected { id, reason }) => return self.reject(id, reason),
        };
        if !job.is_for(&self.mac) {
            return self.reject(Some(job.id), "job is for another device".into());
        }
        if let Known::Unfinished | Known::Finished(_) = self.ledger.known(&job.id) {
            let id: Arc<str> = job.id.as_str().into();
            if let Known::Finished(_) = self.ledger.known(&id) {
                self.outbox.result(&id);
            }
            return Decision::Known { id: job.id };
        }
        let id = job.id.clone();
        match self.accept(job, source) {
            Ok(_) => Decision::Accepted { id },
            Err(reason) => self.reject(Some(id), reason),
        }
    }

    fn run_local(&mut self, request: Request) -> Result<Run, RunError> {
        let rejected = |reason: &str| RunError::Rejected(reason.to_string());
        let id = request.id.unwrap_or_else(made_up_id);
        message::check_id(&id).map_err(rejected)?;
        message::check_msg(&request.msg).map_err(rejected)?;
        message::check_type(&request.type_name).map_err(rejected)?;
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
            kind: Kind::of(&request.type_name),
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
        if self.queued_bytes + job.msg.len() > QUEUE_MAX {
            return Err(super::ledger::Full.to_string());
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
            source,
            started: None,
            outcome: None,
        });
        let (sender, outcome) = watch::channel(None);
        let (kind, msg_len) = (job.kind, job.msg.len());
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
                self.queued_bytes += msg_len;
                self.queue.push_back(Arc::clone(&id));
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
            self.unqueue(&target);
            let reason = Some("cancelled before it started".to_string());
            let outcome = Outcome::without_command(End::Processed, &type_name, reason);
            self.finish(&target, outcome);
        }
        None
    }

    fn unqueue(&mut self, id: &Arc<str>) {
        if let Some(at) = self.queue.iter().position(|queued| queued == id) {
            self.queue.remove(at);
            self.queued_bytes -= self.live.get(id).map_or(0, |live| live.job.msg.len());
        }
    }

    /// Starts what waits while workers are free.
    fn start_queued(&mut self) {
        let config = Arc::clone(&self.config.borrow());
        while self.workers.len() < config.job_workers.max(1) {
            let Some(id) = self.queue.pop_front() else {
                return;
            };
            self.start(id, &config);
        }
    }

    fn start(&mut self, id: Arc<str>, config: &Config) {
        let Some(live) = self.live.get_mut(&id) else {
            return;
        };
        self.queued_bytes -= live.job.msg.len();
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
        let msg = std::mem::take(&mut live.job.msg);
        let type_name = live.job.type_name.clone();
        let job_id = Arc::clone(&id);
        let worker = self.workers.spawn(async move {
            let (outcome, leftover) = exec::run(&msg, &type_name, limits, stopped).await;
            (job_id, outcome, leftover)
        });
        self.worker_ids.insert(worker.id(), Arc::clone(&id));
        self.recent.started(&id, clock::epoch_seconds());
        self.count(|facts| facts.running += 1);
        self.tell(&id, State::Running);
    }

    fn worker_ended(&mut self, joined: Result<(task::Id, Finished), JoinError>) {
        self.count(|facts| facts.running -= 1);
        match joined {
            Ok((worker, (id, outcome, leftover))) => {
                self.worker_ids.remove(&worker);
                self.finish(&id, outcome);
                if let Some(leftover) = leftover {
                    self.keep_draining(leftover);
                }
            }
            Err(error) => {
                let Some(id) = self.worker_ids.remove(&error.id()) else {
                    return;
                };
                log::error!("the worker of a job failed: {error}");
                let type_name = self
                    .live
                    .get(&id)
                    .map_or_else(String::new, |live| live.job.type_name.clone());
                let reason = Some("the worker failed".to_string());
                let outcome = Outcome::without_command(End::Interrupted, &type_name, reason);
                self.finish(&id, outcome);
            }
        }
    }

    fn keep_draining(&mut self, leftover: Leftover) {
        if self.leftovers.len() < LEFTOVERS_MAX {
            self.leftovers.spawn(leftover.drain());
        } else {
            log::warn!("too many jobs left processes in the background: pipes of one are closed");
        }
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
            Source::Mqtt => self.outbox.result(id),
            // Who asked on the bus has the outcome with this.
            Source::Ubus => self.ledger.reported(id, self.began.elapsed()),
        }
        live.outcome.send_replace(Some(outcome));
        self.tell(id, state);
    }

    /// Refuses a payload. The sender is answered, and the log told, once per second at most.
    fn reject(&mut self, id: Option<String>, reason: String) -> Decision {
        self.count(|facts| facts.rejected += 1);
        if let Some(untold) = self.rejections.may_tell(Instant::now()) {
            let answered = match &id {
                Some(id) => self.outbox.rejected(id, &reason),
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

    fn hand_out(&mut self, permit: mpsc::OwnedPermit<super::Reply>) {
        let ledger = &self.ledger;
        let now = clock::epoch_seconds();
        self.outbox.hand_out(permit, |item| match item {
            Item::Delivered(id) => Some(reply::delivered(id, now)),
            Item::Rejected { id, reason } => Some(reply::rejected(id, now, reason)),
            Item::Result(id) => match ledger.known(id) {
                Known::Finished(outcome) => Some(reply::result(id, now, &outcome)),
                Known::New | Known::Unfinished => None,
            },
        });
    }

    fn settle(&mut self, returned: &Returned) {
        if let Some(id) = self.outbox.settle(returned) {
            self.ledger.reported(&id, self.began.elapsed());
        }
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
            source: live.source,
            started: None,
            outcome: None,
        };
        Some(entry.detail())
    }

    /// Ends everything that was accepted.
    fn close(&mut self, grace: Duration) {
        for id in std::mem::take(&mut self.queue) {
            let Some(live) = self.live.get(&id) else {
                continue;
            };
            let reason = Some("the agent stopped before the job started".to_string());
            let outcome = Outcome::without_command(End::Interrupted, &live.job.type_name, reason);
            self.finish(&id, outcome);
        }
        self.queued_bytes = 0;
        for live in self.live.values_mut() {
            if let Some(stop) = live.stop.take() {
                // Half of the time is for the jobs, the other half for their results.
                let _ = stop.send(Stop::Shutdown(grace / 2));
            }
        }
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

impl Live {
    fn state(&self) -> State {
        if self.running {
            State::Running
        } else {
            State::Queued
        }
    }
}

/// How often rejections are told.
#[derive(Debug, Default)]
struct Rejections {
    last: Option<Instant>,
    untold: u64,
}

impl Rejections {
    /// Counts a rejection; if it may be told, says how many were not since the last one that was.
    fn may_tell(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now < last + REJECTION_EVERY) {
            self.untold += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

fn made_up_id() -> String {
    format!("local-{:016x}", fastrand::u64(..))
}
