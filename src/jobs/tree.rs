//! Every process a job started, found in /proc and ended.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::{kill_process, kill_process_group, Pid, Signal};
use tokio::time::{sleep, Instant};

/// Environment variable every process of a job inherits.
pub(super) const MARKER: &str = "SOCKETMAN_JOB";

/// How long ending a tree may take.
pub(super) const KILL_WITHIN: Duration = Duration::from_secs(1);

/// Wait between two looks at /proc, which tells nobody when a process ends.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Looks in a row that must find nothing: a process in the middle of exec shows no environment.
const QUIET_LOOKS: u32 = 2;

/// Processes that outlived SIGKILL, or may not be killed by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} processes could not be killed")]
pub(super) struct Survivors(usize);

/// The processes of one job: its process group, what carries its marker, and their children.
///
/// A process that cleared its environment, left the group and lost its parent before anybody looked
/// is not found.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    /// The shell; leader of the job's process group. Signals are sent before it is waited for or right
    /// after, lest its number belong to somebody else.
    shell: Pid,
    /// `NAME=value` as it stands in the environment.
    marker: String,
}

impl Tree {
    pub(super) fn new(shell: Pid, token: &str) -> Self {
        Tree {
            shell,
            marker: format!("{MARKER}={token}"),
        }
    }

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

    /// Sends a signal to all living processes of the job; says how many there were.
    fn signal(&self, signal: Signal) -> usize {
        // Errors mean that the process ended meanwhile, or is not ours to kill; the next look tells.
        let _ = kill_process_group(self.shell, signal);
        let members = match self.members() {
            Ok(members) => members,
            Err(error) => {
                log::warn!("/proc cannot be read, only the job's process group is killed: {error}");
                return 0;
            }
        };
        for pid in &members {
            let _ = kill_process(*pid, signal);
        }
        members.len()
    }

    fn members(&self) -> io::Result<Vec<Pid>> {
        let shell = self.shell.as_raw_nonzero().get();
        let mut rest = Vec::new();
        let mut members = HashSet::from([shell]);
        for entry in fs::read_dir("/proc")? {
            let entry = entry?;
            let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
                continue;
            };
            // A process that ends while we look has no files any more.
            let Some(stat) = fs::read_to_string(entry.path().join("stat"))
                .ok()
                .and_then(|line| Stat::parse(&line))
            else {
                continue;
            };
            if stat.group == shell || self.is_marked(&entry.path()) {
                members.insert(pid);
            }
            rest.push((pid, stat));
        }
        // Children of members, however deep.
        loop {
            let before = members.len();
            for (pid, stat) in &rest {
                if members.contains(&stat.parent) {
                    members.insert(*pid);
                }
            }
            if members.len() == before {
                break;
            }
        }
        Ok(rest
            .into_iter()
            .filter(|(pid, stat)| stat.alive && members.contains(pid))
            .filter_map(|(pid, _)| Pid::from_raw(pid))
            .collect())
    }

    fn is_marked(&self, process: &Path) -> bool {
        fs::read(process.join("environ")).is_ok_and(|environ| {
            environ
                .split(|byte| *byte == 0)
                .any(|variable| variable == self.marker.as_bytes())
        })
    }
}

/// The part of /proc/PID/stat we need.
struct Stat {
    alive: bool,
    parent: i32,
    group: i32,
}

impl Stat {
    /// `pid (name) state ppid pgrp …`; the name may contain anything.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.get(line.rfind(')')? + 1..)?.split_ascii_whitespace();
        let state = fields.next()?;
        Some(Stat {
            alive: !matches!(state, "Z" | "X" | "x"),
            parent: fields.next()?.parse().ok()?,
            group: fields.next()?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_brackets_does_not_shift_the_fields() {
        let stat = Stat::parse("7 (a) S (b) Z 5 6 6 0 -1").unwrap();
        assert_eq!((stat.alive, stat.parent, stat.group), (false, 5, 6));
        assert!(Stat::parse("7 (a").is_none());
        assert!(Stat::parse("7 (a) R x").is_none());
    }
}
