//! Settings in: one typed, validated, immutable [`Config`].
//!
//! A value comes from the command line, else from config.json, else from the table of [`options`].
//! What is wrong never stops the agent: it is kept as a [`Problem`], the default is used, and the
//! rest stands.

mod file;
pub mod json;
mod kind;
mod load;
pub mod options;
mod problem;
#[cfg(test)]
mod reference;
mod settings;
#[cfg(test)]
mod tests;
pub mod uci;
mod value;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Pace;

pub use file::{read_small, FileError};
pub use kind::{Kind, Unit};
pub use load::{load, under, Loaded, Source};
pub use options::{Preset, Row, OPTIONS};
pub use problem::{Problem, MAX_PROBLEMS};
pub use settings::Settings;
pub use value::{is_mac, shown_url, ValueError, Written, MAX_VALUE};

/// Where config.json is unless `--config` names another file; below the root.
pub const DEFAULT_FILE: &str = "/etc/socketman/config.json";

/// A value that must not reach a log, an error or a screen. `Debug` prints `***`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `value` from here on.
    pub fn new(value: impl Into<String>) -> Self {
        Secret(value.into())
    }

    /// The value itself, for the one place that has to send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Is there nothing to hide?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "\"\"" } else { "***" })
    }
}

/// Every setting of the agent, validated. Intervals are as configured; whoever waits asks
/// [`Config::pace`] how long that is. Paths lie below the root already: use them as they are.
#[derive(Clone, PartialEq)]
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

impl Config {
    /// The defaults of the table, with paths below `root`.
    pub fn defaults(root: &Path, pace: Pace) -> Self {
        let mut config = Config {
            username: String::new(),
            password: Secret::default(),
            topic: String::new(),
            key: Secret::default(),
            mqtt_host: String::new(),
            port: 0,
            qos: 0,
            keepalive: Duration::ZERO,
            disable_mqtt: false,
            stats_url: String::new(),
            token: Secret::default(),
            mac: String::new(),
            mac_file: PathBuf::new(),
            monitor: Duration::ZERO,
            heartbeat: Duration::ZERO,
            scan: false,
            spool_dir: PathBuf::new(),
            spool_max: 0,
            spread: Duration::ZERO,
            no_ping: false,
            ping_interval: Duration::ZERO,
            job_timeout: Duration::ZERO,
            job_output_max: 0,
            job_workers: 0,
            web_jobs: false,
            state_dir: PathBuf::new(),
            debug: false,
            pace,
        };
        for row in OPTIONS {
            config.reset(row, root);
        }
        config.heartbeat = load::default_heartbeat(config.monitor);
        config
    }
}

impl Default for Config {
    /// The defaults on a device: root `/`, real time.
    fn default() -> Self {
        Config::defaults(Path::new("/"), Pace::REAL)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("username", &self.username)
            .field("password", &self.password)
            .field("topic", &self.topic)
            .field("key", &self.key)
            .field("mqtt_host", &self.mqtt_host)
            .field("port", &self.port)
            .field("qos", &self.qos)
            .field("keepalive", &self.keepalive)
            .field("disable_mqtt", &self.disable_mqtt)
            // Its query may carry a token.
            .field("stats_url", &shown_url(&self.stats_url))
            .field("token", &self.token)
            .field("mac", &self.mac)
            .field("mac_file", &self.mac_file)
            .field("monitor", &self.monitor)
            .field("heartbeat", &self.heartbeat)
            .field("scan", &self.scan)
            .field("spool_dir", &self.spool_dir)
            .field("spool_max", &self.spool_max)
            .field("spread", &self.spread)
            .field("no_ping", &self.no_ping)
            .field("ping_interval", &self.ping_interval)
            .field("job_timeout", &self.job_timeout)
            .field("job_output_max", &self.job_output_max)
            .field("job_workers", &self.job_workers)
            .field("web_jobs", &self.web_jobs)
            .field("state_dir", &self.state_dir)
            .field("debug", &self.debug)
            .field("pace", &self.pace)
            .finish()
    }
}
