//! The board: the newest fact of every part, as `status` shows it.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use tokio::sync::watch;

use crate::config::reload;
use crate::identity::{Identity, Source};
use crate::process::clock::epoch_seconds;
use crate::process::starts::{self, Starts};
use crate::provision;
use crate::{boot, collect, guard, health, http, jobs, mqtt, recovery, upgrade};

/// Where each part's facts are read. Parts only write their own; nothing here is shared state.
#[derive(Clone)]
pub struct Board {
    pub started: Instant,
    pub starts: Arc<Starts>,
    pub settings: watch::Receiver<Arc<reload::Current>>,
    pub collect: watch::Receiver<collect::Facts>,
    pub health: watch::Receiver<health::Facts>,
    pub mqtt: watch::Receiver<mqtt::Facts>,
    pub api: watch::Receiver<http::Facts>,
    /// Results over HTTP, with option `rest`.
    pub rest: watch::Receiver<Option<http::Facts>>,
    pub spool: watch::Receiver<spool::Facts>,
    pub jobs: watch::Receiver<jobs::Facts>,
    pub recovery: watch::Receiver<recovery::Facts>,
    pub boot: watch::Receiver<boot::Facts>,
    pub guard: watch::Receiver<guard::Facts>,
    pub radios: watch::Receiver<health::radio::Facts>,
    pub provision: watch::Receiver<provision::Facts>,
    pub upgrade: watch::Receiver<upgrade::Facts>,
}

/// The answer of method `status`.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    pub version: &'static str,
    /// The device's clock, seconds since the epoch: what the other times are to be compared with.
    pub now: u64,
    /// Of the agent, seconds.
    pub uptime: u64,
    pub mac: Identity,
    pub mac_source: Source,
    /// Collections since the agent started: `stats` has a newer report when it has moved.
    pub seq: u64,
    pub config: reload::Facts,
    pub sources: collect::Sources,
    pub health: health::Facts,
    pub mqtt: mqtt::Facts,
    pub api: http::Facts,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<http::Facts>,
    pub spool: spool::Facts,
    pub jobs: jobs::Facts,
    pub recovery: recovery::Facts,
    pub boot: boot::Facts,
    pub guard: guard::Facts,
    /// First contact.
    pub provision: provision::Facts,
    pub upgrade: upgrade::Facts,
    /// Switched off ones included.
    pub radios: Vec<health::radio::RadioFacts>,
    /// Of the last collection.
    pub stations: Option<usize>,
    pub starts: starts::Facts,
}

impl Board {
    pub fn status(&self) -> Status {
        let settings = self.settings.borrow().clone();
        let collect = self.collect.borrow().clone();
        Status {
            version: env!("CARGO_PKG_VERSION"),
            now: epoch_seconds(),
            uptime: self.started.elapsed().as_secs(),
            mac: settings.mac.clone(),
            mac_source: settings.mac_source.clone(),
            seq: collect.seq,
            config: settings.facts.clone(),
            sources: collect.sources,
            health: self.health.borrow().clone(),
            mqtt: self.mqtt.borrow().clone(),
            api: self.api.borrow().clone(),
            rest: self.rest.borrow().clone(),
            spool: self.spool.borrow().clone(),
            jobs: *self.jobs.borrow(),
            provision: self.provision.borrow().clone(),
            upgrade: self.upgrade.borrow().clone(),
            recovery: self.recovery.borrow().clone(),
            boot: self.boot.borrow().now(),
            guard: self.guard.borrow().clone(),
            radios: self.radios.borrow().radios.clone(),
            stations: collect.stations,
            starts: self.starts.facts(),
        }
    }
}
