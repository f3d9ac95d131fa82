//! A collector at work, as a task.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use ubus::connect;
use uci::Directories;

use super::bus::Bus;
use crate::collect::{self, DeviceEvents, Facts, History, Part, Report};
use crate::config::Config;
use crate::process::clock::Pace;
use crate::process::shutdown::{shutdown, Trigger};

/// A running collector and what comes out of it.
pub(super) struct Running {
    pub(super) reports: mpsc::Receiver<Arc<Report>>,
    pub(super) facts: watch::Receiver<Facts>,
    pub(super) newest: watch::Receiver<Option<Arc<Report>>>,
    pub(super) history: watch::Receiver<History>,
    pub(super) health: watch::Sender<Option<u8>>,
    pub(super) stop: Trigger,
    pub(super) task: tokio::task::JoinHandle<()>,
    _root: tempfile::TempDir,
}

/// Settings of a collector: every 15 s, with Wi-Fi, without surveys.
pub(super) fn config() -> Config {
    Config::default().with(|config| {
        config.collect.monitor = Duration::from_secs(15);
        config.collect.scan = true;
        config.collect.survey = false;
        config.pace = Pace::REAL;
    })
}

/// Starts a collector on this bus, `None` for a socket that nobody listens at.
pub(super) fn start(bus: Option<Bus>) -> Running {
    start_with(bus, config())
}

pub(super) fn start_with(bus: Option<Bus>, config: Config) -> Running {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("tmp")).unwrap();
    // These never expire, with any clock.
    let leases = b"0 3c:22:fb:10:20:31 192.168.8.121 anna-macbook *\n";
    std::fs::write(root.path().join("tmp/dhcp.leases"), leases).unwrap();
    let socket = root.path().join("ubus.sock");
    if let Some(bus) = bus {
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(bus.serve(listener));
    }
    run(root, &socket, config)
}

fn run(root: tempfile::TempDir, socket: &Path, config: Config) -> Running {
    let (client, connection) = connect(socket);
    tokio::spawn(connection.run());
    let (sink, reports) = mpsc::channel(1);
    let (facts, facts_seen) = watch::channel(Facts::default());
    let (newest, newest_seen) = watch::channel(None);
    let (history, history_seen) = watch::channel(History::new(collect::history::EVERY));
    let (health, health_seen) = watch::channel(None);
    let (stop, ends) = shutdown();
    let part = Part {
        settings: (&config).into(),
        client,
        root: root.path().to_owned(),
        uci: Directories::of(root.path(), None),
        mac: "94-83-C4-A1-B2-00".parse().unwrap(),
        radios: watch::channel(None).1,
        answers: mpsc::channel(1).0,
        events: DeviceEvents::default(),
        reports: sink,
        facts,
        newest,
        history,
        health: health_seen,
    };
    let task = tokio::spawn(collect::run(part, ends));
    Running {
        reports,
        facts: facts_seen,
        newest: newest_seen,
        history: history_seen,
        health,
        stop,
        task,
        _root: root,
    }
}

impl Running {
    pub(super) async fn next(&mut self) -> (Arc<Report>, Facts) {
        let report = timeout(Duration::from_secs(60), self.reports.recv()).await;
        let report = report.unwrap().unwrap();
        (report, self.facts.borrow().clone())
    }
}
