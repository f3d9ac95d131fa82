//! The table's way to the disk, and what happens while that fails.

use std::future;
use std::path::Path;
use std::time::Duration;

use durable::Medium;
use tokio::time::Instant;

use super::opening::Answer;
use super::Jobs;
use crate::jobs::ledger::{Found, Growth, Ledger, Opened, Registered, Wrote};
use crate::jobs::run::detached;
use crate::jobs::table::{Number, Recalled, Table};
use crate::jobs::upgrades::Hold;
use crate::process::backoff::Backoff;
use crate::process::clock::Pace;

/// The first wait before a disk that failed is tried again is drawn from this; later ones double.
const AGAIN: Duration = Duration::from_secs(5);

/// Longest time for which everything else waits until the ledger is open.
pub(super) const OPEN_WITHIN: Duration = Duration::from_secs(60);

/// When a disk that failed is tried again.
#[derive(Debug)]
pub(super) struct Attempts {
    backoff: Backoff,
    next: Option<Instant>,
    has_failed: bool,
}

impl Attempts {
    pub(super) fn new(pace: Pace) -> Self {
        Attempts {
            backoff: Backoff::new(AGAIN, pace),
            next: None,
            has_failed: false,
        }
    }

    /// When the next attempt is to be made; `None` while the disk works, or if it is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// The wait is over.
    pub(super) fn due(&mut self) {
        self.next = None;
    }

    pub(super) fn failed(&mut self) {
        self.next = Some(Instant::now() + self.backoff.next_wait());
        self.has_failed = true;
    }

    pub(super) fn worked(&mut self) {
        self.backoff.reset();
        self.next = None;
        self.has_failed = false;
    }

    /// True from a failure until an attempt has worked.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }
}

/// Completes when the disk has dealt with what it had; never without a ledger. Cancel safe.
pub(super) async fn wrote(ledger: &mut Option<Ledger>) -> Wrote {
    match ledger {
        Some(ledger) => ledger.wrote().await,
        None => future::pending().await,
    }
}

impl Jobs {
    /// Takes over what the register knows and the ledger does not, or says why it does not tell.
    pub(super) fn opened_register(&mut self, register: Result<Recalled, String>) {
        match register {
            Ok(recalled) => self.recall(&recalled),
            Err(error) => self.register_failed(&error),
        }
    }

    fn recall(&mut self, recalled: &Recalled) {
        if recalled.damaged > 0 {
            let damaged = recalled.damaged;
            log::warn!("{damaged} records of the ids that outlive an upgrade could not be read");
        }
        let before = self.table.all_ids();
        if self.table.recall(recalled) {
            self.growth = Growth::TooMuch;
            let ids = self.table.all_ids() - before;
            log::info!(
                "{ids} ids of jobs and the time of an earlier system or a backup count again"
            );
        }
        self.gate.recalled(self.table.floor());
    }

    fn register_failed(&mut self, error: &str) {
        // Once; the facts have it as long as it lasts.
        if !self.registrations.has_failed() {
            log::error!("ids of jobs would not outlive an upgrade, jobs run all the same: {error}");
        }
        self.table.register_failed();
        self.registrations.failed();
    }

    /// The disk has dealt with a page.
    fn registered(&mut self, registered: Registered) {
        match registered {
            Registered::Nothing => {}
            Registered::Written => {
                if self.registrations.has_failed() {
                    log::info!("ids of jobs outlive an upgrade again");
                }
                self.registrations.worked();
            }
            Registered::Opened(recalled) => {
                self.recall(&recalled);
                self.table.register_again();
            }
            Registered::Failed(error) => self.register_failed(&error),
        }
    }

    /// The register is tried again.
    pub(super) fn register_again(&mut self) {
        self.registrations.due();
        self.table.register_again();
    }

    /// True if ids and floor outlive an upgrade that keeps the directory.
    pub(super) fn is_kept(&self) -> bool {
        self.ledger.is_some() && self.persistent && !self.registrations.has_failed()
    }

