//! Collecting: the device into a [`Report`], every `monitor`.
//!
//! ```text
//!   ubus ─► gather (asks all at once) ─► Replies ─► join (pure) ─► Report ─► sink
//!  /proc, /sys, /etc, lease file ───────────────────────┘
//! ```
//!
//! * [`report`](Report): what a report is
//! * `gather`: which objects are asked, and for how long
//! * `system`, `network`, `wireless`, `stations`: the shapes of the replies, and what they come to
//! * `leases`: dnsmasq's file of who has which address
//! * `proc_net`, `files`: what the kernel says, for what nobody on the bus does
//! * `reply`, `mac`: the pieces replies are read with
//!
//! Any source may be missing, late, or answer with nonsense: the report lacks what only that source
//! knows, [`Facts`] say so, and the rest stands.

mod files;
mod gather;
pub(crate) mod kernel;
mod leases;
mod mac;
mod network;
mod proc_net;
mod reply;
mod report;
mod stations;
mod system;
#[cfg(test)]
mod tests;
mod wireless;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use log::{debug, info};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::time::{interval, Instant, MissedTickBehavior};

use crate::clock;
use crate::config::Config;
use crate::shutdown::Shutdown;
use crate::ubus::Client;
use files::Files;
use gather::Replies;
use leases::Leases;
use proc_net::Network;

pub use mac::Mac;
pub use report::{Counters, Device, Interface, Lease, Report, Source, Ssid, Stamp, Station};

/// What the newest collection says about collecting itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Facts {
    pub sources: Sources,
    /// Radios of the device, switched off ones included.
    pub radios: usize,
    /// Authorized stations, or as many as have a lease if nobody knows of Wi-Fi.
    pub stations: usize,
}

/// Where the report had to do without.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Sources {
    /// Objects (and their methods, where one has several) that do not exist or did not answer, and
    /// lists that were cut.
    pub missing: Vec<String>,
}

/// What the collecting task owns.
#[derive(Debug)]
pub struct Part {
    pub config: Arc<Config>,
    /// While there is no bus behind it, /proc and /sys are used.
    pub client: Client,
    /// Prefix of every path that is read.
    pub root: PathBuf,
    /// Identity of the device, as it is to stand in reports.
    pub mac: String,
    /// The health code that goes into reports, once it is known.
    pub health: watch::Receiver<Option<u8>>,
    /// Takes the reports; collecting waits while it is full.
    pub reports: mpsc::Sender<Arc<Report>>,
    pub facts: watch::Sender<Facts>,
    pub newest: watch::Sender<Option<Arc<Report>>>,
}

/// Collects at once and then every `monitor`, until the agent ends or nobody takes the reports.
pub async fn run(part: Part, mut shutdown: Shutdown) {
    tokio::select! {
        biased;
        () = shutdown.requested() => {}
        () = part.keep_collecting() => {}
    }
}

impl Part {
    async fn keep_collecting(&self) {
        // Before the first connection, and when a bus was there a moment ago, it is worth a wait.
        let mut expected = true;
        let period = self.config.pace.of(self.config.monitor);
        let mut ticks = interval(period.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let started = Instant::now();
            let (report, facts) = self.collect(&mut expected).await;
            debug!(
                "collected {} stations in {} ms",
                facts.stations,
                started.elapsed().as_millis()
            );
            if self.facts.borrow().sources != facts.sources {
                match facts.sources.missing.as_slice() {
                    [] => info!("all sources answer"),
                    missing => info!("sources missing: {}", missing.join(", ")),
                }
            }
            self.facts.send_replace(facts);
            let report = Arc::new(report);
            self.newest.send_replace(Some(Arc::clone(&report)));
            if self.reports.send(report).await.is_err() {
                return;
            }
        }
    }

