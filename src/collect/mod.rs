//! Collecting: the device into a [`Report`], every `monitor`.
//!
//! ```text
//!   ubus ─► gather (asks all at once) ─► Replies ─► join (pure) ─► Report ─► sink
//!     └───► events, survey (between reports) ───────┘ │              └► history
//!  /proc, /sys, /etc, lease file ─────────────────────┘
//! ```
//!
//! * [`report`](Report): what a report is; docs/report.md explains every key
//! * `sources`: the objects of the bus that are asked, and the shapes of their replies
//! * `kernel`: what the kernel says: which way out is in force, and what nobody on the bus knows
//! * `join`: all of it as one report: networks, stations, names and addresses of stations, use of channels
//! * `events`: what hostapd, the DHCP servers and [other parts of the agent](DeviceEvents) tell between reports
//! * `survey`: the networks of others
//! * [`Answers`]: the answers about radios, for the part that judges by the same
//! * [`history`](History): the last day at a glance
//!
//! Any source may be missing, late, or answer with nonsense: the report lacks what only that source
//! knows, [`Facts`] say so, and the rest stands.

mod answers;
mod events;
pub mod history;
mod join;
pub(crate) mod kernel;
mod report;
mod sources;
mod survey;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use log::{debug, info};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::time::{interval, Instant, MissedTickBehavior};

use crate::config::{self, Config};
use crate::identity::Identity;
use crate::process::clock;
use crate::process::clock::Pace;
use crate::process::shutdown::Shutdown;
use events::event_log::Log;
use events::Events;
use join::airtime::{self, Airtimes};
use join::hosts::Hint;
use join::Local;
use kernel::files::Files;
use sources::dhcp::dnsmasq::LeaseFiles;
use sources::gather::{self, Gatherer};
use sources::replies::Replies;
use survey::Survey;
use ubus::Client;
use uci::Directories;

pub use answers::Answers;
pub use events::device_events::DeviceEvents;
pub use history::History;
pub use report::{
    Airtime, ChannelUse, Counters, Device, Dfs, Event, Interface, Lease, Neighbour, Peer, Radio,
    Report, Source, Ssid, Station, Traffic,
};
#[cfg(any(test, fuzzing))]
pub(crate) use sources::dhcp::leases::Leases;
pub(crate) use sources::{netifd, reply};

/// Interval at which rpcd is asked for names: it looks them up in the DNS.
const HINTS_EVERY: Duration = Duration::from_secs(300);

/// Settings the part is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub collect: config::Collect,
    pub pace: Pace,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Settings {
            collect: config.collect.clone(),
            pace: config.pace,
        }
    }
}

/// Facts of the newest collection about collecting itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Facts {
    /// Collections since the agent started: there is a newer report when it has moved.
    pub seq: u64,
    pub sources: Sources,
    /// [`Report::hosts`].
    pub stations: Option<usize>,
}

/// Where the report had to do without.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Sources {
    /// Objects (and their methods, where one has several) that do not exist, did not answer, or
    /// answered something else, and lists that were cut.
    pub missing: Vec<String>,
}

/// State of the collecting task.
#[derive(Debug, Clone)]
pub struct Part {
    pub settings: Settings,
    /// While there is no bus behind it, /proc and /sys are used.
    pub client: Client,
    /// Prefix of every path that is read.
    pub root: PathBuf,
    /// Where the configuration of the DHCP server is.
    pub uci: Directories,
    /// Identity of the device, as it is to stand in reports.
    pub mac: Identity,
    /// The health code that goes into reports and the history, once it is known.
    pub health: watch::Receiver<Option<u8>>,
    /// The radios as they stand in reports; `None` until they were looked at.
    pub radios: watch::Receiver<Option<Vec<Radio>>>,
    /// Takes the answers about radios; those that find no room are dropped.
    pub answers: mpsc::Sender<Answers>,
    /// Events of other parts for the next report.
    pub events: DeviceEvents,
    /// Takes the reports; collecting waits while it is full.
    pub reports: mpsc::Sender<Arc<Report>>,
    pub facts: watch::Sender<Facts>,
    pub newest: watch::Sender<Option<Arc<Report>>>,
    pub history: watch::Sender<History>,
}

/// Collects at once and then every `monitor`, until the agent ends or nobody takes the reports.
pub async fn run(part: Part, mut shutdown: Shutdown) {
    tokio::select! {
        biased;
        () = shutdown.requested() => {}
        () = part.keep_collecting() => {}
    }
}

