//! The state of an API, as `status.api` and `status.rest` show it.

use serde::Serialize;
use tokio::time::Instant;

use crate::process::clock::epoch_seconds;

/// The outcome of a request to deliver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Reports that were accepted; 0 if nothing was to send.
    pub accepted: u64,
    /// The server that accepted them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Why they were not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The state of an API, seen by its client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// When the server last accepted something, seconds since the epoch.
    pub last_ok: Option<u64>,
    /// The server that did: its host, and its port if it is not the usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Why nothing gets through, while nothing does.
    pub last_error: Option<String>,
    /// When it is tried next, seconds since the epoch; `None` while a delivery is under way, and with
    /// `no-cache`, when the next report is the next attempt.
    pub next_attempt: Option<u64>,
    /// When the server last accepted something, if nothing has failed since.
    #[serde(skip)]
    pub accepted: Option<Instant>,
    /// When something last failed on the way to the server; `None` for settings that nothing can be sent
    /// with.
    #[serde(skip)]
    pub failed: Option<Instant>,
    /// Answers 401 and 403 that nobody but the API can have given; wraps.
    #[serde(skip)]
    pub denied: u32,
    /// Of the newest request, and how many there were; wraps.
    #[serde(skip)]
    pub outcome: Outcome,
    #[serde(skip)]
    pub outcomes: u32,
}

impl Facts {
    /// `host` took something.
    pub fn accepted(&mut self, host: String) {
        self.last_ok = Some(epoch_seconds());
        self.accepted = Some(Instant::now());
        self.last_error = None;
        self.host = Some(host);
    }

    /// Nobody took it.
    pub fn failed(&mut self, why: String) {
        self.last_error = Some(why);
        self.accepted = None;
        self.failed = Some(Instant::now());
    }

    /// Nothing can be sent with these settings.
    pub fn hindered(&mut self, why: String) {
        self.failed(why);
        self.failed = None;
    }

    /// `host` took `reports`.
    pub(crate) fn delivered(&mut self, host: String, reports: u64) {
        self.came(Outcome {
            accepted: reports,
            host: Some(host.clone()),
            error: None,
        });
        self.accepted(host);
    }

    /// Nobody took what was sent; `is_denial` if the API itself does not know us any more.
    pub(crate) fn not_delivered(&mut self, why: String, is_denial: bool) {
        self.denied(is_denial);
        self.refused(why);
    }

    /// Counts an answer that may be a denial of the API itself.
    pub(crate) fn denied(&mut self, is_denial: bool) {
        self.denied = self.denied.wrapping_add(u32::from(is_denial));
    }

    /// Nobody took what was sent.
    pub(crate) fn refused(&mut self, why: String) {
        self.came(Outcome {
            error: Some(why.clone()),
            ..Outcome::default()
        });
        self.failed(why);
    }

    /// There was nothing to send.
    pub(crate) fn idle(&mut self) {
        self.came(Outcome::default());
    }

    fn came(&mut self, outcome: Outcome) {
        self.outcome = outcome;
        self.outcomes = self.outcomes.wrapping_add(1);
    }
}
