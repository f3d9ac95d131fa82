//! A running shell, from its start to its end.

use std::io;
use std::iter;
use std::sync::Once;
use std::time::Duration;

use rustix::process::getpid;
use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout, Instant};

use super::child::{Child, Status};
use super::homes::Homes;
use super::leftover::Leftover;
use super::output::{Output, Stream};
use super::spare::{JobStreams, Spare, Streams};
use super::tap::Tap;
use super::task::{Script, Task};
use super::tree::{Tree, KILL_WITHIN};
use super::Stop;
use crate::jobs::live::StreamName;
use crate::jobs::outcome::{End, Outcome};
use crate::kernel::SpawnError;

/// Time a result waits for the output of background processes.
const LINGER: Duration = Duration::from_secs(1);

/// A running shell.
#[derive(Debug)]
pub(super) struct Shell {
    child: Child,
    tree: Tree,
    stdout: Stream,
    stderr: Stream,
    began: Instant,
    _script: Script,
}

/// The subreaper of a job without a cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// A process beside us.
    Supervisor,
    /// This process, which has adopted the orphans of this one job.
    Ourselves,
}

/// The reason to stop waiting for a shell.
enum Ended {
    ByItself(io::Result<Status>),
    TimedOut,
    Stopped(Stop),
}

/// The end of a shell, with its output.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) end: End,
    /// None if it goes on, or if its end is unknown.
    pub(super) status: Option<Status>,
    pub(super) duration: Duration,
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) truncated: bool,
    pub(super) reason: Option<String>,
}

impl Finished {
    pub(super) fn into_outcome(self, type_name: &str) -> Outcome {
        let (exit_code, signal) = self.status.map(Status::code_and_signal).unwrap_or_default();
        Outcome {
            end: self.end,
            type_name: type_name.to_owned(),
            success: self.end == End::Processed && self.reason.is_none() && exit_code == Some(0),
            exit_code,
            signal,
            duration: Some(self.duration),
            stdout: self.stdout,
            stderr: self.stderr,
            truncated: self.truncated,
            rolled_back: false,
            reason: self.reason,
        }
    }
}

impl Shell {
    /// Starts `task` in the cgroup of `spare` or in a new one in one of `homes`, else under `guard`. Needs a tokio runtime
    /// with I/O.
    pub(super) fn start(
        task: &Task,
        homes: &Homes,
        mut spare: Spare,
        guard: Guard,
        output: Output,
        tap: Option<Tap>,
    ) -> io::Result<Self> {
        let script = Script::new(&task.command)?;
        let streams = spare.take_streams();
        let Streams { ours, job } = streams.map_or_else(Streams::new, Ok)?;
        let [stdout, stderr] = ours;
        let place = (output, task.limits.output_max);
        let stdout = Stream::new(StreamName::Stdout, stdout, place.clone(), tap.clone());
        let stderr = Stream::new(StreamName::Stderr, stderr, place, tap);
        let began = Instant::now();
        let (child, tree) = match in_cgroup(task, &script, &job, homes, spare)? {
            Some(started) => started,
            None if guard == Guard::Ourselves => {
                let child = Child::among_orphans(task, &script, &job)?;
                (child, Tree::Below(getpid()))
            }
            None => without_cgroup(task, &script, &job)?,
        };
        Ok(Shell {
            child,
            tree,
            stdout,
            stderr,
            began,
            _script: script,
        })
    }

