//! The lab's script, played as a person starts it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use socketman_lab::agent_binary;

/// Plays the script with these options; what it printed, and what it wrote.
fn play(options: &[&str]) -> (Output, Value) {
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("once.json");
    let arguments = [&["--once", "--json", json.to_str().unwrap()], options].concat();
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
    static AGENT: OnceLock<()> = OnceLock::new();
    AGENT.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(agent_binary::find()).unwrap();
    });
    Command::new(env!("CARGO_BIN_EXE_socketman-lab"))
        .args(arguments)
        // Without cargo it takes the agent beside it, the one just built.
        .env_remove("CARGO")
        .output()
        .unwrap()
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
            "listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest stdout\nlog_type all\n"
        );
        let conf = dir.path().join("conf");
        fs::write(&conf, settings).unwrap();
        let mut child = Command::new(program())
            .arg("-c")
            .arg(&conf)
            .stdout(Stdio::piped())
            .spawn()
            .expect("mosquitto does not start: install Debian's package mosquitto");
        let log = BufReader::new(child.stdout.take().unwrap());
        let mut lines = log.lines();
        assert!(
            lines.any(|line| line.unwrap().ends_with("running")),
            "mosquitto ended at once"
        );
        // Its log goes on and has to be read.
        std::thread::spawn(move || lines.count());
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
