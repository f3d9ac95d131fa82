//! Settings in: one typed, validated, immutable [`Config`].

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::clock::Pace;

/// A value that must not reach a log, an error or a screen. `Debug` prints `***`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Secret(value.into())
    }

    /// The value itself, for the one place that has to send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "" } else { "***" })
    }
}

/// Every setting of the agent, validated. Intervals are as configured; whoever waits asks
/// [`Config::pace`] how long that is.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub username: String,
    pub password: Secret,
    /// First part of the MQTT base topic.
    pub topic: String,
    /// Second part of the MQTT base topic.
    pub key: Secret,
    /// Broker; empty = no MQTT.
    pub mqtt_host: String,
    pub port: u16,
    /// QoS of status and ping, 0-2.
    pub qos: u8,
    pub keepalive: Duration,
    pub disable_mqtt: bool,
    /// Where statistics are posted; empty = nowhere.
    pub stats_url: String,
    pub token: Secret,
    /// Identity as configured; empty = look in `mac_file`, then at the device.
    pub mac: String,
    pub mac_file: PathBuf,
    pub monitor: Duration,
    pub heartbeat: Duration,
    pub scan: bool,
    pub spool_dir: PathBuf,
    /// Bytes.
    pub spool_max: u64,
    pub spread: Duration,
    pub no_ping: bool,
    pub ping_interval: Duration,
    pub job_timeout: Duration,
    /// Bytes kept per stream and job.
    pub job_output_max: usize,
    pub job_workers: usize,
    pub web_jobs: bool,
    pub state_dir: PathBuf,
    pub debug: bool,
    pub pace: Pace,
}
