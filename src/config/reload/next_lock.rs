//! The lock of the state directory that holds from the next start on. An agent that starts with it
//! meanwhile has to see that one runs.

use std::path::{Path, PathBuf};

use crate::config::{Loaded, Problem};
use crate::process::lock::{Lock, LockError};

/// The lock of a state directory other than the one in use, if the settings name one.
#[derive(Debug, Default)]
pub(super) struct NextLock(Option<(PathBuf, Lock)>);

impl NextLock {
    /// Holds the lock of the directory that `loaded` names, unless it is `in_use`. Says why it cannot
    /// be had.
    pub(super) fn follow(&mut self, loaded: &Loaded, in_use: &Path) -> Option<Problem> {
        let dir = &loaded.config.state_dir;
        if self.0.as_ref().is_some_and(|(held, _)| held == dir) {
            return None;
        }
        self.0 = None;
        if dir == in_use {
            return None;
        }
        let error = match Lock::take(dir) {
            Ok(lock) => {
                self.0 = Some((dir.clone(), lock));
                return None;
            }
            Err(error) => error,
        };
        let reason = match error {
            LockError::AlreadyRunning { pid, .. } => {
                let pid = pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
                format!("another agent{pid} uses it: only one may run on a device")
            }
            error @ LockError::Unusable { .. } => {
                format!("{error}; nothing keeps a second agent from starting")
            }
        };
        Some(Problem {
            option: Some("state_dir".into()),
            source: loaded.source_of("state_dir"),
            line: None,
            reason,
        })
    }
}
