//! Delivery: what the spool holds goes to the server, oldest first, and is deleted when the server
//! has accepted it.
//!
//! Once a heartbeat, each device at its own [`phase`], everything that waits is sent in batches. After a failure the one retry rule of the agent ([`Attempts`](crate::http::Attempts)) decides; when the server
//! is back, all that waited goes, beside what is new, and in turns ([`drain`]) from a device of a fleet. With `no-cache` each report is posted when it is
//! taken, and nothing waits.

#[cfg(test)]
mod courses;
mod date;
mod drain;
mod each;
mod link;
pub mod phase;
mod queue;
mod refusals;
mod rounds;
mod setting;
mod size;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::sync::watch;

use crate::config::{self, Api, Config};
use crate::identity::Identity;
use crate::process::ask::{Asker, Asks};
use crate::process::clock::Pace;
use crate::process::shutdown::Shutdown;
use crate::{health, http, lookup};
use link::Link;

pub use crate::http::{Facts, Outcome};
pub use link::{LinkError, Way};
pub use queue::Queue;
pub use rounds::Rounds;
pub use setting::Setting;

/// Bytes of reports, packed, in one request, unless one report is larger.
pub const BATCH_MAX: u64 = 128 << 10;

/// The belongings of the task that delivers.
#[derive(Debug, Clone)]
pub struct Part {
    pub settings: Settings,
    /// The device's identity as the API knows it.
    pub mac: Identity,
    pub spool: spool::Handle,
    /// Shared with all parts but the broker link.
    pub resolver: lookup::Resolver,
    /// To know a captive portal.
    pub health: watch::Receiver<health::Facts>,
    pub dates: http::Dates,
    pub commands: http::Commands,
    pub facts: watch::Sender<Facts>,
    /// From [`asks`](crate::process::ask::asks).
    pub asks: Asks,
}

impl Part {
    fn setting(&self) -> Setting<'_> {
        Setting {
            settings: &self.settings,
            mac: &self.mac,
            facts: &self.facts,
            asks: &self.asks,
        }
    }
}

/// Asks the task for a delivery.
pub type Handle = Asker<Facts>;

impl Handle {
    /// Delivers everything now, without the wait under way, and returns what came of the first
    /// request, or of the one under way. `None` if the task has ended.
    pub async fn deliver(&self) -> Option<Outcome> {
        let facts = self.ask(|facts| facts.outcomes).await?;
        Some(facts.outcome)
    }
}

/// Settings the part is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub upload: config::Upload,
    pub api: Api,
    /// Between two reports.
    pub monitor: Duration,
    pub spread: Duration,
    pub pace: Pace,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Settings {
            upload: config.upload.clone(),
            api: config.api.clone(),
            monitor: config.collect.monitor,
            spread: config.spread,
            pace: config.pace,
        }
    }
}

/// Why a delivery ended before the spool was empty.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("{host}: the server refuses the format ({status})")]
    Format { host: String, status: u16 },
    #[error("reports cannot be unpacked: {0}")]
    Unpack(std::io::Error),
    #[error(transparent)]
    Spool(#[from] spool::Stopped),
}

impl DeliveryError {
    /// The server that refused what was sent for what is in it, and the status of its answer.
    fn refusal(&self) -> Option<(&str, u16)> {
        match self {
            DeliveryError::Link(error) => error.refusal(),
            _ => None,
        }
    }

    /// True if a verified server does not take our credentials.
    fn is_denial(&self) -> bool {
        matches!(self, DeliveryError::Link(error) if error.is_denial())
    }

    /// True if a server was connected and did not answer in time.
    fn is_late(&self) -> bool {
        matches!(self, DeliveryError::Link(error) if error.is_late())
    }

    /// The pause that the server asks for.
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
        // The evidence for refusals went with the task before.
        if part.spool.take_back_all().await.is_err() {
            return;
        }
        match Link::new(&part) {
            Ok(link) if part.settings.upload.no_cache => {
                // It ends with the spool, and so does the agent.
                let _ = each::run(link, &part).await;
            }
            Ok(link) => {
                let queue = part.spool.clone();
                Rounds::new(link, queue, part.setting()).run().await;
            }
            Err(error) => {
                let why = error.to_string();
                log::warn!("{why}: reports are kept, none is sent");
                part.facts.send_modify(|facts| facts.hindered(why.clone()));
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
