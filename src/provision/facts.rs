//! First contact, as `status.provision` shows it.

use serde::Serialize;

use crate::process::clock::epoch_seconds;

/// The state of first contact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The device has its settings, or there is no init server.
    #[default]
    NotNeeded,
    /// The server is to be asked, or asked again.
    Waiting,
    /// The server's settings have to prove themselves.
    Trial,
    /// The server's settings hold.
    Done,
    /// The server's settings did not work and those before hold again; or it cannot be asked.
    Refused,
}

/// First contact, seen from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    pub state: State,
    /// Since when, seconds since the epoch.
    pub since: u64,
    /// Host of the init server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Why there are no settings, or why they do not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When it is asked next, or when the trial ends, seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<u64>,
    /// Keys of its newest answer that it may not set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused_keys: Vec<String>,
    /// When settings were last taken from it, seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// The device has what it works with: what is to be done once after a start can be.
    #[serde(skip)]
    pub is_ready: bool,
}

impl Facts {
    /// Goes over to `state`.
    pub(super) fn be(&mut self, state: State) {
        if self.state != state || self.since == 0 {
            self.state = state;
            self.since = epoch_seconds();
        }
    }
}
