//! Network jobs beside an apply of LuCI that nobody has confirmed.

use std::time::{Duration, Instant};

use serde_json::json;
use socketman_lab::options::Options;
use tokio::time::timeout;
use ubus::Client;

use super::{guarded, DEADLINE, SCALE};
use crate::desk::order;

/// Nothing may be heard for so long: half a minute of the device.
const QUIET: Duration = Duration::from_secs(30 / SCALE as u64);

const JOB: &str = "echo done";

/// Applies a change that has to be confirmed within so many seconds of the device.
async fn apply(client: &Client, seconds: u32) {
    let change = json!({
        "config": "network", "section": "lan", "ubus_rpc_session": "luci",
        "values": { "metric": "5" },
    });
    order(client, "uci", "set", change).await.unwrap();
    let apply = json!({ "ubus_rpc_session": "luci", "rollback": true, "timeout": seconds });
    order(client, "uci", "apply", apply).await.unwrap();
}

#[tokio::test]
async fn a_network_job_waits_until_the_apply_is_confirmed() {
    let Some(mut device) = guarded(Options::default(), json!({})).await else {
        return;
    };
    let client = device.lab.client().clone();
    apply(&client, 600).await;
    device.send("change", "network", JOB).await;
    let early = device.ear.wait_for(|words| words.event_type == "PROCESSED");
    let early = timeout(QUIET, device.lab.during(early)).await;
    assert!(early.is_err(), "{early:?}");
    let confirmed = Instant::now();
    let confirm = json!({ "ubus_rpc_session": "luci" });
    order(&client, "uci", "confirm", confirm).await.unwrap();
    let result = device.result("change", DEADLINE).await;
    assert_eq!(result.meta.success, Some(true), "{result:?}");
    println!("ran {:.1} s after it", confirmed.elapsed().as_secs_f64());
}

#[tokio::test]
async fn a_network_job_is_refused_when_the_apply_stays_unconfirmed() {
    let Some(mut device) = guarded(Options::default(), json!({})).await else {
        return;
    };
    let client = device.lab.client().clone();
    apply(&client, 3600).await;
    let sent = Instant::now();
    device.send("change", "network", JOB).await;
    let result = device.result("change", DEADLINE).await;
    assert_eq!(result.event_type, "REJECTED", "{result:?}");
    assert_eq!(result.meta.reason, "a LuCI change waits for confirmation");
    let waited = sent.elapsed();
    assert!(waited >= Duration::from_secs(60) / SCALE, "{waited:?}");
}
