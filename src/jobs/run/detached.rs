//! A job that outlives the agent, and is reported by the next one.
//!
//! Its supervisor, our own program in a session and outside of the agent's cgroup, runs the shell and
//! keeps everything in a directory of its own, `<state_dir>/detached/<name>`:
//!
//! * `job`: what to do. Locked (flock) from before the supervisor starts until it ends: that lock is
//!   handed over with the descriptor, so there is no moment in which a living job seems dead. The
//!   supervisor holds a record lock on it as well, by which the kernel names its process id.
//! * `stdout`, `stderr`: the beginning of both streams, as they were written.
//! * `cancel`: made by an agent that wants the job to end; a SIGCHLD has the supervisor look for it.
//! * `end`: how the job ended, put in place whole when both streams are on the medium.
//!
//! * `elsewhere`, alone: the job began under another `state_dir`, and its files are there ([`moved`]).
//!
//! A job whose lock is free has ended, if there is an `end`, or was killed with its supervisor or by a
//! power cut. The directory goes when the outcome is recorded.

mod end;
mod follow;
mod guard;
mod job;
mod moved;

use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::oneshot;

use super::{Output, Stop, Work};
use crate::jobs::outcome::{End, Outcome};

use durable::{Directory, Disk};
use follow::Follow;
pub(super) use guard::supervise;
use job::Job;
pub(in crate::jobs) use moved::follow;
use moved::place;

/// Below `state_dir`.
const DETACHED_DIR: &str = "detached";

const JOB: &str = "job";
const CANCEL: &str = "cancel";
const END: &str = "end";
const STREAMS: [&str; 2] = ["stdout", "stderr"];

/// Runs a job that outlives the agent. `name` is 16 hex digits that no other job has.
///
/// `None`: the agent ended first, and the job goes on.
pub(in crate::jobs) async fn start(
    state_dir: &Path,
    name: &str,
    mut work: Work,
    stop: oneshot::Receiver<Stop>,
) -> Option<Outcome> {
    let path = path(state_dir, name);
    work.output.move_to_files(path.clone());
    match Job::launch(&path, &work.task()) {
        Ok(job) => {
            job.watch(&work.type_name, work.tap.map(Follow::new), stop)
                .await
        }
        Err(error) => {
            let reason = format!("the job cannot be started in {}: {error}", path.display());
            let reason = Some(reason);
            Some(Outcome::without_command(
                End::Processed,
                &work.type_name,
                reason,
            ))
        }
    }
}

/// Waits for a job that an earlier agent started.
pub(in crate::jobs) async fn adopt(
    state_dir: &Path,
    name: &str,
    type_name: &str,
    stop: oneshot::Receiver<Stop>,
) -> Option<Outcome> {
    match Job::find(&place(state_dir, name)) {
        Ok(job) => job.watch(type_name, None, stop).await,
        Err(error) => {
            let reason = format!("nothing is known of the detached job: {error}");
            Some(Outcome::without_command(
                End::Interrupted,
                type_name,
                Some(reason),
            ))
        }
    }
}

/// The output so far of a job that an earlier agent started.
pub(in crate::jobs) fn output(state_dir: &Path, name: &str) -> Output {
    Output::in_files(place(state_dir, name))
}

/// Removes what a job has left, after its outcome was recorded; it need not be there.
pub(in crate::jobs) fn forget(state_dir: &Path, name: &str) -> io::Result<()> {
    let (here, there) = (path(state_dir, name), place(state_dir, name));
    let removed = match there == here {
        true => Ok(()),
        false => remove(&there),
    };
    // The note does not outlive this: what could not be removed there cannot be the next time.
    remove(&here).and(removed)
}

fn remove(path: &Path) -> io::Result<()> {
    if !path.try_exists()? {
        return Ok(());
    }
    let mut directory = Directory::open(path)?;
    for name in directory.list()? {
        directory.remove(&name)?;
    }
    std::fs::remove_dir(path)
}

/// The names of all jobs that were not forgotten.
pub(in crate::jobs) fn names(state_dir: &Path) -> io::Result<Vec<String>> {
    let path = state_dir.join(DETACHED_DIR);
    if !path.try_exists()? {
        return Ok(Vec::new());
    }
    let mut names = Directory::open(&path)?.list()?;
    names.retain(|name| name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
    Ok(names)
}

/// Standard output and standard error of the job in this directory, and whether something of them was
/// dropped as far as can be seen.
pub(super) fn output_so_far(path: &Path) -> (String, String, bool) {
    // Where nothing can be read, nothing was written yet.
    let read = Job::find(path).map(|mut job| job.streams());
    let ([stdout, stderr], cut) = read.unwrap_or_default();
    (stdout, stderr, cut)
}

fn path(state_dir: &Path, name: &str) -> PathBuf {
    state_dir.join(DETACHED_DIR).join(name)
}
