//! Jobs that outlive the agent.

mod moved;

use std::os::unix::fs::{symlink, PermissionsExt};

use super::*;
use crate::jobs::run::detached::{adopt, follow, forget, names, output, start};
use crate::jobs::StreamName;

const NAME: &str = "00112233aabbccdd";

/// In the environment of this program: it is an agent whose state is there, for as long as it lives.
const STATE: &str = "SOCKETMAN_TEST_STATE";

/// A directory for the state of agents that follow each other.
struct Device {
    dir: TempDir,
    state: PathBuf,
}

impl Device {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let state = dir.path().join("state");
        Device { dir, state }
    }

    /// An agent that starts a job.
    fn starts(&self, command: &str, seconds: u64) -> Agent {
        let (state, stop) = (self.state.clone(), oneshot::channel());
        let output = Output::new();
        let work = Work {
            id: "op 42".into(),
            msg: command.to_owned(),
            type_name: "shell".to_owned(),
            limits: Limits {
                timeout: Duration::from_secs(seconds),
                output_max: 1000,
            },
            output: output.clone(),
            tap: None,
        };
        Agent {
            outcome: tokio::spawn(async move { start(&state, NAME, work, stop.1).await }),
            stop: stop.0,
            output,
        }
    }

    /// An agent that finds it.
    fn adopts(&self) -> Agent {
        let (state, stop) = (self.state.clone(), oneshot::channel());
        Agent {
            output: output(&state, NAME),
            outcome: tokio::spawn(async move { adopt(&state, NAME, "shell", stop.1).await }),
            stop: stop.0,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.state.join("detached").join(NAME).join(name)
    }
}

/// An agent and its detached job.
struct Agent {
    outcome: JoinHandle<Option<Outcome>>,
    stop: oneshot::Sender<Stop>,
    output: Output,
}

