//! Exchanges that run alike with the lab's broker and with mosquitto.

use std::fs;
use std::path::{Path, PathBuf};

use rumqttc::{PublishOptions, QoS};
use serde_json::json;
use socketman_lab::within::within;
use tempfile::TempDir;

use super::agent::{config, Agent};
use super::operator::Operator;
use super::server::Server;
use super::BASE;

fn fifo(dir: &TempDir, name: &str) -> PathBuf {
    let path = dir.path().join(name);
    let status = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(status.unwrap().success());
    path
}

/// Lets a job go on that reads the FIFO.
async fn open_gate(path: &Path) {
    let path = path.to_path_buf();
    let write = tokio::task::spawn_blocking(move || fs::write(path, "go\n"));
    within("job reads the gate", write).await.unwrap().unwrap();
}

async fn a_job_is_delivered_run_and_answered(server: Server) {
    let mut operator = Operator::new(server.port()).await;
    let agent = Agent::online(server.port()).await;
    assert_eq!(operator.online().await, "1");
    operator.job("op_1", "echo out; echo err >&2; exit 3").await;
    let (topic, delivered) = operator.next("DELIVERED").await;
    assert_eq!(topic, format!("delivery/{BASE}"));
    assert_eq!(
        (&delivered["id"], &delivered["meta"]["delivered"]),
        (&json!("op_1"), &json!(true))
    );
    let meta = operator.result("op_1").await;
    assert_eq!(
        (
            &meta["msg"],
            &meta["stderr"],
            &meta["exit_code"],
            &meta["success"]
        ),
        (&json!("out\n"), &json!("err\n"), &json!(3), &json!(false))
    );
    let facts = agent.facts.borrow().clone();
    assert_eq!(facts.host, format!("127.0.0.1:{}", server.port()));
    assert!(facts.connected && facts.since.is_some() && facts.last_error.is_none());
    agent.stop().await;
}

async fn the_will_says_offline_when_the_agent_dies(server: Server) {
    let mut operator = Operator::new(server.port()).await;
    let agent = Agent::online(server.port()).await;
    assert_eq!(operator.online().await, "1");
    agent.die().await;
    assert_eq!(operator.online().await, "0");
}

async fn an_orderly_end_says_offline_once_and_leaves_the_will_unused(server: Server) {
    let mut operator = Operator::new(server.port()).await;
    let agent = Agent::online(server.port()).await;
    assert_eq!(operator.online().await, "1");
    agent.stop().await;
    assert_eq!(operator.online().await, "0");
    let agent = Agent::online(server.port()).await;
    // A will would stand between.
    assert_eq!(operator.online().await, "1");
    agent.stop().await;
}

// Row 22.
async fn a_job_sent_while_the_agent_is_away_is_delivered_and_runs_once(server: Server) {
    let dir = TempDir::new().unwrap();
    let count = dir.path().join("count");
    let mut operator = Operator::new(server.port()).await;
    let agent = Agent::online(server.port()).await;
    operator.job("first", "true").await;
    operator.result("first").await;
    agent.stop().await;
    operator
        .job("away", &format!("echo x >> {}", count.display()))
        .await;
    let agent = Agent::online(server.port()).await;
    assert_eq!(operator.result("away").await["success"], true);
    agent.stop().await;
    let agent = Agent::online(server.port()).await;
    // Acknowledged, it does not come again; this one comes after it.
    operator.job("last", "true").await;
    operator.result("last").await;
    assert_eq!(fs::read_to_string(&count).unwrap(), "x\n");
    agent.stop().await;
}

// Rows 21 and 23.
async fn a_result_made_while_the_broker_is_away_arrives_when_it_is_back(mut server: Server) {
    let dir = TempDir::new().unwrap();
    let gate = fifo(&dir, "gate");
    let mut operator = Operator::new(server.port()).await;
    let mut agent = Agent::online(server.port()).await;
    operator.job("1", &format!("cat {}", gate.display())).await;
    operator.next("DELIVERED").await;
    server.stop().await;
    agent.connected(false).await;
    open_gate(&gate).await;
    let mut jobs = agent.jobs.facts();
    within("job ends", jobs.wait_for(|facts| facts.done == 1))
        .await
        .unwrap();
    // Several attempts fail meanwhile.
    let mut error = agent.facts.clone();
    for _ in 0..6 {
        within("attempt fails", error.changed()).await.unwrap();
    }
    assert!(error.borrow().last_error.is_some() && error.borrow().next_attempt.is_some());
    server.start().await;
    agent.connected(true).await;
    assert_eq!(operator.result("1").await["msg"], "go\n");
    assert_eq!(agent.facts.borrow().reconnects, 1);
    agent.stop().await;
}

