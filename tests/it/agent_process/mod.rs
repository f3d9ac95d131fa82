//! The agent as a process: started, asked, ended, killed, and robbed of its bus.

mod bus;
mod endings;
mod shell;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use socketman_lab::agent_binary;
use socketman_lab::collector::Collector;
use socketman_lab::lab::Lab;
use socketman_lab::options::Options;
use socketman_lab::within::{within, DEADLINE};
use tokio::process::Command;

/// A heartbeat lasts 2 s.
const SCALE: u32 = 30;

async fn binary() -> PathBuf {
    agent_binary::find().await.unwrap()
}

/// A lab without its agent.
async fn lab() -> Lab {
    lab_at(SCALE).await
}

async fn lab_at(scale: u32) -> Lab {
    let options = Options::default();
    Lab::start(&options, binary().await, scale).await.unwrap()
}

/// A lab whose agent is on the bus.
async fn lab_with_agent() -> Lab {
    let mut lab = lab().await;
    lab.start_agent().unwrap();
    within("registration", lab.registered()).await.unwrap();
    lab
}

/// Runs `socketman` with these arguments.
async fn socketman(arguments: &[&str]) -> Output {
    let mut command = Command::new(binary().await);
    command.args(arguments).env("DEBUG", "1").kill_on_drop(true);
    within("socketman ends", command.output()).await.unwrap()
}

/// Asks the lab's agent.
async fn ask(lab: &Lab, verb: &str, rest: &[&str]) -> Output {
    let socket = lab.place().socket();
    let arguments = [&[verb, "--ubus-socket", socket.to_str().unwrap()], rest].concat();
    socketman(&arguments).await
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Waits until the API has that many different reports.
async fn reports(api: &Collector, count: usize) {
    let enough = api.wait_for(DEADLINE, |record| {
        record.reports.len() - record.duplicates().len() >= count
    });
    enough.await.unwrap();
}

#[tokio::test]
async fn the_version_is_printed_and_an_unknown_flag_starts_nothing() {
    let output = socketman(&["--version"]).await;
    assert!(output.status.success());
    let version = format!("socketman {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(text(&output.stdout), version);

    let output = socketman(&["--frobnicate"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--frobnicate"));
    assert!(output.stdout.is_empty());
}

#[tokio::test]
async fn a_second_agent_exits_3_and_the_first_goes_on() {
    let mut lab = lab_with_agent().await;
    let pid = lab.agent().unwrap().pid();
    let arguments = lab.program().args();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = socketman(&arguments).await;
    assert_eq!(output.status.code(), Some(3));
    let message = format!("socketman: already running (pid {pid}); see socketman status\n");
    assert_eq!(text(&output.stderr), message);
    reports(&lab.api, 1).await;
}

#[tokio::test]
async fn neither_the_agent_nor_its_jobs_leave_their_memory_in_a_file() {
    let mut lab = lab_with_agent().await;
    let pid = lab.agent().unwrap().pid();
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let soft = core.unwrap().split_whitespace().nth(4);
    assert_eq!(soft, Some("0"), "{limits}");
    let run = ask(&lab, "run", &["--", "ulimit -c"]).await;
    assert_eq!(text(&run.stdout).trim(), "0", "{run:?}");
}

#[tokio::test]
async fn the_history_begins_with_the_first_report() {
    let lab = lab_with_agent().await;
    reports(&lab.api, 1).await;
    let history = within("history", lab.call("history", &())).await.unwrap();
    let lists = history.as_object().unwrap();
    let names: Vec<&str> = lists.keys().map(String::as_str).collect();
    let figures = [
        "at", "health", "load", "ram", "rx_rate", "stations", "tx_rate",
    ];
    assert_eq!(names, figures);
    let points = history["at"].as_array().unwrap().len();
    assert!(points > 0);
    assert!(lists
        .values()
        .all(|list| list.as_array().unwrap().len() == points));
    assert!(history["stations"][0].is_u64(), "{history}");
    assert!(history["rx_rate"][0].is_null(), "{history}");
}

#[tokio::test]
async fn with_half_a_configuration_the_agent_starts_and_says_what_is_wrong() {
    let mut lab = lab().await;
    let file = lab.program().config_file();
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    // With the defaults it would probe the real world; without a route there is none.
    fs::remove_file(lab.place().root().join("proc/net/route")).unwrap();
    lab.start_agent().unwrap();
    within("registration", lab.registered()).await.unwrap();
    let status = lab.call("status", &()).await.unwrap();
    let errors = status["config"]["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{errors:?}");
    let source = errors[0]["source"].as_str().unwrap();
    assert_eq!(Path::new(source), file);
    let output = ask(&lab, "status", &[]).await;
    let shown = text(&output.stdout);
    assert!(shown.contains(&format!("error     {source}")), "{shown}");
}
