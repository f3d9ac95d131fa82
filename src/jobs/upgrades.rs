//! Jobs that replace the agent or the firmware below it, and who carries them out.
//!
//! This part knows the job from its acceptance to its result; how an upgrade is done is decided elsewhere
//! ([`Upgrades`]).

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;

use super::guarded::{Doing, Ticket};
use super::outcome::Outcome;
use crate::process::clock::Reading;

/// Type of the jobs that are upgrades.
pub const UPGRADE: &str = "upgrade";

/// When an upgrade that waits may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    Now,
    /// Not before this time has passed.
    In(Duration),
    /// It cannot, for this reason.
    Never(String),
}

/// Work that has to wait for an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    Nothing,
    /// No job starts.
    Starts,
    /// The ledger stays as it is.
    Ledger,
}

/// Carries out upgrades, one at a time.
pub trait Upgrades: Send + Sync {
    /// Why `msg` is no upgrade, if it is none.
    ///
    /// # Errors
    ///
    /// The reason to reject the job.
    fn check(&self, msg: &str) -> Result<(), String>;

    /// When the upgrade of `msg` may begin that has waited for `waited`.
    fn due(&self, msg: &str, clock: Reading, waited: Duration) -> Due;

    /// The upgrade that begins next, by its id, and the time until then; `None` if none waits.
    fn waits(&self, next: Option<(&str, Duration)>);

    /// Carries out the upgrade of `msg`. `stopped` completes with true if the job is cancelled, with false if the agent
    /// ends; dropped, it says that the upgrade can no longer be stopped. `None` if the next agent knows the outcome.
    fn run(&self, ticket: Ticket, msg: String, stopped: Doing<bool>) -> Doing<Option<Outcome>>;

    /// Waits for the outcome of an upgrade that an earlier agent began; `None` as of [`Upgrades::run`].
    fn resume(&self, ticket: Ticket) -> Doing<Option<Outcome>>;

    /// Gets ready for the ledger in `state_dir` to be read: the upgrade of an earlier agent that could not be looked for
    /// when this one started is looked for now, and the ledger that came along with an image put in its place. An error
    /// if it is better tried again than read.
    fn prepare(&self, state_dir: &Path) -> Doing<Result<(), String>>;

    /// The upgrade of an earlier agent whose outcome is known here, or will be, by its key.
    fn left(&self) -> Option<String>;

    /// The outcome of an upgrade is recorded.
    fn recorded(&self, key: &str);

    /// Somebody has the outcome of an upgrade.
    fn taken(&self, key: &str);

    /// The work that has to wait.
    fn hold(&self) -> watch::Receiver<Hold>;

    /// The ledger stays as it is from now on, until the hold ends.
    fn held(&self);
}
