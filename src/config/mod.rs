//! Settings in: one typed, validated, immutable [`Config`].
//!
//! [`Inputs`] say where settings are looked for, [`Inputs::load`] goes there:
//!
//! ```text
//!  table ─► config.json (or its last good copy) ─► UCI ─► command line ─► settle ─► Config
//!               what comes later precedes; what is wrong is a Problem
//! ```
//!
//! A wrong value never stops the agent: it is kept as a [`Problem`], the default is used, and the
//! rest stands. An option that guards a way into the device ([`Guard`]) keeps its last good value
//! instead, or the way is [`Closed`].

mod chosen;
mod closed;
mod directories;
mod earlier;
mod file;
mod hold;
mod import;
mod inputs;
pub mod json;
mod json_source;
mod keys;
mod kind;
pub mod last_good;
mod load;
mod loaded;
mod main_section;
pub mod options;
#[cfg(test)]
mod packaged;
mod pem;
mod problem;
#[cfg(test)]
mod reference;
mod row;
mod settings;
mod settle;
pub mod strict;
#[cfg(test)]
mod tests;
mod uci_source;
mod value;
mod warnings;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Pace;

#[cfg(any(test, fuzzing))]
pub(crate) use chosen::canonical;
pub use chosen::{Chosen, Source};
pub use closed::Closed;
pub use file::{read_small, FileError};
pub use import::{import, ImportError, Imported};
pub use inputs::Inputs;
pub use keys::PublicKey;
pub use kind::{Kind, Unit};
pub use loaded::{Files, GoodCopy, Loaded};
pub use main_section::PACKAGE;
pub use options::OPTIONS;
pub use pem::{Look, Pem};
pub use problem::{Problem, MAX_PROBLEMS};
pub use row::{Flag, Guard, Preset, Row};
pub use settings::Settings;
pub(crate) use value::parse as parse_url;
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

/// The way the token goes to the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiAuth {
    /// `?access_token=…&mac=…`, as in the original.
    Query,
    /// `Authorization: Bearer …`
    Bearer,
}

/// Body of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadFormat {
    /// A form with one file, gzip of NDJSON, as in the original.
    Multipart,
    /// Gzip of NDJSON as it is.
    Ndjson,
}

/// The limit of recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Recover {
    /// Up to a reboot.
    Full,
    /// Only the WAN interface.
    Interface,
    Nothing,
}

/// An `http://` or `https://` address, or empty. Its query may carry a token: `Debug` leaves it out.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Url(String);

impl Url {
    /// The whole address, for the one place that sends it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::ops::Deref for Url {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for Url {
    fn from(url: T) -> Self {
        Url(url.into())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown_url(&self.0).fmt(f)
    }
}

/// A path that is nobody's business. `Debug` prints `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretPath(pub PathBuf);

