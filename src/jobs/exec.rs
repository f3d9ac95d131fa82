//! A command → its outcome: one shell, its output, its end.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{self, ExitStatus, Stdio};
use std::time::Duration;

use rustix::fs::{fcntl_add_seals, memfd_create, MemfdFlags, SealFlags};
use rustix::process::Pid;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::time::{timeout, Instant};

use super::outcome::{End, Outcome};
use super::output::Stream;
use super::tree::{Tree, KILL_WITHIN, MARKER};

/// How long a result waits for children that the shell left behind.
const LINGER: Duration = Duration::from_secs(1);

/// Longest command passed as an argument, bytes. The kernel's limit is 32 pages with the final NUL.
const ARGUMENT_MAX: usize = 124 * 1024;

/// What a command may use.
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
    /// The agent ends: SIGTERM now, SIGKILL after this time.
    Shutdown(Duration),
}

/// Pipes that processes left in the background still hold. They are left alone, so somebody has to
/// go on reading.
#[derive(Debug)]
pub(super) struct Leftover {
    stdout: Stream<ChildStdout>,
    stderr: Stream<ChildStderr>,
}

impl Leftover {
    /// Reads and drops until the last writer is gone.
    pub(super) async fn drain(mut self) {
        tokio::join!(self.stdout.pump_to_end(), self.stderr.pump_to_end());
    }
}

/// Runs `msg` with `/bin/sh` until it ends, its time is over or it is stopped.
///
/// Dropping the future leaves the processes alone.
pub(super) async fn run(
    msg: &str,
    type_name: &str,
    limits: Limits,
    stop: oneshot::Receiver<Stop>,
) -> (Outcome, Option<Leftover>) {
    let began = Instant::now();
    match Shell::start(msg, limits) {
        Ok(shell) => shell.finish(type_name, limits, began, stop).await,
        Err(error) => {
            let reason = format!("/bin/sh cannot be started: {error}");
            let outcome = Outcome::without_command(End::Processed, type_name, Some(reason));
            (outcome, None)
        }
    }
}

/// How a command came to its end.
enum Ended {
    ByItself(io::Result<ExitStatus>),
    TimedOut,
    Stopped(Stop),
}

/// A running shell.
struct Shell {
    child: Child,
    tree: Tree,
    stdout: Stream<ChildStdout>,
    stderr: Stream<ChildStderr>,
    /// The command, if it was too long for an argument; the shell reads it while it runs.
    _script: Option<File>,
}

impl Shell {
    fn start(msg: &str, limits: Limits) -> io::Result<Self> {
        let token = token();
        let mut command = Command::new("/bin/sh");
        let script = if msg.len() > ARGUMENT_MAX {
            let script = sealed(msg.as_bytes())?;
            // Opened by the shell itself through our descriptor, which closes on exec: so nothing is
            // inherited.
            command.arg(format!("/proc/{}/fd/{}", process::id(), script.as_raw_fd()));
            Some(script)
        } else {
            command.arg("-c").arg(msg);
            None
        };
        // The standard library resets SIGPIPE and the signal mask and opens everything close-on-exec.
        let mut child = command
            .env(MARKER, &token)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pid = child
            .id()
            .and_then(|pid| Pid::from_raw(pid.cast_signed()))
            .expect("a child not yet waited for has a process id");
        Ok(Shell {
            tree: Tree::new(pid, &token),
            stdout: Stream::new(child.stdout.take(), limits.output_max),
            stderr: Stream::new(child.stderr.take(), limits.output_max),
            child,
            _script: script,
        })
    }

    async fn finish(
        mut self,
        type_name: &str,
        limits: Limits,
        began: Instant,
        stop: oneshot::Receiver<Stop>,
    ) -> (Outcome, Option<Leftover>) {
        let ended = self.wait(began + limits.timeout, stop).await;
        let mut end = End::Processed;
        let mut reason = None;
        let status = match ended {
            Ended::ByItself(status) => status,
            Ended::TimedOut => {
                reason = Some(format!("timed out after {} s", limits.timeout.as_secs()));
                self.kill(&mut reason).await
            }
            Ended::Stopped(Stop::Cancel) => {
                reason = Some("cancelled".into());
                self.kill(&mut reason).await
            }
            Ended::Stopped(Stop::Shutdown(grace)) => {
                end = End::Interrupted;
                reason = Some("the agent stopped".into());
                self.tree.terminate();
                let (_, nobody) = oneshot::channel();
                self.wait(Instant::now() + grace, nobody).await;
                self.kill(&mut reason).await
            }
        };
        let duration = began.elapsed();
        self.linger().await;
        let (stdout, stdout_dropped) = self.stdout.take();
        let (stderr, stderr_dropped) = self.stderr.take();
        let (exit_code, signal) = match status {
            Ok(status) => (status.code(), status.signal()),
            Err(error) => {
                reason.get_or_insert_with(|| format!("the end of the shell is unknown: {error}"));
                (None, None)
            }
        };
        let outcome = Outcome {
            end,
            type_name: type_name.to_string(),
            success: end == End::Processed && reason.is_none() && exit_code == Some(0),
            exit_code,
            signal,
            duration: Some(duration),
            stdout,
            stderr,
            truncated: stdout_dropped || stderr_dropped,
            reason,
        };
        let leftover = (self.stdout.is_open() || self.stderr.is_open()).then_some(Leftover {
            stdout: self.stdout,
            stderr: self.stderr,
        });
        (outcome, leftover)
    }

    /// Reads output until the shell ends or must end.
    async fn wait(&mut self, deadline: Instant, mut stop: oneshot::Receiver<Stop>) -> Ended {
        let mut stoppable = true;
        let late = tokio::time::sleep_until(deadline);
        tokio::pin!(late);
        loop {
            tokio::select! {
                status = self.child.wait() => return Ended::ByItself(status),
                () = self.stdout.pump(), if self.stdout.is_open() => {}
                () = self.stderr.pump(), if self.stderr.is_open() => {}
                () = &mut late => return Ended::TimedOut,
                stop = &mut stop, if stoppable => match stop {
                    Ok(stop) => return Ended::Stopped(stop),
                    // Nobody is left to stop it; it still ends by itself or in time.
                    Err(_) => stoppable = false,
                },
            }
        }
    }

    /// Reads output until both streams end, at most for [`LINGER`].
    async fn linger(&mut self) {
        let both = async {
            tokio::join!(self.stdout.pump_to_end(), self.stderr.pump_to_end());
        };
        // Running into the time-out is no failure: what is left over goes on being read.
        let _ = timeout(LINGER, both).await;
    }

    /// Kills the whole tree; notes in `reason` what could not be killed.
    async fn kill(&mut self, reason: &mut Option<String>) -> io::Result<ExitStatus> {
        if let Err(survivors) = self.tree.kill().await {
            log::warn!("a job left processes behind: {survivors}");
            if let Some(reason) = reason {
                reason.push_str(&format!("; {survivors}"));
            }
        }
        match timeout(KILL_WITHIN, self.child.wait()).await {
            Ok(status) => status,
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the shell does not die",
            )),
        }
    }
}

/// A value nobody outside the job can guess.
fn token() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}

/// A file in memory that holds `script` and can never change.
fn sealed(script: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(
        "socketman-job",
        MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
    )?);
    file.write_all(script)?;
    fcntl_add_seals(
        &file,
        SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
    )?;
    Ok(file)
}