/// State that lasts from one collection to the next.
#[derive(Debug)]
struct Memory {
    /// Before the first connection, and when a bus was there a moment ago, it is worth a wait.
    bus_expected: bool,
    gatherer: Gatherer,
    files: Files,
    lease_files: LeaseFiles,
    airtimes: Airtimes,
    hints: Vec<Hint>,
    hints_due: Instant,
    survey: Option<Survey>,
}

impl Part {
    async fn keep_collecting(&self) {
        let settings = &self.settings;
        let period = settings.pace.of(settings.collect.monitor);
        let mut ticks = interval(period.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let surveying = settings.collect.survey && settings.collect.scan;
        let mut memory = Memory {
            bus_expected: true,
            gatherer: Gatherer::new(),
            files: Files::below(&self.root),
            lease_files: LeaseFiles::configured_in(self.uci.clone()),
            airtimes: Airtimes::default(),
            hints: Vec::new(),
            hints_due: Instant::now(),
            survey: surveying
                .then(|| Survey::every(settings.pace.of(settings.collect.survey_interval))),
        };
        let mut events = Events::subscribe(&self.client, settings.collect.scan).await;
        loop {
            events.during(ticks.tick()).await;
            let started = Instant::now();
            let replies = events.during(self.ask(&mut memory)).await;
            let (report, facts) = self.collect(replies, &mut memory, &mut events.log);
            debug!(
                "collected {:?} stations in {} ms",
                facts.stations,
                started.elapsed().as_millis()
            );
            let report = Arc::new(report);
            self.publish(&report, facts);
            if self.reports.send(Arc::clone(&report)).await.is_err() {
                return;
            }
            if let Some(survey) = &mut memory.survey {
                let ssids = report.ssids.as_deref().unwrap_or_default();
                events.during(survey.step(&self.client, ssids)).await;
            }
        }
    }

    /// Everything that the bus is asked for a report.
    async fn ask(&self, memory: &mut Memory) -> Replies {
        let patience = match memory.bus_expected {
            true => gather::TIMEOUT,
            false => Duration::ZERO,
        };
        let connected = self.client.connected(patience).await;
        memory.bus_expected = connected.is_ok();
        if let Err(error) = connected {
            debug!("ubus: {error}");
            return Replies::without_bus(self.settings.collect.scan);
        }
        let hints = memory.hints_due <= Instant::now();
        if hints {
            memory.hints_due = Instant::now() + HINTS_EVERY;
        }
        let gatherer = &mut memory.gatherer;
        let mut answers = Answers::asked_now();
        let replies = gatherer.gather(
            &self.client,
            self.settings.collect.scan,
            hints,
            &mut answers,
        );
        let replies = replies.await;
        if self.settings.collect.scan {
            // A source without room for them asks for itself.
            let _ = self.answers.try_send(answers);
        }
        replies
    }

    /// The report that these answers and the files come to.
    fn collect(&self, mut replies: Replies, memory: &mut Memory, log: &mut Log) -> (Report, Facts) {
        let created_at = clock::epoch_seconds();
        let files = memory.files.clone();
        if let Some(hints) = replies.hints.take() {
            memory.hints = hints;
        }
        let mut missing = Vec::new();
        let (mut report, mut facts, dump) = join::join(
            replies,
            Local {
                mac: &self.mac,
                created_at,
                files: memory.lease_files.read(&files, created_at, &mut missing),
                hints: &memory.hints,
                neighbours: &files.neighbours(&mut missing),
                missing,
                log,
                airtimes: &mut memory.airtimes,
            },
        );
        join::complete(&mut report, &mut facts, &dump, &files);
        report.device.status = *self.health.borrow();
        report.radios = airtime::join(report.radios.take(), self.radios.borrow().as_deref());
        self.add_device_events(&mut report);
        if let Some((found, failed)) = memory.survey.as_mut().and_then(Survey::take) {
            report.survey = Some(found);
            facts.sources.missing.extend(failed);
        }
        (report, facts)
    }

    fn add_device_events(&self, report: &mut Report) {
        let (events, lost) = self.events.take();
        if lost > 0 {
            report.events.push(Event {
                at: report.device.created_at,
                kind: "lost",
                count: Some(lost),
                ..Event::default()
            });
        }
        report.events.extend(events);
    }

    fn publish(&self, report: &Arc<Report>, mut facts: Facts) {
        // The part may be another one than before, for other settings.
        facts.seq = self.facts.borrow().seq + 1;
        if self.facts.borrow().sources != facts.sources {
            match facts.sources.missing.as_slice() {
                [] => info!("all sources answer"),
                missing => info!("sources missing: {}", missing.join(", ")),
            }
        }
        self.history
            .send_modify(|history| history.add(report, Instant::now()));
        self.newest.send_replace(Some(Arc::clone(report)));
        self.facts.send_replace(facts);
    }
}