impl fmt::Debug for SecretPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Every setting of the agent, validated. Intervals are as configured; whoever waits asks
/// [`Config::pace`] how long that is. Paths lie below the root already: use them as they are.
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
    pub tls: bool,
    /// Where the CA certificates of the broker are; none = the system's.
    pub cacrt: Option<PathBuf>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<SecretPath>,
    /// QoS of status and ping, 0-2.
    pub qos: u8,
    /// The broker keeps CONNECT and the last will.
    pub status_retain: bool,
    pub keepalive: Duration,
    pub disable_mqtt: bool,
    /// API for results and pings; empty = none.
    pub api_url: Url,
    /// Where statistics are posted; empty = nowhere.
    pub stats_url: Url,
    /// Tried while `stats_url` fails; empty = none.
    pub backup_stats_url: Url,
    pub token: Secret,
    pub api_auth: ApiAuth,
    /// Certificates of the API are not verified.
    pub insecure: bool,
    /// Results and pings go to `api_url`.
    pub rest: bool,
    /// Identity as configured; empty = look in `mac_file`, then at the device.
    pub mac: String,
    pub mac_file: PathBuf,
    pub monitor: Duration,
    pub heartbeat: Duration,
    pub scan: bool,
    pub survey: bool,
    pub survey_interval: Duration,
    pub no_cache: bool,
    pub upload_format: UploadFormat,
    pub spool_dir: PathBuf,
    /// Bytes.
    pub spool_max: u64,
    /// None = reports are not kept on flash.
    pub archive_dir: Option<PathBuf>,
    /// Bytes.
    pub archive_max: u64,
    /// Bytes.
    pub archive_daily: u64,
    /// Directories of reports that overlap with others and take nothing more. The reports in them are
    /// delivered.
    pub left_dirs: Vec<PathBuf>,
    pub spread: Duration,
    pub no_ping: bool,
    pub ping_interval: Duration,
    /// Host to resolve and reach; empty = not checked.
    pub health_url: String,
    pub health_port: u16,
    /// Page that answers 204, or 200 with `web_body`; empty = not checked.
    pub web_url: Url,
    pub web_body: String,
    pub recover: Recover,
    /// Time offline; zero = never.
    pub reboot: Duration,
    /// The end of the system log survives a reboot.
    pub boot_log: bool,
    pub boot_url: Secret,
    pub boot_cmd: Secret,
    pub init_url: Secret,
    pub init_token: Secret,
    pub api_commands: bool,
    pub job_timeout: Duration,
    /// Bytes kept per stream and job.
    pub job_output_max: usize,
    pub job_workers: usize,
    /// If there are any, only jobs signed by one of them run.
    pub job_pubkey: Vec<PublicKey>,
    pub web_jobs: bool,
    pub rollback_timeout: Duration,
    pub state_dir: PathBuf,
    pub debug: bool,
    pub pace: Pace,
    /// Ways in that stay closed whatever the options say.
    pub closed: Closed,
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
            tls: false,
            cacrt: None,
            tls_cert: None,
            tls_key: None,
            qos: 0,
            status_retain: false,
            keepalive: Duration::ZERO,
            disable_mqtt: false,
            api_url: Url::default(),
            stats_url: Url::default(),
            backup_stats_url: Url::default(),
            token: Secret::default(),
            api_auth: ApiAuth::Query,
            insecure: false,
            rest: false,
            mac: String::new(),
            mac_file: PathBuf::new(),
            monitor: Duration::ZERO,
            heartbeat: Duration::ZERO,
            scan: false,
            survey: false,
            survey_interval: Duration::ZERO,
            no_cache: false,
            upload_format: UploadFormat::Multipart,
            spool_dir: PathBuf::new(),
            spool_max: 0,
            archive_dir: None,
            archive_max: 0,
            archive_daily: 0,
            left_dirs: Vec::new(),
            spread: Duration::ZERO,
            no_ping: false,
            ping_interval: Duration::ZERO,
            health_url: String::new(),
            health_port: 0,
            web_url: Url::default(),
            web_body: String::new(),
            recover: Recover::Full,
            reboot: Duration::ZERO,
            boot_log: false,
            boot_url: Secret::default(),
            boot_cmd: Secret::default(),
            init_url: Secret::default(),
            init_token: Secret::default(),
            api_commands: false,
            job_timeout: Duration::ZERO,
            job_output_max: 0,
            job_workers: 0,
            job_pubkey: Vec::new(),
            web_jobs: false,
            rollback_timeout: Duration::ZERO,
            state_dir: PathBuf::new(),
            debug: false,
            pace,
            closed: Closed::default(),
        };
        for row in OPTIONS {
            config.reset(row, root);
        }
        config.heartbeat = settle::default_heartbeat(config.monitor);
        config.port = settle::default_port(config.tls);
        config
    }
}

impl Default for Config {
    /// The defaults on a device: root `/`, real time.
    fn default() -> Self {
        Config::defaults(Path::new("/"), Pace::REAL)
    }
}
