//! Ledgers that were left. A job that waits in one must not be found there again when it has run from this one, so each is
//! removed as soon as this one has everything it has.
//!
//! ```text
//!  left ──► stale ──snapshot──► copying ──written──► copied ──► removed
//!             ▲                    │ not written       ▲           │ fails: again in an hour
//!             └────────────────────┘                   └───────────┘
//! ```
//!
//! Its disk may be at work with it, or hang: nothing waits for that, and the disk is asked by threads alone.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::opening::AtWork;
use super::Jobs;
use crate::jobs::ledger::{self, Ledger};

/// Time until a removal that failed is tried again.
const AGAIN: Duration = Duration::from_secs(3600);

/// A disk that ends its work with a ledger that was left, or removes it.
pub(super) type Leaving = AtWork<io::Result<()>>;

/// The ledgers that were left and are still there.
#[derive(Debug, Default)]
pub(super) struct Left {
    stale: Vec<PathBuf>,
    /// The snapshot that is with the disk has everything they have.
    copying: Vec<PathBuf>,
    /// This ledger has everything they have. They are not removed before that time.
    copied: Vec<(PathBuf, Instant)>,
}

impl Left {
    fn add(&mut self, path: &Path) {
        self.forget(path);
        self.stale.push(path.to_path_buf());
    }

    /// A ledger is in use again.
    pub(super) fn forget(&mut self, path: &Path) {
        self.stale.retain(|left| left != path);
        self.copying.retain(|left| left != path);
        self.copied.retain(|(left, _)| left != path);
    }

    /// The disk is to write a snapshot.
    pub(super) fn copies(&mut self) {
        self.copying.append(&mut self.stale);
    }

    /// The disk has written what it had.
    pub(super) fn has_copied(&mut self) {
        let now = Instant::now();
        let copied = self.copying.drain(..).map(|path| (path, now));
        self.copied.extend(copied);
    }

    /// The disk has not written what it had.
    pub(super) fn has_not_copied(&mut self) {
        self.stale.append(&mut self.copying);
    }

    /// The removal of one has failed.
    fn put_off(&mut self, path: PathBuf) {
        self.copied.push((path, Instant::now() + AGAIN));
    }
}

impl Jobs {
    /// Ends a ledger whose records are in another one, or will be.
    pub(super) fn leave(&mut self, ledger: Ledger) {
        let path = ledger.path().to_path_buf();
        self.left_ledgers.add(&path);
        let work = Box::pin(async move {
            ledger.ended().await;
            Ok(())
        });
        self.leaving.push(Leaving { path, work });
    }

    /// Begins to remove the ledgers that were left, but for those with which a disk is at work, or which may come back into
    /// use.
    pub(super) fn remove_left(&mut self) {
        let Some(ledger) = &self.ledger else {
            return;
        };
        let now = Instant::now();
        let beside = self.beside.as_ref().map(|(ledger, _)| ledger.path());
        for (path, due) in std::mem::take(&mut self.left_ledgers.copied) {
            let is_busy = beside == Some(&path)
                || self.others.iter().any(|other| other.path == path)
                || self.leaving.iter().any(|left| left.path == path);
            if is_busy || due > now {
                self.left_ledgers.copied.push((path, due));
                continue;
            }
            let (used, note) = (ledger.path().to_path_buf(), self.whereabouts.clone());
            let work = Box::pin(ledger::remove(path.clone(), used, note));
            self.leaving.push(Leaving { path, work });
        }
    }

    /// The disk has done its work with the ledger in `path`, which was left, or does not remove it.
    pub(super) fn has_left(&mut self, path: PathBuf, done: io::Result<()>) {
        if let Err(error) = done {
            log::warn!("{}: its record of jobs stays: {error}", path.display());
            self.left_ledgers.put_off(path);
        }
        self.remove_left();
    }
}
