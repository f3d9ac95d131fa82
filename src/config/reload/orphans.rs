//! Last good copies whose files are gone: a file that somebody took away must not come back by its copy.

use std::path::Path;
use std::time::Duration;

use tokio::time::{sleep_until, Instant};

use crate::config::{last_good, Files};

/// Between two looks. Editors and `uci commit` take a file away for a moment.
pub(super) const BETWEEN_LOOKS: Duration = Duration::from_secs(10);

/// Removes the copies of files that are absent at two looks.
#[derive(Debug)]
pub(super) struct Orphans {
    between: Duration,
    json: Option<Instant>,
    uci: Option<Instant>,
}

impl Orphans {
    pub(super) fn new(between: Duration) -> Self {
        Orphans {
            between,
            json: None,
            uci: None,
        }
    }

    /// Looks whether the files that were copied are there. A copy whose file was absent at a look long
    /// enough ago, and at every look since, goes.
    pub(super) fn look(&mut self, files: &Files) {
        let between = self.between;
        look(&mut self.json, &files.copy_dir, last_good::JSON, between);
        look(&mut self.uci, &files.home, last_good::UCI, between);
    }

    /// Completes when it is time for the next look; never if no file is absent.
    pub(super) async fn due(&self) {
        match self.json.into_iter().chain(self.uci).min() {
            Some(first) => sleep_until(first + self.between).await,
            None => std::future::pending().await,
        }
    }
}

fn look(first: &mut Option<Instant>, dir: &Path, name: &str, between: Duration) {
    let Some(gone) = last_good::orphan(dir, name) else {
        *first = None;
        return;
    };
    let now = Instant::now();
    if now < *first.get_or_insert(now) + between {
        return;
    }
    match last_good::forget(dir, name) {
        Ok(()) => {
            log::info!("{} is gone: its last good copy is removed", gone.display());
            *first = None;
        }
        Err(error) => {
            log::warn!("{}/{name} cannot be removed: {error}", dir.display());
            *first = Some(now);
        }
    }
}
