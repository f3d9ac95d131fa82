//! The agent as a process: started, asked, ended, killed, and robbed of its bus.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use rustix::process::{kill_process, Pid, Signal};
use serde_json::{json, Value};
use socketman_lab::agent_binary;
use socketman_lab::agent_process::AgentProgram;
use socketman_lab::collector::{Collector, Mode};
use socketman_lab::lab::{Lab, AGENT_ENDS_WITHIN};
use socketman_lab::options::Options;
use socketman_lab::ubusd::Ubusd;
use socketman_lab::within::{within, DEADLINE};
use tokio::process::Command;
use ubus::{Error, Method, Status};

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
async fn sigterm_ends_the_agent_in_time_and_the_broker_hears_that_it_is_offline() {
    let mut lab = lab().await;
    let mut ear = lab.mqtt.listen();
    lab.start_agent().unwrap();
    let online = |state: &'static str| {
        move |words: &socketman_lab::mqtt_side::Words| {
            words.event_type == "CONNECT" && words.meta.online == state
        }
    };
    within("online", ear.wait_for(online("1"))).await.unwrap();
    // A job that would run for long does not hold it up.
    within("presence", ear.wait_for(|words| words.event_type == "PING"))
        .await
        .unwrap();
    let id = lab.send_job("sleep 600").await.unwrap();
    let taken = ear.wait_for(|words| words.event_type == "DELIVERED" && words.id == id);
    within("job taken", taken).await.unwrap();

    let agent = lab.agent().unwrap();
    let status = agent.terminate(AGENT_ENDS_WITHIN).await.unwrap();
    assert!(status.success(), "{status}");
    within("offline", ear.wait_for(online("0"))).await.unwrap();
}

#[tokio::test]
async fn open_calls_are_answered_when_the_agent_ends_and_then_it_is_not_running() {
    let mut lab = lab_with_agent().await;
    reports(&lab.api, 1).await;
    let never = Mode::Slow(DEADLINE);
    lab.set_api(never).await.unwrap();
    // Its shell does not heed SIGTERM, so the agent has something to wait for when it ends.
    let stubborn = "trap '' TERM; for second in $(seq 60); do sleep 1; done";
    let running = tokio::spawn({
        let socket = lab.place().socket();
        async move {
            let socket = socket.to_str().unwrap();
            socketman(&["run", "--ubus-socket", socket, "--", stubborn]).await
        }
    });
    let is_busy = |status: &Value| {
        status["jobs"]["running"] == 1 && status["spool"]["reports"].as_u64() > Some(0)
    };
    within("a job runs, a report waits", lab.status_when(is_busy)).await;

    let pid = Pid::from_raw(lab.agent().unwrap().pid()).unwrap();
    let upload = lab
        .client()
        .call_raw("socketman", "upload", Vec::new(), DEADLINE);
    let end = async {
        // Calls of one caller are taken in order: the one before waits by now.
        lab.call("status", &()).await.unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        while lab.client().lookup("socketman", DEADLINE).await.is_ok() {
            tokio::task::yield_now().await;
        }
        ask(&lab, "status", &[]).await
    };
    let (upload, status) = within("the answers", async { tokio::join!(upload, end) }).await;
    assert_eq!(upload, Err(Error::Status(Status::NOT_FOUND)));
    let error = text(&status.stderr);
    assert!(
        error.starts_with("socketman: socketman is not running"),
        "{error}"
    );
    assert!(
        lab.agent().unwrap().end().borrow().is_none(),
        "the agent has ended: its object may have gone with the process"
    );
    let run = running.await.unwrap();
    assert_eq!(run.status.code(), Some(1));
    let error = text(&run.stderr);
    assert!(
        error.starts_with("socketman: the agent has ended, and the job 'local-"),
        "{error}"
    );
    let status = within("the end", lab.agent_ended()).await.unwrap();
    assert!(status.success(), "{status}");
}

/// An agent that leaves the bus with a call in its hands, as one that ends at that moment does, and
/// comes back to it if `again`.
async fn asked_while_it_goes(again: bool) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("ubus.sock");
    let _ubusd = Ubusd::start(&socket).unwrap();
    let (client, connection) = ubus::connect(&socket);
    tokio::spawn(connection.run());
    let offer = || client.offer("socketman", vec![Method::new("status", &[])]);
    let mut object = within("offered", offer()).await.unwrap();
    let leaving = async {
        let unanswered = object.next().await;
        // The caller has looked once: the look-up it sent with its call is answered by now.
        client.lookup("socketman", DEADLINE).await.unwrap();
        drop(object);
        while client.lookup("socketman", DEADLINE).await.is_ok() {
            tokio::task::yield_now().await;
        }
        let back = match again {
            true => Some(offer().await.unwrap()),
            false => None,
        };
        (unanswered, back)
    };
    let asked = ["status", "--ubus-socket", socket.to_str().unwrap()];
    let (output, _held) = tokio::join!(socketman(&asked), leaving);
    output
}

