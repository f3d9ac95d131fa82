//! Settings in: one typed, validated, immutable [`Config`].
//!
//! [`Inputs`] say where settings are looked for, [`Inputs::load`] goes there:
//!
//! ```text
//!  table ─► config.json (or its last good copy) ─► UCI ─► command line ─► settle ─► Config
//!               what comes later precedes; what is wrong is a Problem
//! ```
//!
//! [`reload`] reads them again while the agent runs, and restarts the parts whose settings changed.
//!
//! A wrong value never stops the agent: it is kept as a [`Problem`], the default is used, and the
//! rest stands. An option that guards a way into the device ([`Guard`]) keeps its last good value
//! instead, or the way is [`Closed`].

mod chosen;
mod closed;
mod directories;
mod earlier;
mod file;
mod groups;
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
pub mod reload;
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

use crate::process::clock::Pace;

#[cfg(any(test, fuzzing))]
pub(crate) use chosen::canonical;
pub use chosen::{Chosen, Source};
pub use closed::Closed;
pub use file::SettingsFileError;
pub use groups::{
    Api, ApiAuth, Broker, Collect, Health, Identity, Jobs, Ping, Provision, Recover, Recovery,
    Rest, Spool, Upload, UploadFormat,
};
pub use import::{import, ImportError, Imported};
pub use inputs::Inputs;
pub use keys::PublicKey;
pub use kind::{Kind, Unit};
pub use loaded::{Files, GoodCopy, Loaded};
pub use main_section::PACKAGE;
pub use options::OPTIONS;
pub use pem::{Checks, Pem};
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

/// Every setting of the agent, validated, by the noun it is about. Intervals are as configured; `pace`
/// says how long they are. Paths lie below the root already: use them as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub identity: Identity,
    pub broker: Broker,
    pub api: Api,
    pub rest: Rest,
    pub ping: Ping,
    pub collect: Collect,
    pub spool: Spool,
    pub upload: Upload,
    pub health: Health,
    pub recovery: Recovery,
    pub provision: Provision,
    pub jobs: Jobs,
    /// Longest wait before a first attempt, at broker and API.
    pub spread: Duration,
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
            identity: Identity::default(),
            broker: Broker::default(),
            api: Api::default(),
            rest: Rest::default(),
            ping: Ping::default(),
            collect: Collect::default(),
            spool: Spool::default(),
            upload: Upload::default(),
            health: Health::default(),
            recovery: Recovery::default(),
            provision: Provision::default(),
            jobs: Jobs::default(),
            spread: Duration::ZERO,
            state_dir: PathBuf::new(),
            debug: false,
            pace,
            closed: Closed::default(),
        };
        for row in OPTIONS {
            config.reset(row, root);
        }
        config.upload.heartbeat = settle::default_heartbeat(config.collect.monitor);
        config.broker.port = settle::default_port(config.broker.tls);
        config
    }

    /// The same, changed by `change`.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self);
        self
    }
}

impl Default for Config {
    /// The defaults on a device: root `/`, real time.
    fn default() -> Self {
        Config::defaults(Path::new("/"), Pace::REAL)
    }
}
