//! Our own program, run again beside the agent for one job.
//!
//! * [`JOB`] runs a shell where there are no cgroups. As a subreaper it becomes the parent of every
//!   process below it whose own parent ends, so that all of them can be found. It tells the agent how
//!   the shell ended, and stays until the agent has heard and killed what is to be killed.
//! * [`DETACHED`] runs a job that outlives the agent ([`super::detached`]).
//! * [`LISTEN`] reads and drops what processes say that outlive the agent, for a pipe without a
//!   reader would kill them.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufRead};
use std::os::fd::BorrowedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::thread;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{getpid, set_child_subreaper, setsid, umask, wait, Pid, WaitOptions};
use rustix::stdio::{dup2_stderr, dup2_stdout};
use tokio::net::unix::pipe::Receiver;
use tokio::runtime::Handle;

use super::child::{shell, Status};
use super::detached;
use super::homes::{Homes, WITHOUT};
use super::task::{Script, Task};
use crate::kernel;

/// The program that runs: also when its file was replaced meanwhile.
const OURSELVES: &str = "/proc/self/exe";

/// Its name in the list of processes; not ours, lest somebody who ends the agent by name hit it.
const NAME: &str = "socketman-job";

pub(super) const JOB: &str = "--run-job";
pub(super) const DETACHED: &str = "--run-detached-job";
pub(super) const LISTEN: &str = "--listen-to-the-rest";

/// Does what the arguments say, if they are those of a process that the agent starts for a job, and
/// then returns its exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter();
    // Nobody else calls it so.
    if arguments.next()? != NAME {
        return None;
    }
    let verb = arguments.next()?;
    begin();
    let ran = match verb.to_str()? {
        JOB => supervise(),
        DETACHED => detached::supervise(arguments.next()?.as_ref()),
        LISTEN => listen(),
        _ => return None,
    };
    Some(match ran {
        Ok(()) => ExitCode::SUCCESS,
        // The agent learns the reason from the report or its absence.
        Err(_) => ExitCode::FAILURE,
    })
}

/// Our own program with one of the verbs above and its argument.
pub(super) fn program(verb: &str, argument: Option<&OsStr>) -> Command {
    let mut command = Command::new(OURSELVES);
    command.arg0(NAME).env_clear().current_dir("/");
    if let Some(without) = std::env::var_os(WITHOUT) {
        command.env(WITHOUT, without);
    }
    #[cfg(not(test))]
    command.arg(verb).args(argument);
    #[cfg(test)]
    super::tests::as_arguments(&mut command, verb, argument);
    command
}

/// Leaves the agent's session, and lets no signal that somebody sends to everybody end it.
fn begin() {
    kernel::outlive_signals();
    umask(Mode::RWXG | Mode::RWXO);
    // It fails for the leader of a process group, which the agent's children are not.
    let _ = setsid();
}

/// The supervisor's one-line report on the end of the shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Report {
    Ended(Status),
    NotStarted(String),
}

impl Report {
    fn to_line(&self) -> String {
        match self {
            Report::Ended(Status::Exited(code)) => format!("exited {code}\n"),
            Report::Ended(Status::Killed(signal)) => format!("killed {signal}\n"),
            Report::NotStarted(error) => format!("failed {}\n", error.replace('\n', " ")),
        }
    }

    /// Understands a line without its end.
    pub(super) fn parse(line: &[u8]) -> Self {
        let line = String::from_utf8_lossy(line);
        let number = |text: &str| text.parse().ok();
        match line.split_once(' ') {
            Some(("exited", code)) => number(code).map(|code| Report::Ended(Status::Exited(code))),
            Some(("killed", signal)) => number(signal).map(|n| Report::Ended(Status::Killed(n))),
            Some(("failed", error)) => Some(Report::NotStarted(error.to_owned())),
            _ => None,
        }
        .unwrap_or_else(|| Report::NotStarted("its supervisor makes no sense".to_owned()))
    }

    pub(super) fn into_status(self) -> io::Result<Status> {
        match self {
            Report::Ended(status) => Ok(status),
            Report::NotStarted(error) => Err(io::Error::other(error)),
        }
    }
}

fn supervise() -> io::Result<()> {
    let report = match adopt_and_run() {
        Ok(status) => Report::Ended(status),
        Err(error) => Report::NotStarted(error.to_string()),
    };
    let line = report.to_line();
    let mut rest = line.as_bytes();
    while !rest.is_empty() {
        let written = rustix::io::write(rustix::stdio::stdin(), rest)?;
        rest = &rest[written..];
    }
    // The agent closes it when nothing below us is to be killed any more, or with its own end.
    drain(rustix::stdio::stdin())
}

fn adopt_and_run() -> io::Result<Status> {
    let mut path = String::new();
    io::stdin().lock().read_line(&mut path)?;
    let text = fs::read_to_string(path.trim_end())?;
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let task = Task::parse(&text).ok_or_else(damaged)?;
    adopt_orphans()?;
    let script = Script::new(&task.command)?;
    // Its output goes where ours would.
    let shell = shell(&task, &script).process_group(0).spawn()?;
    // Otherwise the agent would not see the end of the pipes before ours.
    let null = File::options().write(true).open("/dev/null")?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if is(pid, shell.id()) => return Ok(Status::of(status)),
            // An orphan of the job.
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Makes this process the parent of all below it whose own parent ends.
pub(super) fn adopt_orphans() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

pub(super) fn is(pid: Pid, child: u32) -> bool {
    pid.as_raw_nonzero().get() == child.cast_signed()
}

/// Reads the pipes that are our standard input and standard output until nobody writes to them.
fn listen() -> io::Result<()> {
    // Elsewhere it would count against the limits of the agent's cgroup, or end with it.
    let _ = Homes::find().leave();
    let other = thread::spawn(|| drain(rustix::stdio::stdout()));
    drain(rustix::stdio::stdin())?;
    other.join().unwrap_or(Ok(()))
}

fn drain(pipe: BorrowedFd<'_>) -> io::Result<()> {
    let mut bytes = [0; 4096];
    loop {
        match rustix::io::read(pipe, &mut bytes) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Starts a process that goes on reading these pipes. They are closed, with the writers' end, if it
/// cannot be started.
pub(super) fn go_on_reading(pipes: [Option<Receiver>; 2]) -> io::Result<()> {
    let blocking = |pipe: Option<Receiver>| match pipe {
        Some(pipe) => Ok(Stdio::from(pipe.into_blocking_fd()?)),
        None => Ok::<_, io::Error>(Stdio::null()),
    };
    let [stdout, stderr] = pipes;
    let mut listener = program(LISTEN, None);
    listener.stdin(blocking(stdout)?).stdout(blocking(stderr)?);
    listener.stderr(Stdio::null());
    match Handle::try_current() {
        // Waited for by the runtime, if we are still there when it ends.
        Ok(_) => drop(tokio::process::Command::from(listener).spawn()?),
        Err(_) => drop(listener.spawn()?),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_understood_as_it_was_meant() {
        for report in [
            Report::Ended(Status::Exited(7)),
            Report::Ended(Status::Killed(9)),
            Report::NotStarted("no memory".to_owned()),
        ] {
            let line = report.to_line();
            assert_eq!(Report::parse(line.trim_end().as_bytes()), report);
        }
        assert!(Report::parse(b"exited x").into_status().is_err());
    }

    #[test]
    fn nothing_that_a_person_types_is_taken_for_a_supervisor() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        for line in [
            &["socketman", JOB][..],
            &["/usr/sbin/socketman", LISTEN],
            &[],
        ] {
            assert!(run(words(line)).is_none(), "{line:?}");
        }
    }
}
