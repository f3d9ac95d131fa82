//! The settings of the part.

use std::path::PathBuf;

use crate::config::{self, Config};
use crate::process::clock::Pace;

/// Settings that the part follows while it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub jobs: config::Jobs,
    /// Why no job but root's own runs.
    pub closed: Option<String>,
    /// Results go to the API instead of the broker.
    pub rest: bool,
    /// Upgrades may come over plain HTTP. One that waits is looked at again when this changes.
    pub insecure: bool,
    /// Where the ledger is.
    pub state_dir: PathBuf,
    pub pace: Pace,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Settings {
            jobs: config.jobs.clone(),
            closed: config.closed.jobs(),
            rest: config.rest.enabled,
            insecure: config.api.insecure,
            state_dir: config.state_dir.clone(),
            pace: config.pace,
        }
    }
}
