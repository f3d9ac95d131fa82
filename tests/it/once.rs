//! The lab's script, played as a person starts it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{mpsc, OnceLock};
use std::time::{Duration, Instant};

use rustix::process::{kill_process, Pid, Signal};
use serde_json::Value;
use socketman::process::runtime;
use socketman_lab::agent_binary;

/// Longer than any step takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// An agent that ends at once.
const DYING: &str = "#!/bin/sh\necho no heart to go on >&2\nexit 5\n";

/// Plays the script with these options; what it printed, and what it wrote.
fn play(options: &[&str]) -> (Output, Value) {
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("once.json");
    // Those that need a network are played by tests/isolated.
    let arguments = [
        &[
            "--once",
            "--no-namespaces",
            "--json",
            json.to_str().unwrap(),
        ],
        options,
    ]
    .concat();
    let output = lab(&arguments);
    let written = fs::read(&json).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output, serde_json::from_slice(&written).unwrap())
}

fn all_of_it_happened((output, written): &(Output, Value)) {
    assert!(output.status.success(), "{output:?}");
    assert_eq!(written["ok"], true);
    let steps = written["steps"].as_array().unwrap();
    let names: Vec<&str> = steps.iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "agent registers on the bus",
            "report collected and delivered",
            "job over MQTT answered",
            "job over ubus answered",
            "health known and probed",
            "API down and up again, nothing lost",
            "broker down and up again, job answered",
            "bus restarted, object back",
        ]
    );
    for step in steps {
        assert_eq!(step["ok"], true, "{step}");
        assert!(step["ms"].is_u64() && step["detail"].is_string(), "{step}");
    }
    // The first, and those that piled up while the API was down.
    assert!(written["reports_delivered"].as_u64().unwrap() >= 4);
    let jobs = written["jobs"].as_array().unwrap();
    let ended = |id: &str, source: &str| {
        let job = jobs
            .iter()
            .find(|job| job["source"] == source && job["id"] == id);
        job.is_some_and(|job| job["state"] == "done" && job["exit_code"] == 0)
    };
    assert!(ended("lab-1", "mqtt") && ended("lab-2", "mqtt"), "{jobs:?}");
    let by_bus = jobs.iter().find(|job| job["source"] == "ubus").unwrap();
    assert_eq!(by_bus["exit_code"], 7);
    let status = &written["status"];
    assert_eq!(status["mac"], "94:83:c4:a1:b2:00");
    assert_eq!(status["mqtt"]["connected"], true);
    assert_eq!(status["mqtt"]["reconnects"], 1);
    assert_eq!(status["spool"]["dropped"], 0);
}

#[test]
fn with_the_embedded_broker_all_of_it_happens() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("lab");
    let played = play(&["--stations", "40", "--dir", place.to_str().unwrap()]);
    all_of_it_happened(&played);
    assert_eq!(played.1["status"]["stations"], 40);
    // A directory that was given is kept, with what the API accepted.
    let accepted = fs::read_to_string(place.join("collector/reports.ndjson")).unwrap();
    assert!(accepted.lines().count() as u64 >= played.1["reports_delivered"].as_u64().unwrap());
    assert!(place.join("agent.log").is_file());
}

#[test]
fn with_mosquitto_all_of_it_happens() {
    let mosquitto = Mosquitto::start();
    let broker = format!("127.0.0.1:{}", mosquitto.port);
    let played = play(&["--broker", &broker]);
    all_of_it_happened(&played);
    let printed = String::from_utf8_lossy(&played.0.stdout);
    assert!(printed.contains(&broker), "{printed}");
}

