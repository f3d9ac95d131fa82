//! Jobs that may cut the device off, and who watches over them.
//!
//! This part knows when a command begins and ends; whether its change stays is decided elsewhere
//! ([`Guard`]), and told with the outcome.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use super::outcome::{End, Outcome};

/// Types whose jobs change the network.
const TYPES: [&str; 3] = ["network", "networking", "all"];

/// Why a network job is refused beside the trial of an earlier one.
pub const NOT_SETTLED: &str = "the change of an earlier network job is not settled";

/// Does a job of this type change the network? It runs with no other job, and its change is undone if the
/// device is worse off after it.
pub fn is_guarded(type_name: &str) -> bool {
    TYPES.contains(&type_name)
}

/// Something that is being done.
pub type Doing<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A job, as it is known outside this part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// In the ledger.
    pub key: String,
    pub id: String,
    /// It may outlive the agent.
    pub detach: bool,
}

/// The end of a command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ran {
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    pub millis: u64,
    pub success: bool,
}

impl Ran {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let millis = outcome.duration.map_or(0, super::reply::millis);
        Ran {
            exit_code: outcome.exit_code,
            signal: outcome.signal,
            millis,
            success: outcome.success,
        }
    }
}

/// The verdict on a job's change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    pub undone: bool,
    /// Words for the result.
    pub reason: Option<String>,
    /// For a job of an earlier agent: its end, as far as it is known. Without it nothing is known of it.
    pub ran: Option<Ran>,
    /// For a job of an earlier agent: the change was tested after a restart of the device.
    pub rebooted: bool,
    /// For a job of an earlier agent: nobody decided.
    pub dropped: bool,
}

/// Watches over jobs.
pub trait Guard: Send + Sync {
    /// A job is about to start.
    fn starts(&self);

    /// A job that was about to start does not.
    fn abandoned(&self);

    /// Prepares the undo of a guarded job; why it may not run, if it may not. Dropped before that, nothing is
    /// prepared.
    fn arm(&self, ticket: Ticket) -> Doing<Result<(), String>>;

    /// The command of a job has ended, with `ran` unless it is one of an earlier agent. `None` if this agent
    /// ends before it is decided: the next one decides.
    fn ended(&self, ticket: Ticket, is_guarded: bool, ran: Option<Ran>) -> Doing<Option<Judged>>;

    /// The outcome of a guarded job is recorded.
    fn settled(&self, key: String);

    /// Gets ready for jobs to go on by the ledger in `state_dir`, which could be read just now: the trial of an earlier
    /// agent that could not be read when this one started is looked for once more. A disk that hangs is waited for as long
    /// as it holds up that ledger.
    fn prepare(&self, state_dir: &Path) -> Doing<()>;

    /// The guarded job of an earlier agent whose outcome is known here, or will be, by its key.
    fn left(&self) -> Option<String>;

    /// Is there something to decide about a job that an earlier agent left started?
    fn concerns(&self, key: &str) -> bool;
}

impl Judged {
    /// Adds what became of the change to the outcome of the command.
    pub(super) fn applied_to(self, mut outcome: Outcome) -> Outcome {
        if self.undone {
            outcome.success = false;
            outcome.rolled_back = true;
        }
        outcome.reason = match (outcome.reason, self.reason) {
            (Some(first), Some(second)) => Some(format!("{first}; {second}")),
            (first, second) => first.or(second),
        };
        outcome
    }

    /// The outcome of a guarded job of an earlier agent.
    pub(super) fn outcome(self, type_name: &str) -> Outcome {
        let (end, why) = match self.rebooted {
            _ if self.dropped => (End::Interrupted, None),
            true => (End::Processed, None),
            false => (
                End::Processed,
                Some("the agent restarted while the job ran; its output is lost"),
            ),
        };
        let ran = self.ran.unwrap_or(Ran {
            // A job that restarts the device ends with that.
            success: self.rebooted && !self.dropped,
            ..Ran::default()
        });
        let outcome = Outcome {
            success: ran.success,
            exit_code: ran.exit_code,
            signal: ran.signal,
            duration: self.ran.map(|ran| Duration::from_millis(ran.millis)),
            ..Outcome::without_command(end, type_name, why.map(str::to_owned))
        };
        self.applied_to(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_types_change_the_network_and_no_other() {
        for name in ["network", "networking", "all"] {
            assert!(is_guarded(name));
        }
        for name in ["", "Network", "network ", "reboot", "wifi"] {
            assert!(!is_guarded(name));
        }
    }

    #[test]
    fn a_change_that_was_undone_is_no_success_whatever_the_command_said() {
        let good = Outcome {
            exit_code: Some(0),
            ..Outcome::without_command(End::Processed, "network", None)
        };
        let kept = Judged::default().applied_to(good.clone());
        assert_eq!(kept, good);
        let judged = Judged {
            undone: true,
            reason: Some("not back within 120 s".into()),
            ..Judged::default()
        };
        let undone = judged.applied_to(good);
        assert!(!undone.success && undone.rolled_back);
        assert_eq!(undone.exit_code, Some(0));
        assert_eq!(undone.reason.as_deref(), Some("not back within 120 s"));
    }

    #[test]
    fn a_job_that_restarted_the_device_and_is_back_has_succeeded() {
        let back = Judged {
            rebooted: true,
            ..Judged::default()
        };
        let outcome = back.outcome("network");
        assert!(outcome.success && outcome.end == End::Processed && !outcome.rolled_back);
        let dropped = Judged {
            rebooted: true,
            dropped: true,
            reason: Some("firmware changed".into()),
            ..Judged::default()
        };
        let outcome = dropped.outcome("network");
        assert!(!outcome.success && outcome.end == End::Interrupted);
    }
}
