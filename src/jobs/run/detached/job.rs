//! A detached job as the agent knows it, by its files and its locks.

use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use durable::{read_whole, Directory};
use rustix::fs::{flock, FlockOperation, OFlags};
use rustix::io::Errno;
use rustix::process::{
    fcntl_getlk, kill_process, pidfd_open, pidfd_send_signal, Flock, FlockType, Pid, PidfdFlags,
    Signal,
};
use tokio::io::unix::AsyncFd;
use tokio::io::Interest;
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::time::{interval, sleep_until, Instant};

use super::follow::{self, Follow};
use super::{end, CANCEL, JOB, STREAMS};
use crate::jobs::outcome::{End, Outcome};
use crate::jobs::run::homes::Homes;
use crate::jobs::run::kept::Kept;
use crate::jobs::run::supervisor::{self, DETACHED};
use crate::jobs::run::task::{Task, TASK_MAX};
use crate::jobs::run::tree::{Tree, KILL_WITHIN};
use crate::jobs::run::watched::watched;
use crate::jobs::run::{Limits, Stop};

/// Between two looks for the end of a supervisor, where the kernel does not tell it (before Linux 5.3).
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Bytes of a stream that are read where the job itself does not say.
const OUTPUT_MAX: usize = 1 << 20;

/// A detached job.
#[derive(Debug)]
pub(super) struct Job {
    directory: Directory,
    /// To see whether the supervisor has let go of it.
    lock: File,
    supervisor: Option<Supervisor>,
    limits: Option<Limits>,
}

/// The supervisor's process, by a pidfd: its number may be reused, this is not.
#[derive(Debug)]
struct Supervisor {
    pid: Pid,
    end: AsyncFd<OwnedFd>,
}

impl Supervisor {
    fn open(pid: Pid) -> io::Result<Self> {
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        Ok(Supervisor {
            pid,
            end: watched(pidfd, Interest::READABLE)?,
        })
    }
}