#[test]
fn the_console_says_what_happens_obeys_and_ends_by_a_signal_not_with_its_input() {
    let mut child = command(&["--time-scale", "30"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let printed = Lines::of(child.stdout.take().unwrap());
    let mut input = child.stdin.take().unwrap();
    let directory = printed.until("  directory  ");
    let directory = directory.split_whitespace().nth(1).unwrap();
    let agent = printed.until("  agent      pid ");
    let agent = agent.split_whitespace().last().unwrap();
    printed.until("report 1 accepted: 6 stations");

    let mut order = |order: &str| writeln!(input, "{order}").unwrap();
    order("frobnicate");
    printed.until("'frobnicate' is no command");
    order("status");
    printed.until("broker    ");
    // So large that one fills a request: the newest goes ahead of what waits.
    order("stations 512");
    printed.until("accepted: 512 stations");
    order("api 500");
    printed.until("API answered 500 to");
    order("api up");
    printed.until("accepted: ");
    order("mqtt down");
    printed.until("broker: down");
    order("job echo hello; exit 3");
    printed.until("job lab-1 sent: echo hello; exit 3");
    order("mqtt up");
    printed.until("job lab-1 DELIVERED");
    printed.until("job lab-1 PROCESSED, exit code 3: hello");
    order("ubus restart");
    printed.until("bus: object socketman is back after ");

    drop(input);
    printed.until("no more commands");
    printed.until("accepted: ");
    assert!(Path::new("/proc").join(agent).exists() && Path::new(directory).exists());
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    printed.until("The agent ended: exit status: 0.");
    assert!(child.wait().unwrap().success());
    assert!(!Path::new("/proc").join(agent).exists() && !Path::new(directory).exists());
}

#[test]
fn a_broker_that_is_not_there_is_named_and_nothing_is_played() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let broker = free.local_addr().unwrap().to_string();
    drop(free);
    let output = lab(&["--once", "--broker", &broker]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains(&format!("socketman-lab: broker {broker}: ")),
        "{error}"
    );
    assert!(error.to_lowercase().contains("refused"), "{error}");
}

#[test]
fn an_agent_that_dies_fails_the_script_at_once_with_its_last_words() {
    let dir = tempfile::tempdir().unwrap();
    let lab = dir.path().join("socketman-lab");
    let agent = dir.path().join("socketman");
    // By a process of its own: one that another test starts meanwhile would hold the files open for
    // writing for a moment, in which nobody can run them.
    let made = Command::new("sh")
        .args([
            "-euc",
            "cp \"$0\" \"$1\"; printf %s \"$3\" > \"$2\"; chmod 755 \"$2\"",
        ])
        .args([
            env!("CARGO_BIN_EXE_socketman-lab").as_ref(),
            lab.as_os_str(),
        ])
        .args([agent.as_os_str(), DYING.as_ref()])
        .status();
    assert!(made.unwrap().success());
    let json = dir.path().join("once.json");
    let start = Instant::now();
    let output = Command::new(&lab)
        .args(["--once", "--time-scale", "1", "--json"])
        .arg(&json)
        .arg("--dir")
        .arg(dir.path().join("lab"))
        .env_remove("CARGO")
        .env_remove("SOCKETMAN_AGENT")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    // The step would have waited for 430 s.
    assert!(start.elapsed() < DEADLINE);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("FAILED"), "{printed}");
    assert!(printed.contains("no heart to go on"), "{printed}");
    let written: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert_eq!(written["ok"], false);
    let steps = written["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0]["detail"], "the agent ended: exit status: 5");
}

#[test]
fn arguments_that_make_no_sense_are_refused_before_anything_starts() {
    for (arguments, hint) in [
        (&["--json", "x"][..], "--once"),
        (&["--once", "--no-agent"], "cannot be used with"),
        (&["--stations", "many"], "is not a number"),
        (&["--time-scale", "0"], "1..=10000"),
        (&["--frobnicate"], "unexpected argument"),
    ] {
        let output = lab(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(hint), "{arguments:?}: {error}");
    }
}

fn lab(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    static AGENT: OnceLock<()> = OnceLock::new();
    AGENT.get_or_init(|| {
        runtime::run(agent_binary::find()).unwrap().unwrap();
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_socketman-lab"));
    command.args(arguments);
    // Without cargo it takes the agent beside it, the one just built.
    command.env_remove("CARGO");
    command
}

/// The output of a program, read as it comes.
struct Lines(mpsc::Receiver<String>);

impl Lines {
    fn of(output: impl Read + Send + 'static) -> Self {
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            // Read on when nobody listens any more, so that the program is not held up.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Lines(lines)
    }

    /// The first line from here on that has these words. Every answer of the API arrives here, so that no
    /// report comes twice.
    fn until(&self, words: &str) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.0.recv_timeout(left) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => assert!(!line.contains("accepted again"), "{line}"),
                Err(error) => panic!("'{words}' was not printed: {error}"),
            }
        }
    }
}

/// Debian's broker, on a port of its own.
struct Mosquitto {
    child: Child,
    port: u16,
}

impl Mosquitto {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let settings = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest stderr\nlog_type all\n"
        );
        let conf = dir.path().join("conf");
        fs::write(&conf, settings).unwrap();
        let mut child = Command::new(program())
            .arg("-c")
            .arg(&conf)
            .stderr(Stdio::piped())
            .spawn()
            .expect("mosquitto does not start: install Debian's package mosquitto");
        Lines::of(child.stderr.take().unwrap()).until("running");
        Mosquitto { child, port }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Debian puts it where only root looks.
fn program() -> &'static Path {
    let there = Path::new("/usr/sbin/mosquitto");
    match there.is_file() {
        true => there,
        false => Path::new("mosquitto"),
    }
}
