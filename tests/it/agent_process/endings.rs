//! The agent ends: when it is asked to, and killed.

use std::process::Output;

use rustix::process::{kill_process, Pid, Signal};
use serde_json::{json, Value};
use socketman_lab::collector::Mode;
use socketman_lab::lab::AGENT_ENDS_WITHIN;
use socketman_lab::ubusd::Ubusd;
use socketman_lab::within::{within, DEADLINE};
use ubus::{Error, Method, Status};

use super::{ask, lab, lab_at, lab_with_agent, reports, socketman, text};

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
    let deaf = lab.place().path().join("deaf");
    let made = std::process::Command::new("mkfifo").arg(&deaf).status();
    assert!(made.unwrap().success());
    let stubborn = format!(
        "trap '' TERM; echo > '{}'; for second in $(seq 60); do sleep 1; done",
        deaf.display()
    );
    let running = tokio::spawn({
        let socket = lab.place().socket();
        async move {
            let socket = socket.to_str().unwrap();
            socketman(&["run", "--ubus-socket", socket, "--", &stubborn]).await
        }
    });
    let heeds_nothing = tokio::task::spawn_blocking(|| std::fs::read(deaf));
    within("the job runs", heeds_nothing)
        .await
        .unwrap()
        .unwrap();
    let waits = |status: &Value| status["spool"]["reports"].as_u64() > Some(0);
    within("a report waits", lab.status_when(waits)).await;

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

#[tokio::test]
async fn who_waits_for_a_job_that_has_not_begun_hears_so_when_the_agent_ends() {
    let mut lab = lab().await;
    let file = lab.program().config_file();
    let mut settings: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    settings["job_workers"] = json!(1);
    lab.program().configure(&settings).unwrap();
    lab.start_agent().unwrap();
    within("registration", lab.registered()).await.unwrap();
    let first = json!({"msg": "exec sleep 600", "wait": false});
    assert_eq!(
        lab.call("run_job", &first).await.unwrap()["state"],
        "running"
    );
    let second = json!({"id": "second", "msg": "exec sleep 600"});
    let pid = Pid::from_raw(lab.agent().unwrap().pid()).unwrap();
    let end = async {
        lab.status_when(|status| status["jobs"]["queued"] == 1)
            .await;
        kill_process(pid, Signal::TERM).unwrap();
    };
    let both = async { tokio::join!(lab.call("run_job", &second), end) };
    let (second, ()) = within("the answer", both).await;
    assert_eq!(second.unwrap(), json!({"id": "second", "state": "queued"}));
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

// An agent that is there and silent is given up after 20 s, in other words.
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
    // Reports under way at a kill may come again, nothing else.
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
