//! The processes of a router that stands in no namespace.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{kill_process, Pid, Signal};
use tokio::time::{sleep, timeout};

use super::Lab;

/// Longest wait for the end of processes that were killed.
const KILLED_WITHIN: Duration = Duration::from_secs(5);

/// Interval at which they are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A process of the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub pid: i32,
    /// Its executable; the path of one that was removed ends in ` (deleted)`.
    pub executable: PathBuf,
    pub arguments: Vec<String>,
}

/// Kills the processes of the router below a root when it is dropped.
#[derive(Debug)]
pub(super) struct Sweep(pub(super) PathBuf);

impl Drop for Sweep {
    fn drop(&mut self) {
        processes(&self.0).iter().for_each(Process::kill);
    }
}

/// The processes whose executable or arguments lie below a root.
fn processes(root: &Path) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let own = std::process::id().cast_signed();
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own)
        .filter_map(|pid| look(pid, root))
        .collect()
}

impl Lab {
    /// The processes whose executable or arguments lie below the router's root; with them a script's shell.
    pub fn processes(&self) -> Vec<Process> {
        processes(&self.place.root())
    }

    /// The processes of the router that run as the agent's program, but are not the agent.
    pub fn watchers(&mut self) -> Vec<Process> {
        let agent = self.agent.as_ref().map(|agent| agent.pid());
        let tmp = self.place.root().join("tmp");
        let mut processes = self.processes();
        processes
            .retain(|process| Some(process.pid) != agent && process.executable.starts_with(&tmp));
        processes
    }

    /// Kills every process of the router, as a power cut does, and waits until none is left.
    pub async fn kill_processes(&self) {
        let killed = async {
            loop {
                let left = self.processes();
                if left.is_empty() {
                    return;
                }
                left.iter().for_each(Process::kill);
                sleep(LOOK_EVERY).await;
            }
        };
        if timeout(KILLED_WITHIN, killed).await.is_err() {
            eprintln!("processes of the router do not end: {:?}", self.processes());
        }
    }
}

impl Process {
    /// Ends it with SIGKILL.
    pub fn kill(&self) {
        if let Some(pid) = Pid::from_raw(self.pid) {
            // It may have ended meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// A process, if it is the router's; one that has ended, and that nobody has waited for, is not.
fn look(pid: i32, root: &Path) -> Option<Process> {
    let dir = PathBuf::from(format!("/proc/{pid}"));
    let executable = fs::read_link(dir.join("exe")).ok()?;
    let line = fs::read(dir.join("cmdline")).ok()?;
    let arguments = line.split(|byte| *byte == 0);
    let arguments: Vec<String> = arguments
        .map(|argument| String::from_utf8_lossy(argument).into_owned())
        .filter(|argument| !argument.is_empty())
        .collect();
    let prefix = root.as_os_str().as_bytes();
    let names_root = line.windows(prefix.len()).any(|part| part == prefix);
    (names_root || executable.starts_with(root)).then_some(Process {
        pid,
        executable,
        arguments,
    })
}
