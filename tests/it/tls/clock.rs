//! A server whose certificate was checked may say what time it is.

use serde_json::{json, Value};
use socketman::jobs::signature::BUILT;
use socketman::process::clock::epoch_seconds;
use socketman_fleet::{keygen, sign, Key};
use socketman_lab::mqtt_side::Words;
use socketman_lab::router::ROUTER_MAC;
use tempfile::TempDir;
use tokio::time::timeout;

use super::authority::{Authority, Valid};
use super::link::DEADLINE;
use super::status::Site;

/// Waits until `count` reports have arrived, and returns what each says of its clock.
async fn clocks(site: &Site, count: usize) -> Vec<String> {
    let enough = |record: &socketman_lab::collector::Record| record.reports.len() >= count;
    site.lab.api.wait_for(DEADLINE, enough).await.unwrap();
    let lines = site.lab.api.lines().unwrap();
    let clock = |line: &String| {
        let report: Value = serde_json::from_str(line).unwrap();
        report["device"]["clock"].as_str().unwrap().to_owned()
    };
    lines.iter().map(clock).collect()
}

#[tokio::test]
async fn a_clock_within_an_hour_of_a_verified_date_is_right_though_the_kernel_does_not_say_so() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let mut site = Site::new(authority.server(Valid::Now)).await;
    site.start(&authority.write(dir.path()), json!({}));
    clocks(&site, 1).await;
    site.lab.program().set_clock(1800, false).unwrap();
    // Some may be taken before, and so may the first that arrive.
    let before = site.lab.api.reports().len();
    let clocks = clocks(&site, before + 4).await;
    assert!(clocks.iter().all(|clock| clock == "ok"), "{clocks:?}");
    site.end().await;
}

/// The outcome of a signed job that has expired by half a minute, on a device whose clock went back ten
/// years and is known to be wrong. Before that its API has answered, over verified TLS or not.
async fn outcome_of_a_late_job(verified: bool) -> String {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let mut site = Site::new(authority.server(Valid::Now)).await;
    let file = dir.path().join("op.key");
    let public = keygen(&file).unwrap();
    let mut settings = json!({"mac": ROUTER_MAC, "job_pubkey": [public]});
    if !verified {
        settings["stats_url"] = json!(site.lab.api.url("/stats"));
    }
    let mut ear = site.lab.mqtt.listen();
    site.start(&authority.write(dir.path()), settings);
    let heard = |status: &Value| {
        status["mqtt"]["connected"] == true && status["api"]["last_ok"] != Value::Null
    };
    let heard = site.lab.status_when(heard);
    timeout(DEADLINE, heard).await.expect("in time");
    site.lab.program().set_clock(-315_360_000, false).unwrap();

    let expires = (epoch_seconds() - 30).max(BUILT + 1);
    let job = json!({"id": "late", "timestamp": expires - 60, "expires": expires,
        "meta": {"msg": "echo late"}});
    let key = Key::read(&file).unwrap();
    let signed = sign(&key, job.to_string().as_bytes(), None, expires - 60).unwrap();
    site.lab.mqtt.send(signed).await.unwrap();
    let is_it = |words: &Words| words.id == "late" && words.event_type != "DELIVERED";
    let outcome = timeout(DEADLINE, ear.wait_for(is_it)).await;
    let outcome = outcome.expect("in time").unwrap();
    site.end().await;
    match outcome.event_type.as_str() {
        "PROCESSED" => outcome.meta.msg,
        _ => outcome.meta.reason,
    }
}

#[tokio::test]
async fn the_date_of_a_verified_server_ends_signed_jobs_where_nobody_keeps_the_clock() {
    assert_eq!(outcome_of_a_late_job(true).await, "job has expired");
}

#[tokio::test]
async fn the_date_of_a_server_that_was_not_verified_has_no_say_in_signed_jobs() {
    assert_eq!(outcome_of_a_late_job(false).await, "late\n");
}
