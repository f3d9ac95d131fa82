//! Each part follows its own options, and the others go on.

use serde_json::{json, Value};
use socketman_lab::collector::{Collector, Mode, Record, Request};
use socketman_lab::within::{within, DEADLINE};
use tempfile::TempDir;

use super::desk::{value, Desk};

/// An API at another address than the lab's.
async fn elsewhere(dir: &TempDir) -> Collector {
    let any = ([127, 0, 0, 1], 0).into();
    Collector::start(any, dir.path()).await.unwrap()
}

/// Reports came in one of whose gaps is of this reason.
fn declares(api: &Collector, reason: &str) -> bool {
    let reasons = |line: &String| {
        let report: Value = serde_json::from_str(line).unwrap();
        let gaps = report["gaps"].as_array().cloned().unwrap_or_default();
        gaps.iter().any(|gap| gap["reason"] == reason)
    };
    api.lines().unwrap().iter().any(reasons)
}

#[tokio::test]
async fn reports_go_to_the_new_address_and_nothing_is_lost_between() {
    let dir = TempDir::new().unwrap();
    let other = elsewhere(&dir).await;
    let mut desk = Desk::new().await;
    desk.start().await;
    let some = |record: &Record| !record.reports.is_empty();
    desk.lab.api.wait_for(DEADLINE, some).await.unwrap();
    desk.connected().await;
    desk.edit(&[("stats_url", json!(other.url("/v1/collector")))]);
    other.wait_for(DEADLINE, some).await.unwrap();
    let (before, after) = (desk.lab.api.reports(), other.reports());
    assert!(before.last() <= after.first(), "{before:?} {after:?}");
    let seqs = before.iter().chain(&after).map(|report| report.seq);
    let mut seqs: Vec<_> = seqs.collect();
    seqs.dedup();
    let all = 1..=seqs.last().copied().unwrap();
    assert!(all.eq(seqs), "{before:?} {after:?}");
    assert_eq!(desk.call("status").await["mqtt"]["reconnects"], 0);
}

#[tokio::test]
async fn without_a_cache_what_is_not_accepted_is_declared_and_with_one_it_waits_again() {
    let mut desk = Desk::new().await;
    desk.start().await;
    desk.connected().await;
    desk.edit(&[("no-cache", json!(true))]);
    desk.until("config", |config| value(config, "no-cache") == "1")
        .await;
    desk.lab.api.set(Mode::Status(500, None)).await.unwrap();
    desk.until("status", |status| {
        status["spool"]["dropped"].as_u64() > Some(1)
    })
    .await;
    desk.edit(&[("no-cache", json!(false))]);
    desk.until("status", |status| {
        status["spool"]["reports"].as_u64() > Some(1)
    })
    .await;
    desk.lab.api.set(Mode::Up).await.unwrap();
    let declared = |_: &Record| declares(&desk.lab.api, "unsent");
    desk.lab.api.wait_for(DEADLINE, declared).await.unwrap();
}

#[tokio::test]
async fn results_move_to_the_api_and_back_to_the_broker() {
    let mut desk = Desk::new().await;
    desk.start().await;
    let status = desk.connected().await;
    assert_eq!(status["rest"], Value::Null);
    desk.edit(&[
        ("rest", json!(true)),
        ("api_url", json!(desk.lab.api.url("/api/v1"))),
    ]);
    // The link to the broker restarts, now without results.
    let restarted = |status: &Value, before: u64| {
        let mqtt = &status["mqtt"];
        mqtt["connected"] == true && mqtt["reconnects"].as_u64() > Some(before)
    };
    let moved = |status: &Value| !status["rest"].is_null() && restarted(status, 0);
    let status = desk.until("status", moved).await;
    let links = status["mqtt"]["reconnects"].as_u64().unwrap();
    let id = desk.lab.send_job("echo there").await.unwrap();
    let path = format!("/api/v1/operations/{id}");
    let is_result = |request: &Request| request.method == "PATCH" && request.path == path;
    let result = desk.lab.api.request(DEADLINE, is_result).await.unwrap();
    assert_eq!(result.json.unwrap()["msg"], "there\n");
    desk.edit(&[("rest", json!(false))]);
    let back = |status: &Value| status["rest"].is_null() && restarted(status, links);
    desk.until("status", back).await;
    let mut ear = desk.lab.mqtt.listen();
    let id = desk.lab.send_job("echo back").await.unwrap();
    let outcome = ear.wait_for(|words| words.id == id && words.meta.msg == "back\n");
    within("outcome", outcome).await.unwrap();
}

#[tokio::test]
async fn the_link_to_the_broker_is_encrypted_as_soon_as_it_has_to_be() {
    let mut desk = Desk::new().await;
    desk.start().await;
    desk.connected().await;
    // The lab's broker speaks no TLS, so the link cannot come up, and says why.
    desk.edit(&[("tls", json!(true))]);
    let refused = |status: &Value| {
        let error = status["mqtt"]["last_error"].as_str().unwrap_or_default();
        status["mqtt"]["connected"] == false && error.contains("TLS")
    };
    desk.until("status", refused).await;
    desk.edit(&[("tls", json!(false))]);
    desk.connected().await;
}

#[tokio::test]
async fn probes_go_to_the_new_address() {
    let dir = TempDir::new().unwrap();
    let other = elsewhere(&dir).await;
    let mut desk = Desk::new().await;
    desk.start().await;
    desk.connected().await;
    desk.edit(&[("web_url", json!(other.url("/alive")))]);
    let asked = |record: &Record| record.requests.iter().any(|one| one.path == "/alive");
    let probe = async {
        while !asked(&other.record()) {
            desk.call("probe").await;
        }
    };
    within("the web check", probe).await;
}
