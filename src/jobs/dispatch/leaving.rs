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

use std::future::{poll_fn, Future};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::Jobs;
use crate::jobs::ledger::{self, Ledger};

/// Time until a removal that failed is tried again.
const AGAIN: Duration = Duration::from_secs(3600);

type Work = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// A directory with whose ledger a disk is at work, though it was left.
pub(super) struct Leaving {
    pub(super) path: PathBuf,
    work: Work,
    /// It removes the ledger.
    removes: bool,
}

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

/// Completes when the disk of one of `leaving` has done its work; never while there is none. Cancel safe.
pub(super) async fn done(leaving: &mut Vec<Leaving>) -> (Leaving, io::Result<()>) {
    poll_fn(|context| {
        for at in 0..leaving.len() {
            if let Poll::Ready(done) = leaving[at].work.as_mut().poll(context) {
                return Poll::Ready((leaving.swap_remove(at), done));
            }
        }
        Poll::Pending
    })
    .await
}

impl Leaving {
    /// Completes when the disk has done its work.
    pub(super) async fn done(self) {
        // The next opening of the directory sees whether the ledger was removed.
        let _ = self.work.await;
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
        self.leaving.push(Leaving {
            path,
            work,
            removes: false,
        });
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
            self.leaving.push(Leaving {
                path,
                work,
                removes: true,
            });
        }
    }

    /// The disk has done its work with a ledger that was left.
    pub(super) fn has_left(&mut self, left: Leaving, done: io::Result<()>) {
        match done {
            Err(error) if left.removes => {
                log::warn!("{}: its record of jobs stays: {error}", left.path.display());
                self.left_ledgers.put_off(left.path);
            }
            Ok(()) | Err(_) => {}
        }
        self.remove_left();
    }
}