    /// True if the ledger waits for the end of the job with this key.
    pub(super) fn has_started(&self, key: &str) -> bool {
        let known = |number| Some(self.table.recorded_key(number)?.to_string());
        let mut started = self.table.started();
        started.any(|number| known(number).as_deref() == Some(key))
    }

    /// Has the trial of a job forgotten when it is decided, if the ledger does not wait for that.
    pub(super) fn forget_unknown_trial(&self) {
        let Some(guard) = &self.guard else {
            return;
        };
        if let Some(left) = guard.left().filter(|left| !self.has_started(left)) {
            guard.settled(left);
        }
    }

    /// Removes the files of detached jobs that are reported or whose start was never recorded.
    pub(super) fn forget_unknown_detached(&self) {
        let Some(ledger) = &self.ledger else {
            return;
        };
        let dir = ledger.path();
        let started = self.table.started();
        let started: Vec<String> = started
            .filter_map(|number| self.table.recorded_key(number))
            .map(|key| key.to_string())
            .collect();
        let forgotten = detached::names(dir).and_then(|mut names| {
            names.retain(|name| !started.contains(name));
            names
                .iter()
                .try_for_each(|name| detached::forget(dir, name))
        });
        if let Err(error) = forgotten {
            log::warn!("{}: files of detached jobs: {error}", dir.display());
        }
    }

    /// True if a job can be recorded, as far as is known.
    pub(super) fn can_record(&self) -> bool {
        self.ledger.is_some() && self.attempts.next().is_none() && !self.table.is_late()
    }

    /// True if jobs and their outcomes survive a power cut.
    pub(super) fn is_durable(&self) -> bool {
        self.ledger.is_some() && self.persistent && !self.table.is_failing()
    }

    /// Hands the table's records to the disk, unless it has failed a short time ago: then steps are taken
    /// without it, as far as they may be.
    pub(super) fn record(&mut self) {
        if !self.can_record() {
            self.table.go_without();
            return;
        }
        if self.beside.is_some() && self.held() != Hold::Ledger {
            // The next batch is for that one.
            return;
        }
        let now = self.now();
        // It takes several syncs, and every job that is not done would wait for them, or its result.
        let is_quiet = self.table.is_quiet();
        let is_old = match self.growth {
            Growth::Little => false,
            Growth::Most => is_quiet,
            Growth::TooMuch => true,
        };
        let is_whole = self.table.is_failing() || is_old;
        let batch = match is_whole {
            true => self.table.take_snapshot(now),
            false => self.table.take_batch(now),
        };
        let (Some(batch), Some(ledger)) = (batch, &mut self.ledger) else {
            return;
        };
        if is_whole {
            self.left_ledgers.copies();
        }
        if let Some(wrote) = ledger.write(batch) {
            self.wrote(wrote);
        }
    }

    /// The disk has dealt with a batch, or is late with it.
    pub(super) fn wrote(&mut self, wrote: Wrote) {
        self.growth = wrote.growth;
        self.registered(wrote.registered);
        let Some(error) = wrote.error else {
            let was_failing = self.table.is_failing();
            self.attempts.worked();
            self.table.written();
            if was_failing && !self.table.is_failing() {
                log::info!("jobs are recorded again");
            }
            self.left_ledgers.has_copied();
            return self.remove_left();
        };
        if let Some(next) = self.next_ledger() {
            log::warn!("{error}; jobs are recorded in {} now", next.display());
            return self.table.write_again();
        }
        log::error!("jobs cannot be recorded, new ones are refused: {error}");
        match wrote.is_late {
            true => self.table.late(),
            false => {
                self.left_ledgers.has_not_copied();
                self.attempts.failed();
                self.table.failed();
            }
        }
    }

