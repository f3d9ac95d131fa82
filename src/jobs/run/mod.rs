//! A command → its outcome: one shell, its output, its end.
//!
//! A job's processes are its own: session and process group, and a cgroup ([`cgroup`]) in which its shell is
//! born. Where there are no cgroups a [`supervisor`] stands between agent and shell, the
//! subreaper of this one job. Either way a [`tree`] finds every process when the job must end before its
//! shell does, even those that changed their environment, session or parent. When the shell ends
//! by itself, what it left in the background is left alone ([`leftover`]).
//!
//! A [`detached`] job outlives the agent: its supervisor keeps output and end in files, for the next
//! agent to report.

mod cgroup;
mod child;
pub(super) mod detached;
mod homes;
mod kept;
mod leftover;
mod output;
mod processes;
mod shell;
mod spare;
pub(super) mod supervisor;
mod tap;
mod task;
mod tree;
mod watched;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::outcome::{End, Outcome};

pub(super) use leftover::Leftover;
pub(super) use output::Output;
pub(super) use spare::Spare;
pub(super) use tap::Tap;

use homes::Homes;
use shell::{Guard, Shell};
use task::Task;

/// Moves this process out of the agent's cgroup, which ends with the agent.
///
/// # Errors
///
/// A cgroup that may not be written: the process stays where it is.
pub fn leave_cgroup() -> std::io::Result<()> {
    Homes::find().leave()
}

/// Limits on a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) timeout: Duration,
    /// Bytes kept per stream.
    pub(super) output_max: usize,
}

/// Why a command is stopped before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Cancel,
    /// The agent ends: SIGTERM now, and no more waiting after this time.
    Shutdown(Duration),
}

/// A job to run.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) id: Arc<str>,
    /// The command.
    pub(super) msg: String,
    pub(super) type_name: String,
    pub(super) limits: Limits,
    /// Where its output stands meanwhile.
    pub(super) output: Output,
    /// A listener to its output.
    pub(super) tap: Option<Tap>,
}

impl Work {
    fn task(&mut self) -> Task {
        Task {
            id: self.id.to_string(),
            command: std::mem::take(&mut self.msg),
            limits: self.limits,
        }
    }
}

/// Starts a job with `/bin/sh`, in the cgroup of `spare` if it has one, and with its streams. The future waits until it ends, its time is over or it is stopped; dropping
/// the future leaves the processes alone.
///
/// The shell begins before this returns, so that it works while its acceptance is published.
pub(super) fn run(
    mut work: Work,
    spare: Spare,
    stop: oneshot::Receiver<Stop>,
) -> impl Future<Output = (Outcome, Option<Leftover>)> + Send {
    let task = work.task();
    let started = Shell::start(
        &task,
        Homes::find(),
        spare,
        Guard::Supervisor,
        work.output,
        work.tap,
    );
    let (type_name, limit) = (work.type_name, work.limits.timeout);
    async move {
        match started {
            Ok(shell) => {
                let (finished, leftover) = shell.finish(limit, stop).await;
                (finished.into_outcome(&type_name), leftover)
            }
            Err(error) => {
                let reason = format!("/bin/sh cannot be started: {error}");
                let reason = Some(reason);
                let outcome = Outcome::without_command(End::Processed, &type_name, reason);
                (outcome, None)
            }
        }
    }
}

#[cfg(test)]
mod tests;
