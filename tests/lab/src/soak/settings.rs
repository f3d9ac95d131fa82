//! The settings of the agent.

use serde_json::{json, Value};

use super::broker::Broker;
use super::signer::Signer;
use crate::collector::WEB_CHECK;
use crate::lab::Lab;
use crate::router::ROUTER_MAC;

const TOPIC: &str = "soak";
const KEY: &str = "secret";

/// Settings that a reload changes, in turn.
pub(super) const CHANGES: [(&str, u64); 6] = [
    ("monitor", 16),
    ("job_workers", 3),
    ("ping-interval", 40),
    ("monitor", 15),
    ("job_workers", 2),
    ("ping-interval", 30),
];

/// The base of the device's topics.
pub(super) fn base() -> String {
    format!("{TOPIC}/{KEY}/{ROUTER_MAC}")
}

/// The settings that it starts with.
pub(super) fn first(lab: &Lab, broker: &Broker, signer: &Signer, monitor: u64) -> Value {
    json!({
        "mac": ROUTER_MAC,
        "mqtt_host": "127.0.0.1",
        "port": broker.port,
        "topic": TOPIC,
        "key": KEY,
        "spread": 0,
        "monitor": monitor,
        "stats_url": lab.api.url("/stats"),
        "health_url": lab.api.addr().ip().to_string(),
        "health_port": lab.api.addr().port(),
        "web_url": lab.api.url(WEB_CHECK),
        "archive_dir": "/etc/socketman/archive",
        "job_pubkey": [signer.public()],
        "rollback_timeout": 60,
        "reboot": 0,
    })
}
