//! Last good copies whose files are gone: a file that somebody took away must not come back by its copy.

use std::path::{Path, PathBuf};
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

    /// Looks whether the files that were copied are there. Returns the copies whose file was absent at a look long
    /// enough ago, and at every look since: they are to go, or else are looked at again.
    pub(super) fn look(&mut self, files: &Files) -> Vec<Orphan> {
        let between = self.between;
        let json = look(&mut self.json, &files.copy_dir, last_good::JSON, between);
        let uci = look(&mut self.uci, &files.home, last_good::UCI, between);
        json.into_iter().chain(uci).collect()
    }

    /// Completes when it is time for the next look; never if no file is absent.
    pub(super) async fn due(&self) {
        match self.json.into_iter().chain(self.uci).min() {
            Some(first) => sleep_until(first + self.between).await,
            None => std::future::pending().await,
        }
    }
}

fn look(
    first: &mut Option<Instant>,
    dir: &Path,
    name: &'static str,
    between: Duration,
) -> Option<Orphan> {
    let Some(of) = last_good::orphan(dir, name) else {
        *first = None;
        return None;
    };
    let now = Instant::now();
    if now < *first.get_or_insert(now) + between {
        return None;
    }
    *first = Some(now);
    Some(Orphan {
        dir: dir.to_owned(),
        name,
        of,
    })
}

/// A copy whose file is gone.
#[derive(Debug)]
pub(super) struct Orphan {
    dir: PathBuf,
    name: &'static str,
    of: PathBuf,
}

impl Orphan {
    /// Removes it.
    pub(super) fn remove(&self) {
        let Orphan { dir, name, of } = self;
        match last_good::forget(dir, name) {
            Ok(()) => log::info!("{} is gone: its last good copy is removed", of.display()),
            Err(error) => log::warn!("{}/{name} cannot be removed: {error}", dir.display()),
        }
    }
}