async fn a_broker_that_forgot_the_session_gets_a_new_subscription(mut server: Server) {
    let mut agent = Agent::online(server.port()).await;
    server.forget_everything().await;
    agent.connected(false).await;
    server.start().await;
    let mut operator = Operator::new(server.port()).await;
    agent.connected(true).await;
    operator.job("1", "echo here").await;
    assert_eq!(operator.result("1").await["msg"], "here\n");
    agent.stop().await;
}

// Row 17, within one run.
async fn a_job_sent_twice_runs_once_and_its_outcome_comes_again(server: Server) {
    let dir = TempDir::new().unwrap();
    let count = dir.path().join("count");
    let mut operator = Operator::new(server.port()).await;
    let agent = Agent::online(server.port()).await;
    let msg = format!("echo x >> {}; echo done", count.display());
    operator.job("1", &msg).await;
    let first = operator.result("1").await;
    operator.job("1", &msg).await;
    assert_eq!(operator.result("1").await, first);
    assert_eq!(fs::read_to_string(&count).unwrap(), "x\n");
    agent.stop().await;
}

// Rows 4, 8, 9, 10, 11 and 13.
async fn payloads_that_are_no_jobs_leave_the_agent_connected(server: Server) {
    let mut operator = Operator::new(server.port()).await;
    let mut agent = Agent::online(server.port()).await;
    let huge = json!({"id": "huge", "meta": {"msg": "x".repeat(9 << 20)}}).to_string();
    for payload in [
        "{",
        "",
        "null",
        "[1,2]",
        "123",
        "\0\u{1}",
        r#"{"id":"a","meta":{"msg":7}}"#,
        &huge,
    ] {
        operator.send(payload).await;
    }
    operator.job("after", "echo alive").await;
    assert_eq!(operator.result("after").await["msg"], "alive\n");
    // The huge one is read past.
    assert_eq!(agent.jobs.facts().borrow().rejected, 7);
    agent.connected(true).await;
    let mut facts = agent.facts.clone();
    let counted = within("the count", facts.wait_for(|facts| facts.skipped > 0)).await;
    let counted = counted.unwrap().clone();
    assert_eq!((counted.reconnects, counted.skipped), (0, 1));
    agent.stop().await;
}

// Row 19.
async fn five_thousand_jobs_at_once_are_answered(server: Server) {
    let mut operator = Operator::new(server.port()).await;
    let agent = Agent::online(server.port()).await;
    let client = operator.client.clone();
    let sender = tokio::spawn(async move {
        for n in 0..5000 {
            let payload = json!({"id": n.to_string(), "meta": {"msg": ":"}}).to_string();
            let options = PublishOptions::new(QoS::AtLeastOnce);
            client
                .publish(format!("sub/{BASE}"), payload, options)
                .await
                .unwrap();
        }
    });
    let mut open: std::collections::HashSet<String> = (0..5000).map(|n| n.to_string()).collect();
    while !open.is_empty() {
        let (_, value) = operator.next("PROCESSED").await;
        assert_eq!(value["meta"]["exit_code"], 0);
        open.remove(value["id"].as_str().unwrap());
    }
    sender.await.unwrap();
    assert_eq!(agent.jobs.facts().borrow().done, 5000);
    assert_eq!(agent.facts.borrow().reconnects, 0);
    agent.stop().await;
}

pub(crate) async fn presence_is_repeated(server: Server, status_qos: u8) {
    let mut operator = Operator::new(server.port()).await;
    let mut settings = config(server.port());
    settings.ping.off = false;
    settings.broker.qos = status_qos;
    let mut agent = Agent::start(settings);
    agent.connected(true).await;
    for _ in 0..2 {
        let (topic, ping) = operator.next("PING").await;
        assert_eq!(topic, format!("status/{BASE}"));
        assert!(ping.get("meta").is_none());
    }
    agent.stop().await;
}

async fn presence_is_repeated_at_the_ping_interval(server: Server) {
    presence_is_repeated(server, 0).await;
}

async fn presence_is_repeated_at_qos_1(server: Server) {
    presence_is_repeated(server, 1).await;
}

with_both_brokers!(
    a_job_is_delivered_run_and_answered,
    the_will_says_offline_when_the_agent_dies,
    an_orderly_end_says_offline_once_and_leaves_the_will_unused,
    a_job_sent_while_the_agent_is_away_is_delivered_and_runs_once,
    a_result_made_while_the_broker_is_away_arrives_when_it_is_back,
    a_broker_that_forgot_the_session_gets_a_new_subscription,
    a_job_sent_twice_runs_once_and_its_outcome_comes_again,
    payloads_that_are_no_jobs_leave_the_agent_connected,
    five_thousand_jobs_at_once_are_answered,
    presence_is_repeated_at_the_ping_interval,
    presence_is_repeated_at_qos_1,
);