impl Agent {
    /// The first `count` lines of its output.
    async fn lines(&self, count: usize) -> Vec<String> {
        let enough = async {
            loop {
                let (said, _, _) = self.output.snapshot();
                if said.matches('\n').count() >= count {
                    return said.lines().map(str::to_owned).collect();
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        within("a job says something", enough).await
    }

    async fn outcome(self) -> Outcome {
        let outcome = within("a job ends", self.outcome).await.unwrap();
        outcome.expect("the agent has not ended")
    }

    async fn ends(self) {
        self.stop
            .send(Stop::Shutdown(Duration::from_secs(2)))
            .unwrap();
        assert_eq!(within("the agent ends", self.outcome).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_detached_job_is_reported_like_any_other() {
    let device = Device::new();
    let command = "echo $$ $PPID $SOCKETMAN_JOB_ID; umask >&2; head -c 2000 /dev/zero >&2; exit 3";
    let outcome = device.starts(command, 60).outcome().await;
    assert_eq!((outcome.exit_code, outcome.success), (Some(3), false));
    assert_eq!(
        (outcome.end, &*outcome.type_name),
        (End::Processed, "shell")
    );
    assert!(outcome.stdout.ends_with(" op 42\n"), "{outcome:?}");
    assert!(
        outcome.stderr.starts_with("0077\n\0") && outcome.truncated,
        "{outcome:?}"
    );
    assert_eq!(outcome.stderr.len(), 1000);
    // Ours alone, for the next agent if this one does not come to record it.
    for name in ["job", "stdout", "stderr", "end"] {
        let mode = fs::metadata(device.file(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(names(&device.state).unwrap(), [NAME]);
    assert_eq!(device.adopts().outcome().await, outcome);
    forget(&device.state, NAME).unwrap();
    forget(&device.state, NAME).unwrap();
    assert!(names(&device.state).unwrap().is_empty());
    let outcome = device.adopts().outcome().await;
    assert_eq!(outcome.end, End::Interrupted);
}

#[tokio::test]
async fn a_detached_job_outlives_the_agent_and_the_next_one_reports_it() {
    let device = Device::new();
    let dir = TempDir::new().unwrap();
    let gate = fifo(&dir, "gate");
    let command = format!(
        "echo $(cut -d' ' -f6 /proc/$$/stat) $$; read x < {}; echo $x",
        gate.display()
    );
    let agent = device.starts(&command, 60);
    let line = agent.lines(1).await.remove(0);
    // In a session of its own, which no end of ours reaches.
    let session = line.split(' ').next().unwrap();
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let ours = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split(' ')
        .nth(4)
        .unwrap()
        .to_owned();
    assert_ne!(session, ours);
    agent.ends().await;

    let agent = device.adopts();
    assert_eq!(agent.lines(1).await, std::slice::from_ref(&line));
    tell(&gate, "done\n").await;
    let outcome = agent.outcome().await;
    assert_eq!(outcome.stdout, format!("{line}\ndone\n"));
    assert!(outcome.success, "{outcome:?}");
}

#[tokio::test]
async fn a_detached_job_ends_with_its_time_without_any_agent() {
    let device = Device::new();
    let agent = device.starts(
        "(env -i setsid sh -c 'echo $$; exec /bin/sleep 300' &); sleep 300",
        2,
    );
    let orphan = agent.lines(1).await.remove(0);
    agent.ends().await;
    let ended = async {
        while !device.file("end").exists() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    within("the job ends", ended).await;
    assert!(!lives(&orphan));
    let outcome = device.adopts().outcome().await;
    assert_eq!(outcome.reason.as_deref(), Some("timed out after 2 s"));
    assert_eq!(outcome.signal, Some(9));
}

#[tokio::test]
async fn a_detached_job_is_cancelled_by_the_next_agent() {
    let device = Device::new();
    let agent = device.starts(
        "(env -i setsid sh -c 'echo $$; exec /bin/sleep 300' &); sleep 300",
        60,
    );
    let orphan = agent.lines(1).await.remove(0);
    agent.ends().await;
    let agent = device.adopts();
    agent.lines(1).await;
    agent.stop.send(Stop::Cancel).unwrap();
    let outcome = within("a job ends", agent.outcome).await.unwrap().unwrap();
    assert_eq!(outcome.reason.as_deref(), Some("cancelled"));
    assert!(!lives(&orphan));
}

#[tokio::test]
async fn a_detached_job_whose_supervisor_was_killed_is_interrupted() {
    let device = Device::new();
    let agent = device.starts("echo so far; sleep 0.1; kill -9 $PPID; sleep 0.1", 60);
    let outcome = agent.outcome().await;
    assert_eq!(outcome.end, End::Interrupted);
    assert_eq!(outcome.stdout, "so far\n");
    assert!(outcome.reason.unwrap().contains("went down"));
}

#[tokio::test]
async fn what_a_detached_job_leaves_in_the_background_may_go_on_talking() {
    let device = Device::new();
    let dir = TempDir::new().unwrap();
    let (gate, done) = (fifo(&dir, "gate"), fifo(&dir, "done"));
    let command = format!(
        "(read x < {}; echo more; echo $? > {}) & exit 0",
        gate.display(),
        done.display()
    );
    let outcome = device.starts(&command, 60).outcome().await;
    assert!(outcome.success, "{outcome:?}");
    tell(&gate, "go\n").await;
    assert_eq!(hear(&done).await, "0\n");
}

#[tokio::test]
async fn output_of_a_detached_job_is_heard_as_it_comes() {
    let device = Device::new();
    let dir = TempDir::new().unwrap();
    let gate = fifo(&dir, "gate");
    let (tap, mut pieces) = Tap::new(8);
    let work = Work {
        id: "1".into(),
        msg: format!("echo one; read x < {}; echo two >&2", gate.display()),
        type_name: String::new(),
        limits: Limits {
            timeout: DEADLINE,
            output_max: 1000,
        },
        output: Output::new(),
        tap: Some(tap),
    };
    let state = device.state.clone();
    let (_stop, stopped) = oneshot::channel();
    let job = tokio::spawn(async move { start(&state, NAME, work, stopped).await });
    let piece = within("a piece", pieces.recv()).await.unwrap();
    assert_eq!(
        (piece.stream, &*piece.bytes),
        (StreamName::Stdout, &b"one\n"[..])
    );
    tell(&gate, "go\n").await;
    let piece = within("a piece", pieces.recv()).await.unwrap();
    assert_eq!(
        (piece.stream, &*piece.bytes),
        (StreamName::Stderr, &b"two\n"[..])
    );
    within("the job ends", job).await.unwrap().unwrap();
    assert_eq!(pieces.recv().await, None);
}

#[tokio::test]
async fn a_link_in_the_place_of_a_file_is_not_followed() {
    let device = Device::new();
    let victim = device.dir.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let directory = device.file("");
    fs::create_dir_all(&directory).unwrap();
    for path in [
        device.state.as_path(),
        directory.parent().unwrap(),
        &directory,
    ] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    }
    for name in ["stdout", "end", "job"] {
        symlink(&victim, device.file(name)).unwrap();
    }
    let outcome = device.starts("echo x", 60).outcome().await;
    assert!(outcome.reason.unwrap().contains("cannot be started"));
    let outcome = device.adopts().outcome().await;
    assert_eq!(outcome.end, End::Interrupted);
    forget(&device.state, NAME).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

#[tokio::test]
async fn this_program_can_be_an_agent() {
    let Some(state) = std::env::var_os(STATE) else {
        return;
    };
    let dir = TempDir::new().unwrap();
    let state = PathBuf::from(state);
    let gate = state.with_file_name("gate");
    let device = Device { dir, state };
    let command = format!("echo $$; read x < {}; exit 5", gate.display());
    device.starts(&command, 60).outcome().await;
}

#[tokio::test]
async fn a_detached_job_outlives_an_agent_that_is_killed_with_all_of_its_group() {
    let device = Device::new();
    let gate = fifo(&device.dir, "gate");
    let test = "jobs::run::tests::detached::this_program_can_be_an_agent";
    let mut agent = std::os::unix::process::CommandExt::process_group(
        Command::new("/proc/self/exe")
            .args([test, "--exact"])
            .env(STATE, &device.state),
        0,
    )
    .stdout(std::process::Stdio::null())
    .spawn()
    .unwrap();
    let there = async {
        while fs::read_to_string(device.file("stdout"))
            .unwrap_or_default()
            .is_empty()
        {
            sleep(Duration::from_millis(20)).await;
        }
    };
    within("the job runs", there).await;
    let group = rustix::process::Pid::from_child(&agent);
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
    agent.wait().unwrap();
    let agent = device.adopts();
    agent.lines(1).await;
    tell(&gate, "go\n").await;
    let outcome = agent.outcome().await;
    assert_eq!(outcome.exit_code, Some(5), "{outcome:?}");
}

// All of the above once more.
#[tokio::test]
async fn detached_jobs_are_the_same_without_cgroups() {
    let without = crate::jobs::run::homes::WITHOUT;
    if std::env::var_os(without).is_some() {
        return;
    }
    let mut tests = tokio::process::Command::new("/proc/self/exe");
    tests.arg("jobs::run::tests::detached::").env(without, "1");
    let done = within("the tests end", tests.output()).await.unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}");
    assert!(said.contains(" 0 failed"), "{said}");
}
