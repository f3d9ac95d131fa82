//! The ledger on its way: it is opened before anything else, or as soon as the disk lets it.

use std::future::{self, poll_fn, Future};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use durable::Medium;
use tokio::time::timeout;

use super::recording::OPEN_WITHIN;
use super::Jobs;
use crate::jobs::ledger::{Ledger, OpenError, Opened};
use crate::jobs::table::{Key, Table};

/// A disk that has not opened a ledger for so long does not come back to it.
const DISK_HANGS: Duration = Duration::from_secs(3600);

/// A ledger and what is in it, or why there is none.
pub(super) type Answer = Result<(Ledger, Opened), OpenError>;

/// A disk at work with the ledger in a directory.
pub(super) struct AtWork<T> {
    pub(super) path: PathBuf,
    pub(super) work: Pin<Box<dyn Future<Output = T> + Send>>,
}

/// A disk that opens a ledger.
pub(super) type Opening = AtWork<Answer>;

/// Completes when the ledger is open or cannot be; never while nobody opens it. Cancel safe.
pub(super) async fn opened(opening: &mut Option<Opening>) -> Answer {
    match opening {
        Some(opening) => opening.work.as_mut().await,
        None => future::pending().await,
    }
}

/// Completes when one of these disks has done its work; never while there is none. Cancel safe.
pub(super) async fn answered<T>(disks: &mut Vec<AtWork<T>>) -> (PathBuf, T) {
    poll_fn(|context| {
        for at in 0..disks.len() {
            if let Poll::Ready(answer) = disks[at].work.as_mut().poll(context) {
                return Poll::Ready((disks.swap_remove(at).path, answer));
            }
        }
        Poll::Pending
    })
    .await
}

impl Jobs {
    /// Begins to open the ledger, unless that has begun or the agent ends.
    pub(super) fn open(&mut self) {
        self.attempts.due();
        let wanted = self.options.borrow().state_dir.clone();
        // A ledger that cannot be used is not waited for when another directory is wanted than the one it is left for.
        let left = self.left.clone().filter(|_| self.left_for == wanted);
        let path = left.unwrap_or(wanted);
        let has_begun = self.opening.as_ref().is_some_and(|it| it.path == path);
        if self.closing || has_begun {
            return;
        }
        let opening = self.opening_of(path);
        let other = self.opening.replace(opening);
        self.others.extend(other);
    }

    /// The opening of the ledger in `path`. The disk may still be at work with one, and is not asked for the same
    /// ledger twice.
    pub(super) fn opening_of(&mut self, path: PathBuf) -> Opening {
        match self.others.iter().position(|other| other.path == path) {
            Some(at) => self.others.swap_remove(at),
            None => self.begin(path),
        }
    }

    fn begin(&mut self, path: PathBuf) -> Opening {
        let before = self.leaving.iter().position(|left| left.path == path);
        let before = before.map(|at| self.leaving.swap_remove(at));
        if before.is_some() {
            log::info!(
                "{}: its record of jobs is opened when the disk has done its work",
                path.display()
            );
        }
        let upgrades = self.upgrades.as_ref().map(|it| it.prepare(&path));
        let (guard, note) = (self.guard.clone(), self.whereabouts.clone());
        let of = path.clone();
        let work = Box::pin(async move {
            if let Some(left) = before {
                // Two threads would cut off what the other has written. Whether the ledger was removed is seen below.
                let _ = left.work.await;
            }
            let ready = match upgrades {
                Some(prepared) => prepared.await,
                None => Ok(()),
            };
            ready.map_err(|reason| OpenError::new(of.clone(), reason))?;
            let opened = Ledger::open(of.clone(), DISK_HANGS, note).await?;
            if let Some(guard) = guard {
                // A disk that has given the ledger gives the trial that its job may wait for, too.
                guard.prepare(&of).await;
            }
            Ok(opened)
        });
        Opening { path, work }
    }

    /// Opens the ledger before anything else. A disk that hangs is waited for beside the rest.
    pub(super) async fn open_first(&mut self) {
        self.open();
        match timeout(OPEN_WITHIN, opened(&mut self.opening)).await {
            Ok(opened) => self.opened(opened),
            Err(_) => log::error!("no job of the broker runs before the disk answers"),
        }
    }

    /// The ledger is open, or cannot be opened now.
    pub(super) fn opened(&mut self, opened: Answer) {
        self.opening = None;
        match opened {
            Ok((ledger, opened)) => self.go_on(ledger, opened),
            Err(error) => {
                log::error!("jobs of the broker cannot be recorded, none runs: {error}");
                self.attempts.failed();
            }
        }
    }

    /// Goes on from what earlier agents have recorded, with the jobs of this one that need no record.
    fn go_on(&mut self, ledger: Ledger, opened: Opened) {
        if opened.found.damaged > 0 {
            log::warn!(
                "{}: {} records of jobs could not be read",
                ledger.path().display(),
                opened.found.damaged
            );
        }
        if self.attempts.has_failed() {
            log::info!("jobs are recorded again");
        }
        self.attempts.worked();
        self.left = None;
        let table = Table::read_beside(&self.table, opened.found.records);
        let unrecorded = std::mem::replace(&mut self.table, table);
        self.opened_register(opened.register);
        self.gate.recalled(self.table.floor());
        self.persistent = opened.medium == Some(Medium::Disk);
        self.ledger = Some(ledger);
        self.forget_unknown_detached();
        let now = self.now();
        let (guard, upgrades) = (self.guard.clone(), self.upgrades.clone());
        let is_more = move |key: Key| {
            let key = key.to_string();
            let left = upgrades.as_ref().and_then(|upgrades| upgrades.left());
            left.as_ref() == Some(&key) || guard.as_ref().is_some_and(|guard| guard.concerns(&key))
        };
        self.table.go_on(self.setting.boot, now, &is_more);
        self.finish_refused();
        self.forget_unknown_trial();
        self.forget_unknown_upgrade();
        self.table.take_over(unrecorded);
        self.follow_state_dir();
        for path in std::mem::take(&mut self.found_left) {
            let opening = self.opening_of(path);
            self.others.push(opening);
        }
    }
}
