//! Signed jobs after an upgrade of the system that kept nothing but `state_dir`/keep.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{json, Value};
use socketman_lab::within::within;

use super::desk::{Desk, MAC};

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

fn job(id: &str, timestamp: u64, expires: u64, msg: &str) -> Value {
    json!({
        "id": id, "device": MAC, "timestamp": timestamp, "expires": expires, "meta": {"msg": msg},
    })
}

#[tokio::test]
async fn after_an_upgrade_a_signed_job_does_not_run_again_nor_one_that_had_expired_before_it() {
    let mut desk = Desk::new().await;
    desk.has_keys().await;
    let ran = desk.file("ran");
    let msg = format!("echo x >> {}", ran.display());
    let sign =
        |desk: &Desk, job: &Value| desk.fleet("sign --key op.key", &job.to_string()).unwrap();
    let first = sign(&desk, &job("first", now() + 1000, now() + 4000, &msg));
    let outcome = desk.run("first", &first).await;
    assert_eq!(outcome.event_type, "PROCESSED", "{outcome:?}");
    // Never sent before: only the floor knows that its time is over.
    let late = sign(&desk, &job("late", now(), now() + 500, &msg));

    let state = desk.lab.program().root.join("etc/socketman/state");
    let ended = within("the agent ends", desk.lab.stop_agent()).await;
    assert!(ended.unwrap().unwrap().success());
    fs::remove_file(state.join("jobs")).unwrap();
    // The new system's clock is far behind.
    desk.lab.program().set_clock(-30_000_000, false).unwrap();
    desk.lab.start_agent().unwrap();
    let connected = desk
        .lab
        .status_when(|status| status["mqtt"]["connected"] == true);
    within("connection", connected).await;

    let again = desk.run("first", &first).await;
    assert_eq!(again.event_type, "PROCESSED", "{again:?}");
    desk.publish(&late).await;
    assert_eq!(desk.refusal("late").await, "job has expired");
    assert_eq!(fs::read_to_string(&ran).unwrap(), "x\n");
}
