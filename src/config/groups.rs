//! The settings of each part, by the noun they are about. The rows of [`OPTIONS`](super::OPTIONS) fill
//! them; a part keeps the groups it works with and compares them with `==`.

use std::path::PathBuf;
use std::time::Duration;

use super::{PublicKey, Secret, SecretPath, Url};

/// The link to the broker.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Broker {
    pub username: String,
    pub password: Secret,
    /// First part of the base topic.
    pub topic: String,
    /// Second part of the base topic.
    pub key: Secret,
    /// Empty = no MQTT.
    pub host: String,
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
    pub disabled: bool,
}

impl Broker {
    /// Is there a broker to connect to?
    pub fn is_set(&self) -> bool {
        !self.host.is_empty() && !self.disabled
    }
}

/// The way the token goes to the API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ApiAuth {
    /// `?access_token=…&mac=…`, as in the original.
    #[default]
    Query,
    /// `Authorization: Bearer …`
    Bearer,
}

/// Requests to the API, wherever it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Api {
    pub token: Secret,
    pub auth: ApiAuth,
    /// Certificates of the API are not verified.
    pub insecure: bool,
    /// Commands in its answers run.
    pub commands: bool,
}

/// Results and pings by HTTP.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rest {
    /// Results and pings go to `url`.
    pub enabled: bool,
    /// Empty = nowhere.
    pub url: Url,
}

/// The presence message, of the broker link and of rest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ping {
    pub off: bool,
    pub interval: Duration,
}

/// Collection of reports.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Collect {
    /// Between two reports.
    pub monitor: Duration,
    /// Wi-Fi is looked at.
    pub scan: bool,
    pub survey: bool,
    pub survey_interval: Duration,
}

/// Where reports wait for delivery.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spool {
    pub dir: PathBuf,
    /// Bytes.
    pub max: u64,
    /// None = reports are not kept on flash.
    pub archive_dir: Option<PathBuf>,
    /// Bytes.
    pub archive_max: u64,
    /// Bytes.
    pub archive_daily: u64,
    /// The end of the system log survives a reboot. It takes a share of `archive_daily`.
    pub boot_log: bool,
    /// Directories of reports that overlap with others and take nothing more. The reports in them are
    /// delivered.
    pub left_dirs: Vec<PathBuf>,
}

/// Body of a delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UploadFormat {
    /// A form with one file, gzip of NDJSON, as in the original.
    #[default]
    Multipart,
    /// Gzip of NDJSON as it is.
    Ndjson,
}

/// Delivery of reports.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Upload {
    /// Where statistics are posted; empty = nowhere.
    pub url: Url,
    /// Tried while `url` fails; empty = none.
    pub backup_url: Url,
    /// Between two deliveries.
    pub heartbeat: Duration,
    /// Each report is delivered at once.
    pub no_cache: bool,
    pub format: UploadFormat,
}

/// Probes of the world.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Health {
    /// Host to resolve and reach; empty = not checked.
    pub host: String,
    pub port: u16,
    /// Page that answers 204, or 200 with `web_body`; empty = not checked.
    pub web_url: Url,
    pub web_body: String,
}

/// The limit of recovery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Recover {
    /// Up to a reboot.
    #[default]
    Full,
    /// Only the WAN interface.
    Interface,
    Nothing,
}

/// Recovery of a lost uplink or a dead radio.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recovery {
    pub recover: Recover,
    /// Time offline before a reboot; zero = never.
    pub reboot: Duration,
}

/// The name of the device at broker and API.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Identity {
    /// As configured; empty = look in `mac_file`, then at the device.
    pub mac: String,
    pub mac_file: PathBuf,
}

/// First contact: the init server, and the errands of each boot.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Provision {
    pub init_url: Secret,
    pub init_token: Secret,
    pub boot_url: Secret,
    pub boot_cmd: Secret,
}

/// Jobs, and the changes they make.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Jobs {
    pub timeout: Duration,
    /// Bytes kept per stream and job.
    pub output_max: usize,
    pub workers: usize,
    /// If there are any, only jobs signed by one of them run.
    pub pubkey: Vec<PublicKey>,
    /// LuCI and HTTP sessions may run jobs.
    pub from_web: bool,
    /// A network change is undone unless the device is reachable again after this long.
    pub rollback_timeout: Duration,
}
