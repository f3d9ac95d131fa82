//! The task that drives the table: hands its records to the disk, and does what follows from them.

mod admission;
mod asked;
mod effects;
mod leaving;
mod live;
mod opening;
mod outgoing;
mod recording;
mod rejections;
#[cfg(test)]
mod tests;
mod upgrading;
mod watched;
mod workers;

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{sleep_until, Instant};

use super::gate::Gate;
use super::guarded::Guard;
use super::ledger::{Growth, Ledger, Opened, Whereabouts};
use super::outbox::{Outbox, Outlet, Outlets, Returned};
use super::recent::State;
use super::table::{Bounds, Now, Number, Start, Table};
use super::upgrades::{Hold, Upgrades};
use super::{Change, Command, Facts, Setting, Settings, Stand};
use crate::identity::Identity;
use crate::process::clock::{self, Clock, ServerDate};
use crate::process::crash::Crashes;
use crate::process::facts::changed;

use leaving::{Leaving, Left};
use live::Live;
use opening::Opening;
use outgoing::outlet_of_results;
use recording::Attempts;
use rejections::{Refused, Rejections};
use workers::Workers;

/// Time between two records of how long agents have run; ids may go after a time that is counted so.
const COUNT_EVERY: Duration = Duration::from_secs(3600);

/// Part of the time to end that the disk gets when everything else is done.
const DISK_WITHIN: Duration = Duration::from_millis(500);

/// The jobs part; [`Jobs::run`] is its task.
pub struct Jobs {
    options: watch::Receiver<Settings>,
    setting: Setting,
    commands: mpsc::Receiver<Command>,
    facts: watch::Sender<Facts>,
    changes: broadcast::Sender<Change>,
    began: Instant,
    table: Table,
    /// `None` until it can be opened: until then no job is recorded.
    ledger: Option<Ledger>,
    opening: Option<Opening>,
    /// Openings on disks that may hang: of ledgers that were wanted before, and of the one to move to.
    others: Vec<Opening>,
    /// The ledger of one of them that is open beside this one, until no batch is with the disk.
    beside: Option<(Ledger, Opened)>,
    /// Jobs refused while there is no ledger: it may know them.
    refused: Refused,
    /// A directory with the ledger of an earlier agent; this agent's will be in another one.
    left: Option<PathBuf>,
    /// The option `state_dir` when that was left.
    left_for: PathBuf,
    /// Ledgers that were left, on disks that are at work with them.
    leaving: Vec<Leaving>,
    left_ledgers: Left,
    /// Directories of ledgers that earlier agents have left.
    found_left: Vec<PathBuf>,
    whereabouts: Option<Arc<dyn Whereabouts>>,
    /// The ledger lies where a power cut leaves it.
    persistent: bool,
    /// The part of the ledger that is out of date.
    growth: Growth,
    attempts: Attempts,
    /// The same for the register.
    registrations: Attempts,
    live: HashMap<Number, Live>,
    workers: Workers,
    outbox: Outbox,
    returns: mpsc::Receiver<Returned>,
    rejections: Rejections,
    crashes: Crashes,
    gate: Gate,
    /// Without it no change is undone.
    guard: Option<Arc<dyn Guard>>,
    /// Without it no job is an upgrade.
    upgrades: Option<Arc<dyn Upgrades>>,
    hold: watch::Receiver<Hold>,
    /// When the upgrades that wait are looked at next.
    upgrade_at: Option<Instant>,
    closing: bool,
}

impl Jobs {
    /// Skips payloads that ended earlier agents, and notes which one is handled.
    pub fn with_crashes(mut self, crashes: Crashes) -> Self {
        self.crashes = crashes;
        self
    }

    /// Runs jobs on this device; on one that cannot be rebooted if this is not called.
    pub fn on(mut self, setting: Setting) -> Self {
        self.setting = setting;
        self
    }

    /// Has `guard` watch over jobs.
    pub fn watched_by(mut self, guard: Arc<dyn Guard>) -> Self {
        self.guard = Some(guard);
        self
    }

