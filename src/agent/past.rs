//! Traces of the agents before this one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::previous::Note;
use crate::jobs;
use crate::process::clock::Pace;
use crate::process::crash::Crashes;
use crate::process::starts::{self, Starts};

/// Starts that failed, and what ended them.
pub(super) struct Past {
    pub(super) starts: Arc<Starts>,
    pub(super) crashes: Crashes,
    /// The directory of the ledger, if it is not yet in `state_dir`.
    pub(super) ledger: Option<PathBuf>,
    /// Directories with ledgers that were left and are still there.
    pub(super) stale: Vec<PathBuf>,
    /// The directories with state.
    pub(super) note: Arc<Note>,
}

impl Past {
    /// Counts this start. `crashes` is the record as it was found.
    pub(super) fn look(
        root: &Path,
        home: &Path,
        boot_id: &str,
        pace: Pace,
        crashes: Crashes,
    ) -> Self {
        let uptime = rustix::system::sysinfo().uptime;
        let uptime = Duration::from_secs(u64::try_from(uptime).unwrap_or(0));
        let starts = Starts::count(starts::directory(root), boot_id, uptime, pace);
        Past {
            starts: Arc::new(starts),
            crashes,
            ledger: None,
            stale: Vec::new(),
            note: Arc::new(Note::new(home)),
        }
    }

    /// Looks for the ledger, and for those that were left, also where earlier agents had their state. `trial` is the
    /// directory of the guard's files: a trial stays where it is, and has to be found again.
    pub(super) fn look_for_ledgers(&mut self, state_dir: &Path, trial: &Path) {
        let mut ledgers = self.note.others(state_dir);
        ledgers.retain(|dir| jobs::has_ledger(dir));
        let mut ledgers = ledgers.into_iter();
        if !jobs::has_ledger(state_dir) {
            self.ledger = ledgers.next();
        }
        self.stale = ledgers.collect();
        let left = self.ledger.iter().chain(&self.stale).map(PathBuf::as_path);
        let dirs: Vec<&Path> = [trial, state_dir].into_iter().chain(left).collect();
        self.note.write(&dirs);
    }
}
