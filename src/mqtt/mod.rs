//! Broker link: jobs in, replies and status out.
//!
//! ```text
//!  dial (name, address, TCP, TLS) ─► link (bytes, life, deadlines) ─► client library ─► session ⇄ jobs
//! ```
//!
//! A single task holds the connection. A job is acknowledged to the broker when the jobs part has taken or
//! refused it; a reply is marked as taken when the broker has acknowledged it. Whatever happens in
//! between, both are sent again over the next connection.

mod client;
mod dial;
mod error;
mod flight;
mod link;
mod notes;
mod pacing;
mod retained;
mod session;
mod status;
mod supply;
mod takeover;
#[cfg(test)]
mod tests;
pub mod topic;
mod trust;
mod undecided;

use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{sleep, Instant};

use crate::config::{Broker, Config, Ping};
use crate::identity::Identity;
use crate::jobs;
use crate::lookup::Resolver;
use crate::outage::Outage;
use crate::process::clock::{self, Pace};
use crate::tls::{self, TlsError};

use client::Tls;
use dial::Dialer;
use link::{Link, Refused};
use session::{Around, Ended, Lost, Session};
use topic::Topics;

pub use pacing::Pacing;
pub use supply::Supply;

/// Time between two changes of the facts for what arrives.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Settings a link is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub broker: Broker,
    pub ping: Ping,
    /// Results go to the API instead. A link gives back what it has not published when this changes.
    pub rest: bool,
    /// Why there may be no link.
    pub closed: Option<String>,
    pub spread: Duration,
    pub pace: Pace,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Settings {
            broker: config.broker.clone(),
            ping: config.ping.clone(),
            rest: config.rest.enabled,
            closed: config.closed.link(),
            spread: config.spread,
            pace: config.pace,
        }
    }
}

/// Between two attempts, and between two questions to a broker that is connected, while somebody waits for it.
const IN_A_HURRY: Duration = Duration::from_secs(5);

/// The facts about the link to the broker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    pub connected: bool,
    /// `host:port`; empty without a broker.
    pub host: String,
    /// Start of the session or of the outage, seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Sessions after the first.
    pub reconnects: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When the broker is tried again, seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<u64>,
    /// Messages over 1 MiB and unusable packets that were read past.
    pub skipped: u64,
    /// Messages of other topics that were dropped.
    pub foreign: u64,
    /// Output of running jobs is not published until the agent starts again: it ended connections.
    pub live_off: bool,
    /// When a connection or an attempt at one last ended; `None` for settings that allow no link.
    #[serde(skip)]
    pub failed: Option<Instant>,
    /// When the broker last sent something; watchers hear of it once a second at most.
    #[serde(skip)]
    pub arrived: Option<Instant>,
    /// When the newest question was sent that the broker has answered; followed only while somebody waits for
    /// the broker.
    #[serde(skip)]
    pub answered: Option<Instant>,
    /// True once there was a session.
    #[serde(skip)]
    pub(crate) met: bool,
}

impl Facts {
    /// The broker sent something; true if watchers are to hear of it.
    fn arrives(&mut self) -> bool {
        let now = Instant::now();
        let before = self.arrived.replace(now);
        before.is_none_or(|before| now - before > TOLD_EVERY)
    }

    fn came_about(&mut self) {
        if std::mem::replace(&mut self.met, true) {
            self.reconnects += 1;
        }
        self.connected = true;
        self.since = Some(clock::epoch_seconds());
        self.next_attempt = None;
    }

    fn is_closed(&mut self, broker: &Broker, reason: String) {
        self.host = match broker.host.is_empty() {
            true => String::new(),
            false => address(broker),
        };
        self.last_error = Some(reason);
    }

    fn was_lost(&mut self, error: Option<String>) {
        if self.connected {
            self.connected = false;
            self.since = Some(clock::epoch_seconds());
        }
        if error.is_some() {
            self.last_error = error;
            self.failed = Some(Instant::now());
        }
    }
}