    /// Begins with the ledger in `left`, if an earlier agent left it there, and moves it to `state_dir`. Ledgers in `stale`
    /// are taken in.
    pub fn coming_from(mut self, left: Option<PathBuf>, stale: Vec<PathBuf>) -> Self {
        (self.left, self.found_left) = (left, stale);
        self.left_for.clone_from(&self.options.borrow().state_dir);
        self
    }

    /// Has `note` say which directories have ledgers.
    pub fn noted_by(mut self, note: Arc<dyn Whereabouts>) -> Self {
        self.whereabouts = Some(note);
        self
    }

    /// Has `upgrades` carry out jobs of type `upgrade`.
    pub fn upgraded_by(mut self, upgrades: Arc<dyn Upgrades>) -> Self {
        self.hold = upgrades.hold();
        self.upgrades = Some(upgrades);
        self
    }

    /// Judges jobs by `clock`, and by what servers whose certificates were verified say of the time.
    pub fn with_time(mut self, clock: Clock, dates: watch::Receiver<Option<ServerDate>>) -> Self {
        self.gate.take_time_from(clock, dates);
        self
    }

    pub(super) fn new(
        options: watch::Receiver<Settings>,
        mac: watch::Receiver<Identity>,
        commands: mpsc::Receiver<Command>,
        facts: watch::Sender<Facts>,
        changes: broadcast::Sender<Change>,
    ) -> (Self, Outlets) {
        let (outbox, outlets, returns) = Outbox::new(outlet_of_results(&options.borrow()));
        let attempts = Attempts::new(options.borrow().pace);
        let registrations = Attempts::new(options.borrow().pace);
        let jobs = Jobs {
            gate: Gate::new(options.clone(), mac),
            options,
            setting: Setting::without_reboot(""),
            commands,
            facts,
            changes,
            began: Instant::now(),
            table: Table::new(Bounds::default()),
            ledger: None,
            opening: None,
            others: Vec::new(),
            beside: None,
            refused: Refused::default(),
            left: None,
            left_for: PathBuf::new(),
            leaving: Vec::new(),
            left_ledgers: Left::default(),
            found_left: Vec::new(),
            whereabouts: None,
            persistent: false,
            growth: Growth::Little,
            attempts,
            registrations,
            live: HashMap::new(),
            workers: Workers::default(),
            outbox,
            returns,
            rejections: Rejections::default(),
            crashes: Crashes::default(),
            guard: None,
            upgrades: None,
            hold: watch::channel(Hold::Nothing).1,
            upgrade_at: None,
            closing: false,
        };
        (jobs, outlets)
    }

