//! The settings of first contact.

use std::time::Duration;

use crate::config::{self, Api, Broker, Files, Loaded};
use crate::identity::Identity;
use crate::process::clock::Pace;

/// Settings that first contact follows while it runs.
#[derive(Debug, PartialEq)]
pub struct Settings {
    pub provision: config::Provision,
    pub broker: Broker,
    pub api: Api,
    pub rest: config::Rest,
    /// Reports are delivered to an API.
    pub delivers: bool,
    /// Why the init server is not asked.
    pub closed: Option<String>,
    /// There may be no link to the broker.
    pub link_closed: bool,
    pub spread: Duration,
    pub pace: Pace,
    pub files: Files,
    pub mac: Identity,
}

impl Settings {
    /// The settings in `loaded`, for the device `mac`.
    pub fn of(loaded: &Loaded, mac: Identity) -> Self {
        let config = &loaded.config;
        let closed = loaded.unreadable.as_ref();
        Settings {
            provision: config.provision.clone(),
            broker: config.broker.clone(),
            api: config.api.clone(),
            rest: config.rest.clone(),
            delivers: !config.upload.url.is_empty(),
            closed: closed
                .map(|file| format!("no provisioning: the settings in {file} cannot be read")),
            link_closed: config.closed.link().is_some(),
            spread: config.spread,
            pace: config.pace,
            files: loaded.files.clone(),
            mac,
        }
    }

    /// Is the device known to a broker or an API?
    pub(super) fn has_credentials(&self) -> bool {
        has_credentials(&self.broker, &self.api)
    }

    /// True if `other` makes the same link to the broker, which then lasts through the change.
    pub(super) fn is_same_link(&self, other: &Settings) -> bool {
        self.broker == other.broker && self.rest.enabled == other.rest.enabled
    }
}

/// Is a device with these settings known to a broker or an API?
pub(super) fn has_credentials(broker: &Broker, api: &Api) -> bool {
    !broker.username.is_empty() || !broker.password.is_empty() || !api.token.is_empty()
}
