//! The supervisor of a detached job: a process of its own.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::fs::File;
use std::future::pending;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use durable::{Directory, Disk};
use rustix::fs::{fcntl_lock, FlockOperation, OFlags};
use tokio::signal::unix::{signal, Signal, SignalKind};
use tokio::sync::oneshot;

use super::{end, CANCEL, STREAMS};
use crate::jobs::outcome::End;
use crate::jobs::run::homes::Homes;
use crate::jobs::run::shell::{Finished, Guard, Shell};
use crate::jobs::run::spare::Spare;
use crate::jobs::run::task::{Task, TASK_MAX};
use crate::jobs::run::{Leftover, Output, Stop};
use crate::process::runtime;

/// Runs the job whose directory this is and whose `job` is our standard input.
pub(in crate::jobs::run) fn supervise(directory: &OsStr) -> io::Result<()> {
    runtime::run(run(Path::new(directory)))?
}

async fn run(path: &Path) -> io::Result<()> {
    let mut directory = Directory::open(path)?;
    // Before this an agent sees the other lock, and knows no process to signal.
    fcntl_lock(
        rustix::stdio::stdin(),
        FlockOperation::NonBlockingLockExclusive,
    )?;
    let children = signal(SignalKind::child())?;
    let (finished, leftover) = match work(&directory, children).await {
        Ok(done) => done,
        Err(error) => (not_run(&error), None),
    };
    for name in STREAMS {
        // A file that is not on the medium is one that says less; the end is worth more.
        let _ = directory.sync(name);
    }
    if end::write(&mut directory, &finished).is_err() {
        // No room: output is worth less than the end, too.
        for name in STREAMS {
            let _ = directory.truncate(name, 0);
        }
        let finished = Finished {
            truncated: true,
            ..finished
        };
        end::write(&mut directory, &finished)?;
    }
    // Others read on for it, if it is not empty.
    drop(leftover);
    Ok(())
}

async fn work(directory: &Directory, children: Signal) -> io::Result<(Finished, Option<Leftover>)> {
    let mut text = String::new();
    io::stdin()
        .lock()
        .take(TASK_MAX)
        .read_to_string(&mut text)?;
    let task = Task::parse(&text);
    drop(text);
    let task = task.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    let homes = Homes::find();
    // It stays where it is if the root may not be written.
    let _ = homes.leave();
    let create = |name| directory.file(name, OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND);
    let files: [File; 2] = [create(STREAMS[0])?, create(STREAMS[1])?];
    let output = Output::written_to(files);
    let limit = task.limits.timeout;
    let shell = Shell::start(
        &task,
        &homes.outside(),
        Spare::default(),
        Guard::Ourselves,
        output,
        None,
    )?;
    drop(task);
    let (stop, stopped) = oneshot::channel();
    tokio::select! {
        finished = shell.finish(limit, stopped) => Ok(finished),
        never = cancelled(directory, children, stop) => match never {},
    }
}

/// Ends the job when an agent wants that.
async fn cancelled(
    directory: &Directory,
    mut children: Signal,
    stop: oneshot::Sender<Stop>,
) -> Infallible {
    while directory.file(CANCEL, OFlags::RDONLY).is_err() {
        if children.recv().await.is_none() {
            return pending().await;
        }
    }
    // If nobody hears this, it is just ending.
    let _ = stop.send(Stop::Cancel);
    pending().await
}

fn not_run(error: &io::Error) -> Finished {
    Finished {
        end: End::Processed,
        status: None,
        duration: Duration::ZERO,
        stdout: String::new(),
        stderr: String::new(),
        truncated: false,
        reason: Some(format!("/bin/sh cannot be started: {error}")),
    }
}