    /// Works until `shutdown`, then tells running jobs to end and waits, at most for `grace`, until
    /// they have and the broker has taken their results. What is left waits on the disk for the next agent.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>, grace: Duration) {
        self.open_first().await;
        tokio::pin!(shutdown);
        let mut ends_at: Option<Instant> = None;
        let mut count_at = Instant::now() + COUNT_EVERY;
        let (mut options_live, mut handles_live) = (true, true);
        loop {
            // A publisher that has gone has told before what became of its replies.
            self.settle_all();
            self.move_on();
            self.proceed();
            if self.closing {
                // A reply that came back may be all that is left.
                while let Ok(returned) = self.returns.try_recv() {
                    self.settle(&returned);
                }
                self.table.flush_register();
                self.record();
            }
            if self.closing && self.is_settled() {
                break;
            }
            let again = self.outbox.next_again();
            let attempt = self.attempts.next();
            let registration = self.registrations.next();
            let upgrade = self.upgrade_at;
            let moves = self.closing || self.held() != Hold::Ledger;
            let never = Instant::now() + Duration::from_secs(3600);
            tokio::select! {
                () = &mut shutdown, if !self.closing => {
                    ends_at = Some(Instant::now() + grace);
                    self.close(grace);
                }
                () = sleep_until(ends_at.unwrap_or(never)), if ends_at.is_some() => {
                    log::warn!("jobs: shutdown timed out; unpublished results wait for the next agent");
                    break;
                }
                command = self.commands.recv(), if handles_live && moves => match command {
                    Some(command) => self.obey(command),
                    None => handles_live = false,
                },
                wrote = recording::wrote(&mut self.ledger) => self.wrote(wrote),
                () = sleep_until(attempt.unwrap_or(never)), if attempt.is_some() => {
                    self.attempts.due();
                    if self.ledger.is_none() {
                        self.open();
                    }
                }
                opened = opening::opened(&mut self.opening), if moves => {
                    self.opened(opened);
                }
                (path, opened) = opening::answered(&mut self.others),
                    if self.ledger.is_some() && self.beside.is_none() && moves && !self.closing =>
                {
                    self.answered(&path, opened);
                }
                (path, done) = opening::answered(&mut self.leaving), if moves => self.has_left(path, done),
                () = sleep_until(registration.unwrap_or(never)), if registration.is_some() => {
                    self.register_again();
                }
                (number, ended) = self.workers.ended(), if moves => self.worker_ended(number, ended),
                Some(returned) = self.returns.recv() => self.settle(&returned),
                () = self.gate.told() => {}
                () = sleep_until(upgrade.unwrap_or(never)), if upgrade.is_some() => {}
                () = changed(&mut self.hold) => {}
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
                () = sleep_until(count_at) => {
                    count_at = Instant::now() + COUNT_EVERY;
                    self.count_age();
                }
                changed = self.options.changed(), if options_live => {
                    options_live = changed.is_ok();
                    self.outbox();
                    self.follow_state_dir();
                }
            }
        }
        if let Some(ledger) = self.ledger.take() {
            if !ledger.end(DISK_WITHIN).await {
                log::warn!("jobs: the last records may not be on the disk");
            }
        }
    }

    /// Does everything that can be done now.
    fn proceed(&mut self) {
        self.keep_floor();
        loop {
            self.start_queued();
            self.start_upgrade();
            self.record();
            match self.table.poll() {
                Some(effect) => self.effect(effect),
                None => break,
            }
        }
        self.keep_still();
        let queued = u32::try_from(self.table.queued()).unwrap_or(u32::MAX);
        let running = u32::try_from(self.table.running()).unwrap_or(u32::MAX);
        let ids = u32::try_from(self.table.all_ids()).unwrap_or(u32::MAX);
        let (durable, kept) = (self.is_durable(), self.is_kept());
        self.facts.send_if_modified(|facts| {
            let now = Facts {
                queued,
                running,
                ids,
                durable,
                kept,
                ..*facts
            };
            let was = std::mem::replace(facts, now);
            was != now
        });
    }

    /// Nothing runs, the disk has everything, and nobody is left to take what is to be sent or everything
    /// was taken.
    fn is_settled(&self) -> bool {
        self.workers.is_empty() && self.table.is_settled() && self.outbox.is_settled()
    }

    /// The time, as the table needs it: ids are forgotten by the floor that is recorded.
    fn now(&self) -> Now {
        let ran = u32::try_from(self.began.elapsed().as_secs()).unwrap_or(u32::MAX);
        Now {
            age: self.table.began().saturating_add(ran),
            floor: self.table.floor(),
        }
    }

    /// The start of a job at this moment.
    fn start_now(&self) -> Start {
        Start {
            at: clock::epoch_seconds(),
            boot: self.setting.boot,
        }
    }

    /// Ids are counted as long as they are kept.
    fn count_age(&mut self) {
        if self.table.all_ids() > 0 && self.can_record() {
            self.record_time();
        }
    }

    /// Records the floor when it has risen by as much as the time that is recorded at once.
    fn keep_floor(&mut self) {
        let risen = self.gate.kept().saturating_sub(self.table.floor());
        if risen >= COUNT_EVERY.as_secs() && self.gate.has_keys() && self.can_record() {
            self.record_time();
        }
    }

    /// Records how long agents have run, and the time that has passed for certain.
    fn record_time(&mut self) {
        let now = Now {
            floor: self.gate.kept(),
            ..self.now()
        };
        self.table.time(now);
    }

    fn count(&self, change: impl FnOnce(&mut Facts)) {
        self.facts.send_modify(change);
    }

    fn tell(&self, number: Number, state: State) {
        let Some(id) = self.table.id(number) else {
            return;
        };
        if let (State::Running, Some(live)) = (state, self.live.get(&number)) {
            live.stands(Stand::Running);
        }
        // Nobody has to listen.
        let _ = self.changes.send(Change {
            id: id.to_string(),
            state,
        });
    }
}
