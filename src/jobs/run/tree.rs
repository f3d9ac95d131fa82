//! Every process a job started, and how all of them are ended.

use std::io;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::time::{sleep, Instant};

use super::cgroup::Cgroup;
use super::processes::signal_all;

/// Time to kill a tree.
pub(super) const KILL_WITHIN: Duration = Duration::from_secs(1);

/// Wait between two looks, for nobody tells when the last process has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Looks in a row that must find nothing. One that goes through /proc misses a process whose parent ends while it
/// looks, and on a busy machine a look takes as long as a process that hops from number to number needs for a hop.
const QUIET_LOOKS: u32 = 5;

/// Processes that outlived SIGKILL, or may not be killed by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} processes could not be killed")]
pub(super) struct Survivors(usize);

/// The processes of one job: the shell and its descendants.
#[derive(Debug)]
pub(super) enum Tree {
    /// All that were born in this cgroup.
    Cgroup(Cgroup),
    /// All below this process, which adopts those whose parents end, and is none of them. It has to be
    /// alive or not waited for, lest its number belong to somebody else.
    Below(Pid),
    /// This process and all below it, its group and its session: what can be found where there are
    /// neither cgroups nor supervisors. One that left them and lost its parent is not.
    From(Pid),
}

impl Tree {
    /// Asks every process of the job to end.
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Kills until nothing is left, for at most [`KILL_WITHIN`].
    pub(super) async fn kill(&self) -> Result<(), Survivors> {
        let deadline = Instant::now() + KILL_WITHIN;
        let mut quiet = 0;
        loop {
            let found = self.signal(Signal::KILL);
            quiet = if found == 0 { quiet + 1 } else { 0 };
            if quiet >= QUIET_LOOKS {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return match found {
                    0 => Ok(()),
                    found => Err(Survivors(found)),
                };
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Sends a signal to all living processes of the job; returns how many there were.
    fn signal(&self, signal: Signal) -> usize {
        let sent: io::Result<usize> = match self {
            Tree::Cgroup(cgroup) => cgroup.signal(signal),
            Tree::Below(supervisor) => signal_all(*supervisor, false, signal),
            Tree::From(shell) => signal_all(*shell, true, signal),
        };
        sent.unwrap_or_else(|error| {
            log::warn!("the processes of a job cannot be found: {error}");
            0
        })
    }
}
