//! Delivery: what the spool holds goes to the server, oldest first, and is deleted when the server
//! has accepted it.
//!
//! One heartbeat after the other, each device at its own [`phase`], everything there is is sent in
//! batches. After a failure the one retry rule of the agent ([`attempts`]) decides; when the server
//! is back, all that waited goes. With `no-cache` each report is posted when it is taken, and
//! nothing waits.

pub mod answer;
pub mod attempts;
pub mod body;
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
use crate::shutdown::Shutdown;
use crate::spool;
use link::{Link, LinkError};

/// Bytes of NDJSON in one request, unless one segment of the spool is larger.
pub const BATCH_MAX: u64 = 256 << 10;

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
}

/// Why a delivery ended before the spool was empty.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("reports cannot be packed: {0}")]
    Pack(std::io::Error),
    #[error(transparent)]
    Spool(#[from] spool::Stopped),
}

impl DeliveryError {
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
/// `mac` is the device's identity as the API knows it. Without `stats_url` nothing is sent, and the
/// facts say so. With `no-cache` the spool has to keep reports apart ([`spool::Settings`]).
pub async fn run(
    config: Arc<Config>,
    mac: String,
    spool: spool::Handle,
    facts: watch::Sender<Facts>,
    mut shutdown: Shutdown,
) {
    let work = async {
        match Link::new(&config, &mac) {
            Ok(link) if config.no_cache => {
                // It ends with the spool, and so does the agent.
                let _ = each::run(link, &config, &spool, &facts).await;
            }
            Ok(link) => rounds::run(link, &config, &mac, &spool, &facts).await,
            Err(error) => {
                let why = error.to_string();
                log::warn!("{why}: reports are kept, none is sent");
                facts.send_modify(|facts| facts.failed(why));
                std::future::pending().await
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = shutdown.requested() => {}
    }
}
