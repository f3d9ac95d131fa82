//! Traces of the agents before this one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::process::clock::Pace;
use crate::process::crash::Crashes;
use crate::process::starts::{self, Starts};

/// Starts that failed, and what ended them.
pub(super) struct Past {
    pub(super) starts: Arc<Starts>,
    pub(super) crashes: Crashes,
    /// The directory of the ledger, if it is not yet in `state_dir`.
    pub(super) ledger: Option<PathBuf>,
}

impl Past {
    /// Counts this start. `crashes` is the record as it was found.
    pub(super) fn look(root: &Path, boot_id: &str, pace: Pace, crashes: Crashes) -> Self {
        let uptime = rustix::system::sysinfo().uptime;
        let uptime = Duration::from_secs(u64::try_from(uptime).unwrap_or(0));
        let starts = Starts::count(starts::directory(root), boot_id, uptime, pace);
        Past {
            starts: Arc::new(starts),
            crashes,
            ledger: None,
        }
    }
}