// One that is there and silent is given up after 20 s, in other words.
#[tokio::test]
async fn a_caller_does_not_wait_for_an_agent_that_has_gone() {
    let output = asked_while_it_goes(false).await;
    let error = text(&output.stderr);
    assert!(
        error.starts_with("socketman: socketman is not running; "),
        "{error}"
    );
    let output = asked_while_it_goes(true).await;
    let expected = "socketman: socketman status: the agent restarted before it answered; see: \
                    socketman status\n";
    assert_eq!(text(&output.stderr), expected);
}

#[tokio::test]
async fn reports_go_on_after_kill_9_without_a_loss() {
    let mut lab = lab_with_agent().await;
    let mut sure = 0;
    // With reports waiting, and with none.
    for mode in [Mode::Up, Mode::Down, Mode::Up, Mode::Down] {
        reports(&lab.api, sure + 2).await;
        lab.set_api(mode).await.unwrap();
        if mode == Mode::Down {
            let piled = lab.status_when(|s| s["spool"]["reports"].as_u64() >= Some(2));
            within("reports wait", piled).await;
        }
        lab.agent().unwrap().kill().await.unwrap();
        let first = lab.api.reports().iter().map(|id| id.seq).max().unwrap();
        lab.start_agent().unwrap();
        within("registration", lab.registered()).await.unwrap();
        lab.set_api(Mode::Up).await.unwrap();
        sure = usize::try_from(first).unwrap() + 2;
        reports(&lab.api, sure).await;
    }
    let record = lab.api.record();
    assert_eq!(record.missing(), []);
    // What was under way at a kill may come again, nothing else.
    assert!(
        record.duplicates().len() <= 4 * 4,
        "{:?}",
        record.duplicates()
    );
    for line in lab.api.lines().unwrap() {
        let report: Value = serde_json::from_str(&line).unwrap();
        // The first start cannot know whether there was anything before a power cut.
        let gaps = report["gaps"].as_array().cloned().unwrap_or_default();
        let is_first = report["device"]["seq"] == 1;
        let known = |gap: &Value| !is_first || gap["reason"] != "power";
        assert!(!gaps.iter().any(known), "{line}");
    }
}

