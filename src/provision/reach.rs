//! The servers that the device reaches, as others tell of them.

use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use super::Settings;
use crate::written::{flag, Fields};

/// The facts of broker link and deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// The session with the broker, by a number that no other one has; `None` while there is no session.
    pub session: Option<u64>,
    /// When the API last accepted something, if nothing has failed since.
    pub accepted: Option<Instant>,
    /// Answers 401 and 403 of a verified API; wraps.
    pub denied: u32,
}

/// The servers that are configured, or that were reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// The MQTT broker.
    pub broker: bool,
    /// The API, for statistics or for results.
    pub api: bool,
}

impl Reached {
    pub(super) fn read(value: Value) -> Option<Self> {
        let mut fields = Fields::of(value)?;
        Some(Reached {
            broker: fields.required("broker", flag)?,
            api: fields.required("api", flag)?,
        })
    }

    /// The servers that `settings` name.
    pub(super) fn configured(settings: &Settings) -> Self {
        let has_results = settings.rest.enabled && !settings.rest.url.is_empty();
        Reached {
            broker: settings.broker.is_set() && !settings.link_closed,
            api: settings.delivers || has_results,
        }
    }

    /// Is there one?
    pub fn any(self) -> bool {
        self.broker || self.api
    }

    /// True if every one of these is among `others`.
    pub(super) fn is_within(self, others: Reached) -> bool {
        (!self.broker || others.broker) && (!self.api || others.api)
    }

    pub(super) fn and(self, others: Reached) -> Self {
        Reached {
            broker: self.broker && others.broker,
            api: self.api && others.api,
        }
    }

    /// The servers in words.
    pub(super) fn words(self) -> &'static str {
        match (self.broker, self.api) {
            (true, true) => "broker and API",
            (true, false) => "the broker",
            (false, true) => "the API",
            (false, false) => "no server",
        }
    }
}
