//! The process of ours that stands for a job: its shell, or the supervisor of its shell.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream as Pair;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ExitStatus, Stdio};

use rustix::io::Errno;
use rustix::process::{wait, waitid, Pid, WaitId, WaitIdOptions, WaitOptions, WaitStatus};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::UnixStream;
use tokio::process::{self, Command};
use tokio::signal::unix::{signal, Signal, SignalKind};

use super::cgroup::Cgroup;
use super::spare::JobStreams;
use super::supervisor::{self, adopt_orphans, is, Report};
use super::task::{environment, sealed, Script, Task};
use super::watched::watched;
use crate::kernel::{self, Program, SpawnError};

/// Longest report of a supervisor, bytes.
const REPORT_MAX: usize = 1024;

/// The end of a shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Exited(i32),
    Killed(i32),
}

impl Status {
    pub(super) fn of(status: WaitStatus) -> Self {
        match status.exit_status() {
            Some(code) => Status::Exited(code),
            None => Status::Killed(status.terminating_signal().unwrap_or(0)),
        }
    }

    /// Exit code, and signal.
    pub(super) fn code_and_signal(self) -> (Option<i32>, Option<i32>) {
        match self {
            Status::Exited(code) => (Some(code), None),
            Status::Killed(signal) => (None, Some(signal)),
        }
    }
}

impl From<ExitStatus> for Status {
    fn from(status: ExitStatus) -> Self {
        match status.code() {
            Some(code) => Status::Exited(code),
            None => Status::Killed(status.signal().unwrap_or(0)),
        }
    }
}

#[derive(Debug)]
pub(super) enum Child {
    /// A shell in a cgroup.
    InCgroup(AsyncFd<OwnedFd>),
    /// The supervisor of a shell. It stays until this is dropped, so that nobody escapes from below it.
    Supervisor {
        process: process::Child,
        link: UnixStream,
        heard: Vec<u8>,
        /// It reads this when it starts.
        _task: File,
    },
    /// A shell below this process, beside the orphans it has adopted.
    AmongOrphans { shell: u32, children: Signal },
    /// A shell without any of these.
    Bare(process::Child),
}

impl Child {
    pub(super) fn in_cgroup(
        task: &Task,
        script: &Script,
        streams: &JobStreams,
        cgroup: &Cgroup,
    ) -> Result<Self, SpawnError> {
        let failed = |error: io::Error| SpawnError::Exec(error);
        let variables = environment(&task.id)
            .map(|(name, value)| CString::new(format!("{name}={value}")))
            .into_iter()
            .collect::<Result<Vec<_>, _>>();
        let (_, pidfd) = kernel::spawn(&Program {
            path: c"/bin/sh",
            arguments: &script.c_arguments().map_err(|error| failed(error.into()))?,
            environment: &variables.map_err(|error| failed(error.into()))?,
            streams: streams.all(),
            cgroup: cgroup.directory(),
        })?;
        let end = watched(pidfd, Interest::READABLE).map_err(failed)?;
        Ok(Child::InCgroup(end))
    }

    /// Starts our own program as the supervisor of the job.
    pub(super) fn supervised(task: &Task, streams: &JobStreams) -> io::Result<(Self, Pid)> {
        let (ours, theirs) = Pair::pair()?;
        let [stdout, stderr] = outputs(streams)?;
        // Not in its arguments, where everybody can read them.
        let memory = sealed(task.to_text().as_bytes())?;
        let path = format!("/proc/{}/fd/{}\n", std::process::id(), memory.as_raw_fd());
        let process = Command::from(supervisor::program(supervisor::JOB, None))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(stdout)
            .stderr(stderr)
            .spawn()?;
        let pid = pid(&process);
        // It has room: nothing else was written yet.
        (&ours).write_all(path.as_bytes())?;
        ours.set_nonblocking(true)?;
        let child = Child::Supervisor {
            process,
            link: UnixStream::from_std(ours)?,
            heard: Vec::new(),
            _task: memory,
        };
        Ok((child, pid))
    }

    /// A shell below this process, which adopts and buries every orphan from now on.
    pub(super) fn among_orphans(
        task: &Task,
        script: &Script,
        streams: &JobStreams,
    ) -> io::Result<Self> {
        let children = signal(SignalKind::child())?;
        adopt_orphans()?;
        let [stdout, stderr] = outputs(streams)?;
        let mut command = shell(task, script);
        command.process_group(0).stdout(stdout).stderr(stderr);
        let shell = command.spawn()?.id();
        Ok(Child::AmongOrphans { shell, children })
    }

    /// A shell that leads a process group, and no more than that.
    pub(super) fn bare(
        task: &Task,
        script: &Script,
        streams: &JobStreams,
    ) -> io::Result<(Self, Pid)> {
        let [stdout, stderr] = outputs(streams)?;
        let mut command = shell(task, script);
        command.process_group(0).stdout(stdout).stderr(stderr);
        let process = Command::from(command).spawn()?;
        let pid = pid(&process);
        Ok((Child::Bare(process), pid))
    }

    /// The end of the shell. Cancel safe.
    pub(super) async fn wait(&mut self) -> io::Result<Status> {
        match self {
            Child::InCgroup(end) => loop {
                let mut ready = end.readable().await?;
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
                match waitid(WaitId::PidFd(end.as_fd()), options) {
                    Ok(Some(status)) => {
                        let code = status.exit_status().map(Status::Exited);
                        let signal = || Status::Killed(status.terminating_signal().unwrap_or(0));
                        return Ok(code.unwrap_or_else(signal));
                    }
                    Ok(None) => ready.clear_ready(),
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            },
            Child::Supervisor { link, heard, .. } => loop {
                if let Some(line) = heard.strip_suffix(b"\n") {
                    return Report::parse(line).into_status();
                }
                let mut bytes = [0; 64];
                let read = link.read(&mut bytes).await.unwrap_or(0);
                if read == 0 || heard.len() > REPORT_MAX {
                    return Err(io::Error::other("its supervisor was killed"));
                }
                heard.extend_from_slice(&bytes[..read]);
            },
            Child::AmongOrphans { shell, children } => loop {
                match wait(WaitOptions::NOHANG) {
                    Ok(Some((pid, status))) if is(pid, *shell) => return Ok(Status::of(status)),
                    Ok(Some(_)) | Err(Errno::INTR) => {}
                    Ok(None) => {
                        children.recv().await;
                    }
                    Err(error) => return Err(error.into()),
                }
            },
            Child::Bare(process) => process.wait().await.map(Status::from),
        }
    }

    /// Ends a supervisor that may have nobody below it any more.
    pub(super) fn dismiss(&mut self) {
        if let Child::Supervisor { process, .. } = self {
            // An error means that it has ended already.
            let _ = process.start_kill();
        }
    }
}

/// /bin/sh as every job has it, but for its output.
pub(super) fn shell(task: &Task, script: &Script) -> std::process::Command {
    let mut command = std::process::Command::new("/bin/sh");
    command
        .arg0("sh")
        .args(script.arguments())
        .env_clear()
        .envs(environment(&task.id))
        .current_dir("/")
        .stdin(Stdio::null());
    command
}

fn outputs(streams: &JobStreams) -> io::Result<[Stdio; 2]> {
    let [stdout, stderr] = streams.outputs();
    Ok([stdout.try_clone()?.into(), stderr.try_clone()?.into()])
}

fn pid(process: &process::Child) -> Pid {
    process
        .id()
        .and_then(|pid| Pid::from_raw(pid.cast_signed()))
        .expect("a child not yet waited for has a process id")
}