    /// Opens the ledger in the directory that option `state_dir` names now, if that is another one.
    pub(super) fn follow_state_dir(&mut self) {
        let path = self.options.borrow().state_dir.clone();
        let beside = self.beside.as_ref().map(|(ledger, _)| ledger);
        match &self.ledger {
            None => self.open(),
            Some(ledger)
                if [Some(ledger), beside]
                    .into_iter()
                    .flatten()
                    .any(|it| it.path() == path) => {}
            Some(_) => {
                let opening = self.opening_of(path);
                self.others.push(opening);
            }
        }
    }

    /// The ledger in `path` is open beside this one, or cannot be. This one moves there if it is still to; in any case
    /// ids that lie there may not run again.
    pub(super) fn answered(&mut self, path: &Path, opened: Answer) {
        match opened {
            Ok(opened) => {
                self.beside = Some(opened);
                self.move_on();
            }
            Err(error) if self.options.borrow().state_dir == path => {
                log::error!("the record of jobs stays where it is: {error}");
            }
            Err(error) => log::warn!("an earlier record of jobs is not read: {error}"),
        }
    }

    /// The directory of the ledger that is open beside this one, if jobs are to be recorded there next.
    fn next_ledger(&self) -> Option<&Path> {
        let (ledger, _) = self.beside.as_ref()?;
        let is_wanted = self.options.borrow().state_dir == ledger.path();
        (is_wanted && self.held() != Hold::Ledger).then_some(ledger.path())
    }

    /// Deals with the ledger beside this one when no batch is with the disk, or the disk is late with it.
    pub(super) fn move_on(&mut self) {
        let is_with_disk = !self.table.is_written() && !self.table.is_late();
        let stays = is_with_disk || self.held() == Hold::Ledger;
        let is_next = self.next_ledger().is_some();
        let Some((ledger, opened)) = self.beside.take_if(|_| !stays) else {
            return;
        };
        if is_next {
            return self.move_to(ledger, opened);
        }
        self.absorb(opened.found);
        if let Ok(recalled) = opened.register {
            self.recall(&recalled);
        }
        // Nothing that waits in it may be found there again.
        self.leave(ledger);
        self.growth = Growth::TooMuch;
    }

    fn move_to(&mut self, ledger: Ledger, opened: Opened) {
        self.table.write_again();
        self.absorb(opened.found);
        self.registrations.worked();
        self.table.register_again();
        self.opened_register(opened.register);
        self.persistent = opened.medium == Some(Medium::Disk);
        // This disk has not failed.
        self.attempts.worked();
        self.left_ledgers.has_not_copied();
        self.left_ledgers.forget(ledger.path());
        if let Some(old) = self.ledger.replace(ledger) {
            self.follow_detached(old.path());
            self.leave(old);
        }
        self.growth = Growth::TooMuch;
    }

    fn absorb(&mut self, found: Found) {
        let other = Table::read_beside(&self.table, found.records);
        self.table.absorb(other);
        self.gate.recalled(self.table.floor());
    }

    /// Has the files of detached jobs found from the new ledger: their supervisors write them below `old`.
    fn follow_detached(&self, old: &Path) {
        let Some(ledger) = &self.ledger else {
            return;
        };
        let ended = self.live.iter().filter(|(_, live)| live.detached);
        let ended = ended.map(|(number, _)| *number);
        let is_detached = |number: &Number| self.table.job(*number).is_some_and(|job| job.detach);
        let mut detached: Vec<Number> = self.table.started().filter(is_detached).collect();
        // Most are in both lists; a second move of one would find that it has left already.
        let more: Vec<Number> = ended.filter(|number| !detached.contains(number)).collect();
        detached.extend(more);
        for key in detached
            .into_iter()
            .filter_map(|number| self.table.recorded_key(number))
        {
            if let Err(error) = detached::follow(old, ledger.path(), &key.to_string()) {
                log::error!(
                    "{}: a detached job is lost sight of: {error}",
                    old.display()
                );
            }
        }
    }
}