#[tokio::test]
async fn an_agent_that_dies_again_and_again_is_on_the_bus_and_leaves_the_broker_alone() {
    // At the pace of a router, so that the wait (64 s) outlasts the busiest machine's test.
    let mut lab = lab_at(1).await;
    for deaths in 0..7 {
        lab.start_agent().unwrap();
        within("registration", lab.registered()).await.unwrap();
        let status = lab.call("status", &()).await.unwrap();
        assert_eq!(status["starts"]["count"], deaths);
        assert_eq!(status["starts"]["held_until"].is_number(), deaths >= 4);
        if deaths < 6 {
            lab.agent().unwrap().kill().await.unwrap();
            within("the object is gone", async {
                while lab.client().lookup("socketman", DEADLINE).await.is_ok() {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
    }
    let output = ask(&lab, "status", &[]).await;
    let shown = text(&output.stdout);
    assert!(shown.contains("broker    NOT tried, "), "{shown}");
    assert!(
        shown.contains("starts    ended without being told to 6 times"),
        "{shown}"
    );

    let agent = lab.agent().unwrap();
    let status = agent.terminate(AGENT_ENDS_WITHIN).await.unwrap();
    assert!(status.success(), "{status}");
    lab.start_agent().unwrap();
    let free = lab.status_when(|status| status["mqtt"]["connected"] == true);
    let status = within("a session with the broker", free).await;
    assert_eq!(status["starts"], json!({"count": 0}));
}

#[tokio::test]
async fn without_a_bus_the_device_is_reported_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    // Plain Linux: this machine.
    symlink("/proc", root.join("proc")).unwrap();
    symlink("/sys", root.join("sys")).unwrap();
    let api = Collector::start("127.0.0.1:0".parse().unwrap(), dir.path());
    let api = api.await.unwrap();
    let program = AgentProgram::below(dir.path(), binary().await, SCALE).unwrap();
    let settings = json!({
        "mac": "02:00:00:00:00:01",
        "stats_url": api.url("/stats"),
        "health_url": "",
        "web_url": "",
    });
    program.configure(&settings).unwrap();
    let mut agent = program.start().unwrap();
    reports(&api, 2).await;
    let lines = api.lines().unwrap();
    let report: Value = serde_json::from_str(&lines[1]).unwrap();
    let device = &report["device"];
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!(device["boot_id"], boot_id.trim_end());
    assert_eq!(device["mac"], "02:00:00:00:00:01");
    assert_eq!(device["seq"], 2);
    let memory = fs::read_to_string("/proc/meminfo").unwrap();
    let total = memory.split_whitespace().nth(1).unwrap();
    let total = total.parse::<u64>().unwrap() * 1024;
    assert_eq!(device["total_ram"], total);
    assert!(device["uptime"].as_u64().unwrap() > 0 && device["load_1"].is_number());
    agent.terminate(AGENT_ENDS_WITHIN).await.unwrap();
}

#[tokio::test]
async fn the_agent_outlives_its_bus_whenever_that_ends_and_is_back_within_a_second() {
    let mut lab = lab_with_agent().await;
    let pid = lab.agent().unwrap().pid();
    let mut rng = fastrand::Rng::with_seed(7);
    for _ in 0..8 {
        // Any moment of a round of collecting, which takes 500 ms.
        tokio::time::sleep(Duration::from_millis(rng.u64(0..500))).await;
        lab.stop_bus().await;
        tokio::time::sleep(Duration::from_millis(rng.u64(0..300))).await;
        lab.start_bus().unwrap();
        let back = Instant::now();
        within("the object is back", lab.registered())
            .await
            .unwrap();
        // The machine may be busy; the agent itself waits for half a second at most.
        assert!(
            back.elapsed() < Duration::from_secs(3),
            "{:?}",
            back.elapsed()
        );
    }
    let status = lab.call("status", &()).await.unwrap();
    assert_eq!(lab.agent().unwrap().pid(), pid);
    let known = lab.api.reports().len();
    reports(&lab.api, known + 2).await;
    assert_eq!(status["spool"]["dropped"], 0);
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

#[tokio::test]
async fn the_agent_answers_in_the_shell_to_people_and_to_programs() {
    let lab = lab_with_agent().await;
    reports(&lab.api, 1).await;
    let json = |output: Output| -> Value {
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };

    let output = ask(&lab, "run", &["--", "echo out; echo err >&2; exit 7"]).await;
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(
        (text(&output.stdout), text(&output.stderr)),
        ("out\n", "err\n")
    );
    let output = ask(&lab, "run", &["--", "kill -9 $$"]).await;
    assert_eq!(output.status.code(), Some(128 + 9));

    let output = ask(&lab, "status", &[]).await;
    assert!(output.status.success());
    let shown = text(&output.stdout);
    assert!(
        shown.starts_with("socketman 0.1.0, 94:83:c4:a1:b2:00, up "),
        "{shown}"
    );
    assert!(
        shown.contains("jobs      0 running, 0 waiting, 0 done, 2 failed, 0 rejected"),
        "{shown}"
    );
    assert_eq!(
        json(ask(&lab, "status", &["--json"]).await)["jobs"]["failed"],
        2
    );

    let output = ask(&lab, "stats", &[]).await;
    let shown = text(&output.stdout);
    for mac in lab.router.facts().macs() {
        assert!(shown.contains(&mac), "{mac}: {shown}");
    }
    let stats = json(ask(&lab, "stats", &["--json"]).await);
    assert_eq!(stats["device"]["hostname"], "harbour-gw");

    let output = ask(&lab, "jobs", &[]).await;
    assert_eq!(
        text(&output.stdout).lines().count(),
        3,
        "a heading and two jobs"
    );
    let jobs = json(ask(&lab, "jobs", &["--json"]).await);
    assert_eq!(jobs["jobs"][1]["exit_code"], 7);
}

#[tokio::test]
async fn without_an_agent_or_a_bus_the_shell_says_so_and_exits_1() {
    let lab = lab().await;
    for verb in ["status", "stats", "jobs"] {
        let output = ask(&lab, verb, &[]).await;
        assert_eq!(output.status.code(), Some(1));
        let error = text(&output.stderr);
        assert!(
            error.starts_with("socketman: socketman is not running"),
            "{error}"
        );
    }
    let missing = lab.place().path().join("nowhere.sock");
    let missing = missing.to_str().unwrap();
    for rest in [&["status"][..], &["run", "--", "true"]] {
        let arguments = [&rest[..1], &["--ubus-socket", missing], &rest[1..]].concat();
        let output = socketman(&arguments).await;
        assert_eq!(output.status.code(), Some(1));
        let error = text(&output.stderr);
        assert!(
            error.starts_with(&format!(
                "socketman: cannot connect to the bus at {missing}: "
            )),
            "{error}"
        );
    }
}