    /// Waits until the shell ends, its time is over or it is stopped.
    pub(super) async fn finish(
        mut self,
        limit: Duration,
        stop: oneshot::Receiver<Stop>,
    ) -> (Finished, Option<Leftover>) {
        let mut end = End::Processed;
        let mut reason = None;
        let status = match self.wait(self.began + limit, stop).await {
            Ended::ByItself(Err(error)) => {
                // Nobody watches over what it started any more.
                reason = Some(format!("the end of the shell is unknown: {error}"));
                self.kill(&mut reason).await;
                None
            }
            Ended::ByItself(Ok(status)) => Some(status),
            Ended::TimedOut => {
                reason = Some(format!("timed out after {} s", limit.as_secs()));
                self.kill(&mut reason).await
            }
            Ended::Stopped(Stop::Cancel) => {
                reason = Some("cancelled".to_owned());
                self.kill(&mut reason).await
            }
            Ended::Stopped(Stop::Shutdown(grace)) => {
                end = End::Interrupted;
                self.tree.terminate();
                // A process that ignores it is left alone: it may be about to start the next agent.
                let (_, nobody) = oneshot::channel();
                let ended = self.wait(Instant::now() + grace, nobody).await;
                let (words, status) = match ended {
                    Ended::ByItself(Ok(status)) => ("the agent stopped", Some(status)),
                    _ => ("the agent stopped; the command goes on", None),
                };
                reason = Some(words.to_owned());
                status
            }
        };
        let duration = self.began.elapsed();
        if end == End::Processed || status.is_some() {
            self.linger().await;
        }
        let (stdout, stdout_dropped) = self.stdout.take();
        let (stderr, stderr_dropped) = self.stderr.take();
        let finished = Finished {
            end,
            status,
            duration,
            stdout,
            stderr,
            truncated: stdout_dropped || stderr_dropped,
            reason,
        };
        let cgroup = match self.tree {
            Tree::Cgroup(cgroup) => Some(cgroup),
            Tree::Below(_) | Tree::From(_) => None,
        };
        (
            finished,
            Leftover::of(self.child, [self.stdout, self.stderr], cgroup),
        )
    }

    /// Reads output until the shell ends or must end.
    async fn wait(&mut self, deadline: Instant, mut stop: oneshot::Receiver<Stop>) -> Ended {
        let mut stoppable = true;
        let late = sleep_until(deadline);
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

    /// Kills the whole tree, and notes in `reason` what could not be killed. Returns how the shell
    /// ended.
    async fn kill(&mut self, reason: &mut Option<String>) -> Option<Status> {
        let mut note = |words: String| {
            log::warn!("a job was not ended as it should: {words}");
            if let Some(reason) = reason {
                reason.push_str("; ");
                reason.push_str(&words);
            }
        };
        if let Err(survivors) = self.tree.kill().await {
            note(survivors.to_string());
        }
        let status = match timeout(KILL_WITHIN, self.child.wait()).await {
            Ok(Ok(status)) => Some(status),
            // The supervisor failed earlier, or died from our kill.
            Ok(Err(_)) => None,
            Err(_) => {
                note("the shell does not die".to_owned());
                None
            }
        };
        self.child.dismiss();
        status
    }
}

/// The shell in a cgroup of its own; `None` where that does not work.
fn in_cgroup(
    task: &Task,
    script: &Script,
    streams: &JobStreams,
    homes: &Homes,
    mut spare: Spare,
) -> io::Result<Option<(Child, Tree)>> {
    let mut failed = None;
    // A spare one may have been removed from under us.
    let places = spare.take_cgroup().into_iter();
    for cgroup in places.chain(iter::once_with(|| homes.make()).flatten()) {
        let error = match Child::in_cgroup(task, script, streams, &cgroup) {
            Ok(child) => return Ok(Some((child, Tree::Cgroup(cgroup)))),
            Err(error) => error,
        };
        cgroup.remove();
        match error {
            SpawnError::Clone(_) => failed = Some(error),
            SpawnError::Exec(error) => return Err(error),
        }
    }
    if let Some(error) = failed {
        static SAID: Once = Once::new();
        SAID.call_once(|| log::info!("{error}; a supervisor stands beside each job instead"));
    }
    Ok(None)
}

fn without_cgroup(task: &Task, script: &Script, streams: &JobStreams) -> io::Result<(Child, Tree)> {
    let error = match Child::supervised(task, streams) {
        Ok((child, supervisor)) => return Ok((child, Tree::Below(supervisor))),
        Err(error) => error,
    };
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        log::warn!(
            "our own program cannot be run as a supervisor: {error}; of a job that is ended, \
             processes may stay that left its session and lost their parent"
        );
    });
    let (child, shell) = Child::bare(task, script, streams)?;
    Ok((child, Tree::From(shell)))
}