/// Keeps a session with the broker until `shutdown`, and ends it in order: `online:"0"`, then
/// DISCONNECT, within 1 s.
///
/// `mac` is the device's identity, which stands in the topics. Without a broker in the
/// configuration, or with topics that MQTT does not allow, it only waits. Returns `supply` for
/// whoever publishes next.
pub async fn run(
    settings: Settings,
    mac: Identity,
    jobs: jobs::Handle,
    mut supply: Supply,
    facts: watch::Sender<Facts>,
    shutdown: impl Future<Output = ()>,
) -> Supply {
    tokio::pin!(shutdown);
    supply.replies.give_back();
    if let Some(reason) = &settings.closed {
        facts.send_modify(|facts| facts.is_closed(&settings.broker, reason.clone()));
        supply.idle(shutdown).await;
        return supply;
    }
    if !settings.broker.is_set() {
        facts.send_replace(Facts {
            live_off: !supply.live.is_on(),
            ..Facts::default()
        });
        supply.idle(shutdown).await;
        return supply;
    }
    let topics = match Topics::new(&settings.broker.topic, settings.broker.key.reveal(), &mac) {
        Ok(topics) => topics,
        Err(error) => {
            log::error!("no MQTT: {error}");
            facts.send_modify(|facts| {
                facts.host = address(&settings.broker);
                facts.last_error = Some(error.to_string());
            });
            supply.idle(shutdown).await;
            return supply;
        }
    };
    facts.send_modify(|facts| {
        facts.host = address(&settings.broker);
        facts.since.get_or_insert_with(clock::epoch_seconds);
    });
    let mut pacing = Pacing::new(settings.spread, settings.pace);
    let mut outage = Outage::default();
    let mut dialer = Dialer::new(Resolver::system("broker-lookup"));
    let refused = Refused::default();
    let mut tls = None;
    loop {
        let wait = pacing.next_wait();
        let at = clock::epoch_seconds().saturating_add(wait.as_secs());
        facts.send_modify(|facts| facts.next_attempt = Some(at));
        let mut hurry = supply.hurry.clone();
        let dialed = async {
            tokio::select! {
                () = sleep(wait) => {}
                () = hurried(&mut hurry, settings.pace.of(IN_A_HURRY)) => {}
            }
            let tls = believed(&settings.broker, &mut tls).map_err(|error| error.to_string())?;
            let dialed = dialer.dial(&settings.broker, tls).await;
            dialed.map_err(|error| error::undialed(&error))
        };
        let dialed = tokio::select! {
            () = &mut shutdown => break,
            dialed = dialed => dialed,
            never = supply.live.discard() => match never {},
        };
        let mut lost = match dialed {
            Ok(dialed) => {
                let network = dialed.network;
                let link = Link::new(
                    network,
                    &topics.jobs,
                    settings.broker.keepalive,
                    refused.clone(),
                );
                let around = Around {
                    settings: &settings,
                    topics: &topics,
                    jobs: &jobs,
                    supply: &mut supply,
                    facts: &facts,
                    refused: &refused,
                };
                match Session::new(around, link).run(shutdown.as_mut()).await {
                    Ended::Shutdown => break,
                    Ended::Lost(lost) => {
                        match lost.ready {
                            true => dialer.worked(dialed.address),
                            false => dialer.failed(dialed.address),
                        }
                        lost
                    }
                }
            }
            Err(error) => Lost {
                error,
                held: Duration::ZERO,
                ready: false,
                closed_idle: false,
            },
        };
        // The reason for the refusal may be in files that are repaired meanwhile.
        if lost.held.is_zero() {
            tls = None;
        }
        if pacing.ended(lost.held, lost.closed_idle) {
            let id = &topics.client_id;
            lost.error.push_str(&format!(
                "; another client with the id '{id}' may have taken the session over"
            ));
        }
        if facts.borrow().connected {
            outage.over();
        }
        log::log!(
            outage.level(&lost.error),
            "broker {}: {}",
            address(&settings.broker),
            lost.error
        );
        facts.send_modify(|facts| facts.was_lost(Some(lost.error)));
    }
    facts.send_modify(|facts| {
        facts.was_lost(None);
        facts.next_attempt = None;
    });
    supply
}

/// Completes when somebody has waited for the broker for so long.
async fn hurried(hurry: &mut watch::Receiver<bool>, within: Duration) {
    if hurry.wait_for(|hurry| *hurry).await.is_err() {
        // Nobody will.
        std::future::pending::<()>().await;
    }
    sleep(within).await;
}

/// The settings of TLS, if it is to be TLS: those of `known`, or else read now.
fn believed(broker: &Broker, known: &mut Tls) -> Result<Tls, TlsError> {
    if broker.tls && known.is_none() {
        *known = Some(tls::for_broker(broker)?);
    }
    Ok(known.clone())
}

/// `host:port` as people and resolvers read it.
fn address(broker: &Broker) -> String {
    if broker.host.contains(':') && !broker.host.starts_with('[') {
        format!("[{}]:{}", broker.host, broker.port)
    } else {
        format!("{}:{}", broker.host, broker.port)
    }
}
