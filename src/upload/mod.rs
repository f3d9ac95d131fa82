//! Delivery: what the spool holds goes to the server, oldest first, and is deleted when the server
//! has accepted it.
//!
//! One heartbeat after the other, each device at its own [`phase`], everything there is is sent in
//! batches. After a failure the one retry rule of the agent ([`attempts`]) decides; when the server
//! is back, all that waited goes, beside what is new. With `no-cache` each report is posted when it is
//! taken, and nothing waits.

pub mod answer;
pub mod attempts;
pub mod body;
mod date;
mod each;
pub mod endpoint;
pub mod http;
mod link;
pub mod phase;
mod rounds;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::epoch_seconds;
use crate::config::Config;
use crate::reload::{self, Asker, Asks};
use crate::shutdown::Shutdown;
use crate::{health, spool};
use answer::Answer;
use link::{Link, LinkError};

/// Bytes of reports, packed, in one request, unless one report is larger.
pub const BATCH_MAX: u64 = 128 << 10;

/// What the task that delivers owns.
#[derive(Debug)]
pub struct Part {
    pub config: Arc<Config>,
    /// The device's identity as the API knows it.
    pub mac: String,
    pub spool: spool::Handle,
    /// To know a captive portal.
    pub health: watch::Receiver<health::Facts>,
    pub facts: watch::Sender<Facts>,
    /// From [`asks`].
    pub asks: Asks,
}

/// Asks the task for a delivery.
#[derive(Debug, Clone)]
pub struct Handle(Asker<Facts>);

/// A handle and what the task that sends `facts` needs to hear it.
pub fn asks(facts: watch::Receiver<Facts>) -> (Handle, Asks) {
    let (asker, asks) = reload::asks(facts);
    (Handle(asker), asks)
}

impl Handle {
    /// Has everything delivered now, whatever wait is under way, and returns what came of the first
    /// request, or of the one under way. `None` if the task has ended.
    pub async fn deliver(&self) -> Option<Outcome> {
        let facts = self.0.ask(|facts| facts.outcomes).await?;
        Some(facts.outcome)
    }
}

/// What came of a request to deliver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Reports that were accepted; 0 if there was none to send.
    pub accepted: u64,
    /// Who accepted them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Why they were not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The options a delivery is made from.
pub const OPTIONS: &[&str] = &[
    "stats_url",
    "backup_stats_url",
    "token",
    "api_auth",
    "insecure",
    "heartbeat",
    "no-cache",
    "upload_format",
    "spread",
];

/// What there is to tell of deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// When the server last accepted something, seconds since the epoch.
    pub last_ok: Option<u64>,
    /// Which server that was: its host, and its port if it is not the usual one.
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
    }

    /// `host` took `reports`.
    fn delivered(&mut self, host: String, reports: u64) {
        self.came(Outcome {
            accepted: reports,
            host: Some(host.clone()),
            error: None,
        });
        self.accepted(host);
    }

    /// Nobody took what was sent.
    fn refused(&mut self, why: String) {
        self.came(Outcome {
            error: Some(why.clone()),
            ..Outcome::default()
        });
        self.failed(why);
    }

    /// There was nothing to send.
    fn idle(&mut self) {
        self.came(Outcome::default());
    }

    fn came(&mut self, outcome: Outcome) {
        self.outcome = outcome;
        self.outcomes = self.outcomes.wrapping_add(1);
    }
}

/// Why a delivery ended before the spool was empty.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("reports cannot be unpacked: {0}")]
    Unpack(std::io::Error),
    #[error(transparent)]
    Spool(#[from] spool::Stopped),
}

impl DeliveryError {
    fn answer(&self) -> Option<Answer> {
        match self {
            DeliveryError::Link(error) => error.answer(),
            _ => None,
        }
    }

    /// How long the server wants to be left alone.
    fn asked_wait(&self) -> Duration {
        match self {
            DeliveryError::Link(error) => error.asked_wait(),
            _ => Duration::ZERO,
        }
    }
}

/// Delivers until `shutdown`; an attempt under way is given up at once, and what it carried stays in
/// the spool.
///
/// Without `stats_url` nothing is sent, and the facts say so.
pub async fn run(part: Part, mut shutdown: Shutdown) {
    part.asks.take_over();
    let work = async {
        match Link::new(&part.config, &part.mac, part.health.clone()) {
            Ok(link) if part.config.no_cache => {
                // It ends with the spool, and so does the agent.
                let _ = each::run(link, &part).await;
            }
            Ok(link) => rounds::Rounds::new(link, &part).run().await,
            Err(error) => {
                let why = error.to_string();
                log::warn!("{why}: reports are kept, none is sent");
                part.facts.send_modify(|facts| facts.failed(why.clone()));
                loop {
                    part.asks.asked().await;
                    part.facts.send_modify(|facts| facts.refused(why.clone()));
                }
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = shutdown.requested() => {}
    }
}