    async fn collect(&self, bus_expected: &mut bool) -> (Report, Facts) {
        let patience = match bus_expected {
            true => gather::TIMEOUT,
            false => Duration::ZERO,
        };
        let connected = self.client.connected(patience).await;
        *bus_expected = connected.is_ok();
        let mut replies = match connected {
            Ok(()) => gather::gather(&self.client, self.config.scan).await,
            Err(error) => {
                debug!("ubus: {error}");
                without_bus(self.config.scan)
            }
        };
        let created_at = clock::epoch_seconds();
        let files = Files::below(&self.root);
        let leases = read_leases(&files, created_at, &mut replies.missing);
        let about = About {
            mac: &self.mac,
            created_at,
        };
        let (mut report, facts) = join(replies, leases, &about);
        complete(&mut report, &files);
        report.device.status = *self.health.borrow();
        (report, facts)
    }
}

/// What the collector itself puts into a report.
struct About<'a> {
    mac: &'a str,
    created_at: u64,
}

fn without_bus(wifi: bool) -> Replies {
    Replies {
        air: wifi.then(Default::default),
        missing: vec!["ubus".to_owned()],
        ..Replies::default()
    }
}

fn read_leases(files: &Files, now: u64, missing: &mut Vec<String>) -> Option<Leases> {
    match Leases::read(files, now) {
        Ok(leases) => {
            if leases.cut_short {
                missing.push(format!("{} beyond its first part", leases::SOURCE));
            }
            Some(leases)
        }
        Err(error) => {
            debug!("/{}: {error}", leases::PATH);
            missing.push(leases::SOURCE.to_owned());
            None
        }
    }
}

/// The report that the answers of the bus and the leases come to.
fn join(replies: Replies, leases: Option<Leases>, about: &About<'_>) -> (Report, Facts) {
    let mut facts = Facts {
        sources: Sources {
            missing: replies.missing,
        },
        ..Facts::default()
    };
    let board = replies.board.unwrap_or_default();
    let mut report = Report::default();
    if let Some(air) = &replies.air {
        let joined = stations::join(air, leases.as_ref(), board.version());
        if joined.beyond > 0 {
            let beyond = format!(
                "{} stations beyond {}",
                joined.beyond,
                stations::MAX_STATIONS
            );
            facts.sources.missing.push(beyond);
        }
        facts.radios = air.radios();
        let listed = joined.stations.as_ref().map_or(0, Vec::len);
        facts.stations = joined.connected.unwrap_or(listed);
        report.ssids = joined.ssids;
        report.stations = joined.stations;
        report.device.connected = joined.connected;
    }
    let device = &mut report.device;
    device.smv = env!("CARGO_PKG_VERSION").to_owned();
    device.mac = about.mac.to_owned();
    device.created_at = about.created_at;
    system::from_bus(device, board, replies.info.unwrap_or_default());
    let dump = replies.dump.unwrap_or_default();
    report.interfaces = replies
        .devices
        .map(|devices| network::interfaces(devices, &dump));
    if let Some(wan) = dump.wan() {
        network::fill(
            device,
            wan,
            report.interfaces.as_deref().unwrap_or_default(),
        );
    }
    report.dhcp = leases.map(Leases::into_list);
    (report, facts)
}

/// Fills in from the kernel and from files what nobody on the bus said.
fn complete(report: &mut Report, files: &Files) {
    let kernel = Network::of(files);
    let device = &mut report.device;
    system::from_files(device, files);
    if report.interfaces.is_none() {
        report.interfaces = kernel.interfaces();
    }
    if device.wan_name.is_none() {
        if let Some(wan) = kernel.wan() {
            network::fill(
                device,
                wan,
                report.interfaces.as_deref().unwrap_or_default(),
            );
        }
    }
    if let (Some(wan), None) = (&device.wan_name, device.rx_bytes.and(device.tx_bytes)) {
        let counters = kernel.counters(wan).unwrap_or_default();
        device.tx_bytes = device.tx_bytes.or(counters.tx_bytes);
        device.rx_bytes = device.rx_bytes.or(counters.rx_bytes);
    }
}
