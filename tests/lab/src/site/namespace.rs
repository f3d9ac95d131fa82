//! A network namespace by iproute2: made, changed, entered, removed.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{kill_process, Pid, Signal};
use rustix::thread::{move_into_link_name_space, LinkNameSpaceType};

/// Every name of ours begins so; the number of the process that made it follows.
const PREFIX: &str = "sml";

/// Longest wait for the end of processes that were killed.
const KILLED_WITHIN: Duration = Duration::from_secs(2);

/// Why there is no namespace, or it does not change.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    #[error("network namespaces need root")]
    NotRoot,
    #[error("network namespaces need ip (Debian's iproute2): {0}")]
    NoIp(io::Error),
    #[error("{command}: {said}")]
    Refused { command: String, said: String },
    #[error("namespace {name}: {error}")]
    Enter { name: String, error: io::Error },
}

/// A network namespace; removed when dropped, and with it the processes in it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one with a name that nobody else has; `suffix` tells several of one process apart.
    ///
    /// # Errors
    ///
    /// This process may not, or `ip` is not there.
    pub fn make(suffix: &str) -> Result<Self, NamespaceError> {
        if !rustix::process::geteuid().is_root() {
            return Err(NamespaceError::NotRoot);
        }
        let name = format!("{PREFIX}{}{suffix}", std::process::id());
        ip(&["netns", "add", &name])?;
        let namespace = Namespace { name };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// Removes the namespaces of labs that were killed.
    pub fn sweep() {
        let Ok(listed) = ip(&["netns", "list"]) else {
            return;
        };
        for name in String::from_utf8_lossy(&listed.stdout).lines() {
            let name = name.split_whitespace().next().unwrap_or_default();
            let digits = |text: &str| {
                text.find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(text.len())
            };
            let Some(rest) = name.strip_prefix(PREFIX) else {
                continue;
            };
            let maker = &rest[..digits(rest)];
            if !maker.is_empty() && !Path::new("/proc").join(maker).exists() {
                drop(Namespace {
                    name: name.to_owned(),
                });
            }
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Changes the network, as `ip` does it.
    ///
    /// # Errors
    ///
    /// `ip` refuses.
    pub fn ip(&self, change: &str) -> Result<(), NamespaceError> {
        let words = change.split_ascii_whitespace();
        let words: Vec<&str> = ["-n", &self.name].into_iter().chain(words).collect();
        ip(&words).map(drop)
    }

    /// Makes several changes in their order; one that is refused does not keep back the others. Says what
    /// was refused.
    ///
    /// # Errors
    ///
    /// `ip` cannot be run.
    pub fn batch(&self, changes: &[String]) -> Result<Option<String>, NamespaceError> {
        if changes.is_empty() {
            return Ok(None);
        }
        let mut child = Command::new("ip")
            .args(["-n", &self.name, "-force", "-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(NamespaceError::NoIp)?;
        if let Some(mut stdin) = child.stdin.take() {
            let text = format!("{}\n", changes.join("\n"));
            stdin
                .write_all(text.as_bytes())
                .map_err(NamespaceError::NoIp)?;
        }
        let output = child.wait_with_output().map_err(NamespaceError::NoIp)?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Ok((!output.status.success()).then_some(said))
    }

    /// Does something in the namespace; a socket that it opens stays there.
    ///
    /// # Errors
    ///
    /// The namespace cannot be entered.
    pub fn enter<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        let failed = |error| NamespaceError::Enter {
            name: self.name.clone(),
            error,
        };
        let file = File::open(Path::new("/run/netns").join(&self.name)).map_err(failed)?;
        // A thread of its own enters it and ends there.
        thread::scope(|scope| {
            let entered = scope.spawn(|| {
                let network = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(file.as_fd(), network)?;
                Ok::<T, io::Error>(act())
            });
            match entered.join() {
                Ok(done) => done.map_err(failed),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Replaces the namespace by a new one of the same name, as a boot does: every change in it is gone.
    ///
    /// # Errors
    ///
    /// `ip` refuses.
    pub fn remake(&self) -> Result<(), NamespaceError> {
        self.kill_all();
        ip(&["netns", "del", &self.name])?;
        ip(&["netns", "add", &self.name])?;
        self.ip("link set lo up")
    }

    /// Kills every process in it, as a power cut does, and waits until none is left.
    pub fn kill_all(&self) {
        let end = Instant::now() + KILLED_WITHIN;
        loop {
            let Ok(listed) = ip(&["netns", "pids", &self.name]) else {
                return;
            };
            let listed = String::from_utf8_lossy(&listed.stdout);
            if listed.trim().is_empty() || Instant::now() > end {
                return;
            }
            for pid in listed.lines() {
                if let Some(pid) = pid.trim().parse().ok().and_then(Pid::from_raw) {
                    // It may have ended meanwhile.
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.kill_all();
        if let Err(error) = ip(&["netns", "del", &self.name]) {
            eprintln!("network namespace {} is left behind: {error}", self.name);
        }
    }
}

/// Runs `ip`, which has to succeed.
pub(super) fn ip(words: &[&str]) -> Result<Output, NamespaceError> {
    let output = Command::new("ip")
        .args(words)
        .stdin(Stdio::null())
        .output()
        .map_err(NamespaceError::NoIp)?;
    match output.status.success() {
        true => Ok(output),
        false => Err(NamespaceError::Refused {
            command: format!("ip {}", words.join(" ")),
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }),
    }
}