impl Job {
    /// Makes the directory of a job and starts its supervisor.
    pub(super) fn launch(path: &Path, task: &Task) -> io::Result<Self> {
        // The supervisor is in another directory.
        let path = &std::path::absolute(path)?;
        let directory = Directory::open(path)?;
        let mut file = directory.file(JOB, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?;
        file.write_all(task.to_text().as_bytes())?;
        file.seek(SeekFrom::Start(0))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        let mut program = supervisor::program(DETACHED, Some(path.as_os_str()));
        program.stdin(Stdio::from(file));
        program.stdout(Stdio::null()).stderr(Stdio::null());
        // Waited for by the runtime when it has ended.
        let process = Command::from(program).spawn()?;
        let pid = process
            .id()
            .and_then(|pid| Pid::from_raw(pid.cast_signed()));
        Ok(Job {
            lock: directory.file(JOB, OFlags::RDWR)?,
            supervisor: pid.and_then(|pid| Supervisor::open(pid).ok()),
            limits: Some(task.limits),
            directory,
        })
    }

    /// The job in this directory.
    pub(super) fn find(path: &Path) -> io::Result<Self> {
        // Not made: of a job there was one.
        if !path.try_exists()? {
            return Err(ErrorKind::NotFound.into());
        }
        let mut directory = Directory::open(path)?;
        let text = read_whole(&mut directory, JOB, TASK_MAX)?;
        let task = Task::parse(&String::from_utf8_lossy(&text));
        Ok(Job {
            lock: directory.file(JOB, OFlags::RDWR)?,
            supervisor: None,
            limits: task.map(|task| task.limits),
            directory,
        })
    }

    /// Does the supervisor live?
    fn is_held(&self) -> bool {
        match flock(&self.lock, FlockOperation::NonBlockingLockShared) {
            Ok(()) => {
                // Ours was for the look alone; an error would only keep it until we close the file.
                let _ = flock(&self.lock, FlockOperation::Unlock);
                false
            }
            Err(Errno::WOULDBLOCK) => true,
            Err(error) => {
                log::warn!("{}: {error}", self.directory.path().display());
                false
            }
        }
    }

    /// The process that holds the record lock, if there is one.
    fn holder(&self) -> Option<Pid> {
        let any = Flock::from(FlockType::WriteLock);
        fcntl_getlk(&self.lock, &any).ok()??.pid
    }

    /// Finds the supervisor by its lock.
    fn find_supervisor(&mut self) {
        if self.supervisor.is_some() {
            return;
        }
        let found = self.holder().and_then(|pid| Supervisor::open(pid).ok());
        // It still holds the lock, so the number has not changed hands before it was opened.
        self.supervisor = found.filter(|found| self.holder() == Some(found.pid));
    }

    /// Waits for the end of the job.
    pub(super) async fn watch(
        mut self,
        type_name: &str,
        mut follow: Option<Follow>,
        mut stop: oneshot::Receiver<Stop>,
    ) -> Option<Outcome> {
        let mut stoppable = true;
        let mut cancelled: Option<Instant> = None;
        let mut look = interval(LOOK_AGAIN);
        let mut hear = interval(follow::EVERY);
        while self.is_held() {
            self.find_supervisor();
            let end = async {
                match &self.supervisor {
                    Some(supervisor) => supervisor.end.readable().await.map(drop),
                    None => std::future::pending().await,
                }
            };
            let late = cancelled.unwrap_or_else(Instant::now);
            let blind = self.supervisor.is_none();
            tokio::select! {
                ended = end => {
                    if let Err(error) = ended {
                        log::warn!("the end of a detached job cannot be waited for: {error}");
                        self.supervisor = None;
                    } else if self.is_held() {
                        // Its descriptors are closed a moment before or after.
                        look.tick().await;
                    }
                }
                _ = look.tick(), if blind => {}
                _ = hear.tick(), if follow.is_some() => {
                    if let Some(follow) = &mut follow {
                        follow.look(&mut self.directory);
                    }
                }
                () = sleep_until(late), if cancelled.is_some() => {
                    return Some(self.put_down(type_name).await);
                }
                stop = &mut stop, if stoppable => {
                    stoppable = false;
                    match stop {
                        Ok(Stop::Cancel) => {
                            cancelled = Some(Instant::now() + 3 * KILL_WITHIN);
                            self.cancel();
                        }
                        Ok(Stop::Shutdown(_)) => return None,
                        // Nobody is left to stop it.
                        Err(_) => {}
                    }
                }
            }
        }
        if let Some(follow) = &mut follow {
            follow.look(&mut self.directory);
        }
        Some(self.outcome(type_name))
    }

    /// Has the supervisor end the job.
    fn cancel(&self) {
        let made = self.directory.file(CANCEL, OFlags::WRONLY | OFlags::CREATE);
        if let Err(error) = made {
            log::warn!("{}/{CANCEL}: {error}", self.directory.path().display());
        }
        let told = match (&self.supervisor, self.holder()) {
            (Some(supervisor), _) => pidfd_send_signal(supervisor.end.get_ref(), Signal::CHILD),
            (None, Some(pid)) => kill_process(pid, Signal::CHILD),
            // It has not got so far yet, and looks by itself when it has.
            (None, None) => Ok(()),
        };
        if let Err(error) = told {
            log::warn!("the supervisor of a detached job is not told to end it: {error}");
        }
    }

    /// Ends a job whose supervisor does not.
    async fn put_down(mut self, type_name: &str) -> Outcome {
        let mut reason = "cancelled; its supervisor did not answer".to_owned();
        if let Some(pid) = self.holder() {
            let cgroups = Homes::find().outside().made_by(pid).into_iter();
            for tree in cgroups.map(Tree::Cgroup).chain([Tree::Below(pid)]) {
                if let Err(survivors) = tree.kill().await {
                    reason.push_str(&format!("; {survivors}"));
                }
            }
            // It may have ended meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
        let outcome = Outcome::without_command(End::Processed, type_name, Some(reason));
        self.with_streams(outcome)
    }

    /// The outcome of a job whose supervisor has ended.
    fn outcome(&mut self, type_name: &str) -> Outcome {
        let outcome = match end::read(&mut self.directory) {
            Ok(Some(finished)) => finished.into_outcome(type_name),
            Ok(None) => {
                let reason = "the device or the supervisor of the job went down before its end";
                Outcome::without_command(End::Interrupted, type_name, Some(reason.to_owned()))
            }
            Err(error) => {
                let reason = format!("how the job ended cannot be read: {error}");
                Outcome::without_command(End::Interrupted, type_name, Some(reason))
            }
        };
        self.with_streams(outcome)
    }

    fn with_streams(&mut self, outcome: Outcome) -> Outcome {
        let ([stdout, stderr], cut) = self.streams();
        Outcome {
            truncated: outcome.truncated || cut,
            stdout,
            stderr,
            ..outcome
        }
    }

    /// Both streams as they are on disk, and whether something of them had no room as text.
    pub(super) fn streams(&mut self) -> ([String; 2], bool) {
        let max = self.limits.map_or(OUTPUT_MAX, |limits| limits.output_max);
        let mut cut = false;
        let texts = STREAMS.map(|name| {
            // A file that was never created has no output.
            let bytes = read_whole(&mut self.directory, name, max as u64).unwrap_or_default();
            let mut kept = Kept::default();
            kept.push(&bytes, max);
            let (text, dropped) = kept.finish(max);
            cut |= dropped;
            text
        });
        (texts, cut)
    }
}
