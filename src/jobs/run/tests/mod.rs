//! Jobs as processes, in a cgroup and under a supervisor.

mod background;
mod begin;
mod detached;
mod ended;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::future::Future;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::shell::Finished;
use super::*;

/// Longer than any step takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// In the environment of this program: it is run as [`supervisor`], with these arguments.
const ARGUMENTS: &str = "SOCKETMAN_TEST_ARGUMENTS";

/// Has this program, of which the tests are a part, do what the agent would.
pub(super) fn as_arguments(command: &mut Command, verb: &str, argument: Option<&OsStr>) {
    let mut line = OsString::from(verb);
    if let Some(argument) = argument {
        line.push("\n");
        line.push(argument);
    }
    let test = "jobs::run::tests::this_program_can_be_a_supervisor";
    let options = ["--exact", "--nocapture", "--quiet", "--test-threads=1"];
    command.arg(test).args(options).env(ARGUMENTS, line);
}

#[test]
fn this_program_can_be_a_supervisor() {
    let Some(line) = std::env::var_os(ARGUMENTS) else {
        return;
    };
    let arguments = line.as_bytes().split(|byte| *byte == b'\n');
    let arguments = arguments.map(|word| OsString::from_vec(word.to_vec()));
    let code = supervisor::run(
        [OsString::from("socketman-job")]
            .into_iter()
            .chain(arguments),
    );
    std::process::exit(i32::from(code.is_none()));
}

/// With cgroups, and without.
fn places() -> Vec<Homes> {
    match Homes::find().make() {
        Some(cgroup) => {
            assert!(cgroup.remove());
            vec![Homes::find().clone(), Homes::none()]
        }
        None => vec![Homes::none()],
    }
}

/// A job that runs.
struct Running {
    finished: JoinHandle<(Finished, Option<Leftover>)>,
    stop: oneshot::Sender<Stop>,
    output: Output,
}

impl Running {
    fn start(homes: &Homes, command: &str, seconds: u64) -> Self {
        Running::start_in(homes, Spare::default(), command, seconds)
    }

    fn start_in(homes: &Homes, spare: Spare, command: &str, seconds: u64) -> Self {
        let limits = Limits {
            timeout: Duration::from_secs(seconds),
            output_max: 64 * 1024,
        };
        let task = Task {
            id: "op 42".to_owned(),
            command: command.to_owned(),
            limits,
        };
        let output = Output::new();
        let guard = Guard::Supervisor;
        let shell = Shell::start(&task, homes, spare, guard, output.clone(), None).unwrap();
        let (stop, stopped) = oneshot::channel();
        Running {
            finished: tokio::spawn(shell.finish(limits.timeout, stopped)),
            stop,
            output,
        }
    }

    /// Its output so far, without the lines that the test harness prints as a supervisor.
    fn said(&self) -> String {
        plain(&self.output.snapshot().0)
    }

    /// Waits until it has said `count` lines.
    async fn lines(&self, count: usize) -> Vec<String> {
        let enough = async {
            loop {
                let said = self.said();
                if said.matches('\n').count() >= count {
                    return said.lines().map(str::to_owned).collect();
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        within("a job says something", enough).await
    }

    async fn end(self) -> (Finished, Option<Leftover>) {
        let (mut finished, leftover) = within("a job ends", self.finished).await.unwrap();
        finished.stdout = plain(&finished.stdout);
        (finished, leftover)
    }
}

async fn within<T>(what: &str, step: impl Future<Output = T>) -> T {
    match timeout(DEADLINE, step).await {
        Ok(done) => done,
        Err(_) => panic!("not in time: {what}"),
    }
}

/// Runs a command to its end.
async fn ran(homes: &Homes, command: &str) -> Finished {
    Running::start(homes, command, 60).end().await.0
}

/// The words of the job alone.
fn plain(said: &str) -> String {
    said.strip_prefix("\nrunning 1 test\n")
        .unwrap_or(said)
        .to_owned()
}

/// Returns true if a process with this number is alive.
fn lives(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat[stat.rfind(')').unwrap()..].starts_with(") Z"))
}

/// A FIFO that both sides open without waiting for each other.
fn fifo(dir: &TempDir, name: &str) -> PathBuf {
    let path = dir.path().join(name);
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
    path
}

/// Writes to a FIFO when somebody reads it.
async fn tell(path: &Path, words: &'static str) {
    let path = path.to_path_buf();
    let told = tokio::task::spawn_blocking(move || fs::write(path, words));
    within("somebody reads", told).await.unwrap().unwrap();
}

/// Reads what somebody writes to a FIFO.
async fn hear(path: &Path) -> String {
    let path = path.to_path_buf();
    let heard = tokio::task::spawn_blocking(move || fs::read_to_string(path));
    within("somebody writes", heard).await.unwrap().unwrap()
}
