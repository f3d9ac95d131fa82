//! The collector as a task, on a bus that answers late, wrongly, or not at all.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{timeout, Instant};

use super::samples::{Asked, Router};
use crate::clock::Pace;
use crate::collect::{self, Facts, Part, Report};
use crate::config::Config;
use crate::shutdown::{shutdown, Trigger};
use crate::ubus::blob::Writer;
use crate::ubus::blobmsg::Value;
use crate::ubus::message::{attr, Attributes, Frame, Kind};
use crate::ubus::{connect, from_members, matches};

/// How a callee behaves.
#[derive(Debug, Clone)]
enum Answer {
    Data(Vec<u8>),
    /// Status 0 and nothing else.
    NoData,
    Status(i32),
    /// It died.
    Silence,
}

/// Answers by path, method and the argument `device`.
type Answers = HashMap<(String, String, String), Answer>;

/// As much of the bus daemon as somebody who only calls gets to see.
struct Bus {
    answers: Answers,
}

#[derive(Deserialize)]
struct Of {
    #[serde(default)]
    device: String,
}

impl Bus {
    fn of(router: &Router) -> Self {
        let mut bus = Bus {
            answers: Answers::new(),
        };
        let mut netdevs = Vec::new();
        for (asked, value) in &router.replies {
            let (path, method, device) = match asked {
                Asked::Board => ("system".into(), "board", ""),
                Asked::Info => ("system".into(), "info", ""),
                Asked::Dump => ("network.interface".into(), "dump", ""),
                Asked::Devices => ("network.device".into(), "status", ""),
                Asked::Radios => ("network.wireless".into(), "status", ""),
                Asked::Status(name) => (format!("hostapd.{name}"), "get_status", ""),
                Asked::Clients(name) => (format!("hostapd.{name}"), "get_clients", ""),
                Asked::IwInfo(name) => {
                    netdevs.push(Value::string(name));
                    ("iwinfo".into(), "info", name.as_str())
                }
                Asked::Assoclist(name) => ("iwinfo".into(), "assoclist", name.as_str()),
            };
            bus.set(&path, method, device, Answer::Data(value.to_members()));
        }
        if !netdevs.is_empty() {
            let list = Value::Table(vec![(b"devices".to_vec(), Value::Array(netdevs))]);
            bus.set("iwinfo", "devices", "", Answer::Data(list.to_members()));
        }
        bus
    }

    fn set(&mut self, path: &str, method: &str, device: &str, answer: Answer) {
        let key = (path.into(), method.into(), device.into());
        self.answers.insert(key, answer);
    }

    fn with(mut self, path: &str, method: &str, device: &str, answer: Answer) -> Self {
        self.set(path, method, device, answer);
        self
    }

    /// Everything asked of this path gets this answer.
    fn with_all(mut self, path: &str, answer: &Answer) -> Self {
        for ((at, _, _), known) in &mut self.answers {
            if at == path {
                *known = answer.clone();
            }
        }
        self
    }

    /// Paths in order; an object's id is its place, from 1024.
    fn paths(&self) -> Vec<&str> {
        let mut paths: Vec<&str> = self
            .answers
            .keys()
            .map(|(path, _, _)| path.as_str())
            .collect();
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    async fn serve(self, listener: UnixListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            self.converse(stream).await;
        }
    }

    async fn converse(&self, mut stream: UnixStream) {
        send(&mut stream, Kind::Hello, 0, 77, Writer::new()).await;
        let mut bytes = BytesMut::new();
        while stream.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
            while let Some(frame) = Frame::split_from(&mut bytes).unwrap() {
                self.answer(&mut stream, &frame).await;
            }
        }
    }

    async fn answer(&self, stream: &mut UnixStream, frame: &Frame) {
        let attributes = Attributes::parse(&frame.payload).unwrap();
        let text = |bytes: Option<bytes::Bytes>| {
            String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap()
        };
        let paths = self.paths();
        let (seq, peer) = (frame.seq, frame.peer);
        let status = match Kind::from_id(frame.kind) {
            Some(Kind::Lookup) => {
                let pattern = text(attributes.objpath);
                let mut status = 4;
                for (at, path) in paths.iter().enumerate() {
                    if matches(&pattern, path) {
                        let object = Writer::new()
                            .text(attr::OBJPATH, path.as_bytes())
                            .word(attr::OBJID, 1024 + at as u32);
                        send(stream, Kind::Data, seq, peer, object).await;
                        status = 0;
                    }
                }
                status
            }
            Some(Kind::Invoke) => {
                let path = paths[attributes.objid.unwrap() as usize - 1024];
                let of: Of = from_members(&attributes.data.unwrap()).unwrap();
                let key = (path.to_owned(), text(attributes.method), of.device);
                match self.answers.get(&key) {
                    Some(Answer::Data(data)) => {
                        let reply = Writer::new().nested(attr::DATA, data);
                        send(stream, Kind::Data, seq, peer, reply).await;
                        0
                    }
                    Some(Answer::NoData) => 0,
                    Some(Answer::Status(status)) => *status,
                    Some(Answer::Silence) => return,
                    None => 4,
                }
            }
            _ => 0,
        };
        send(
            stream,
            Kind::Status,
            seq,
            peer,
            Writer::new().status(status),
        )
        .await;
    }
}

async fn send(stream: &mut UnixStream, kind: Kind, seq: u16, peer: u32, attributes: Writer) {
    let frame = Frame::new(kind, seq, peer, attributes);
    let mut bytes = frame.head().to_vec();
    bytes.extend(&frame.payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    // The client may be gone; the next read says so.
    stream.write_all(&bytes).await.unwrap_or_default();
}

/// A running collector and what comes out of it.
struct Running {
    reports: mpsc::Receiver<Arc<Report>>,
    facts: watch::Receiver<Facts>,
    newest: watch::Receiver<Option<Arc<Report>>>,
    stop: Trigger,
    task: tokio::task::JoinHandle<()>,
    _root: tempfile::TempDir,
}

fn config(scan: bool) -> Arc<Config> {
    Arc::new(Config {
        monitor: Duration::from_secs(15),
        scan,
        pace: Pace::REAL,
        ..Config::default()
    })
}

/// Starts a collector on this bus, `None` for a socket that nobody listens at.
fn start(bus: Option<Bus>, scan: bool) -> Running {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("tmp")).unwrap();
    // These never expire, whatever the clock says.
    let leases = b"0 3c:22:fb:10:20:31 192.168.8.121 anna-macbook *\n";
    std::fs::write(root.path().join("tmp/dhcp.leases"), leases).unwrap();
    let socket = root.path().join("ubus.sock");
    if let Some(bus) = bus {
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(bus.serve(listener));
    }
    run(root, &socket, scan)
}

fn run(root: tempfile::TempDir, socket: &Path, scan: bool) -> Running {
    let (client, connection) = connect(socket);
    tokio::spawn(connection.run());
    let (sink, reports) = mpsc::channel(1);
    let (facts, facts_seen) = watch::channel(Facts::default());
    let (newest, newest_seen) = watch::channel(None);
    let (stop, ends) = shutdown();
    let part = Part {
        config: config(scan),
        client,
        root: root.path().to_owned(),
        mac: "94-83-C4-A1-B2-00".into(),
        health: watch::channel(Some(9)).1,
        reports: sink,
        facts,
        newest,
    };
    let task = tokio::spawn(collect::run(part, ends));
    Running {
        reports,
        facts: facts_seen,
        newest: newest_seen,
        stop,
        task,
        _root: root,
    }
}

impl Running {
    async fn next(&mut self) -> (Arc<Report>, Facts) {
        let report = timeout(Duration::from_secs(60), self.reports.recv()).await;
        let report = report.unwrap().unwrap();
        (report, self.facts.borrow().clone())
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_is_collected_at_once_and_then_every_monitor() {
    let mut collector = start(Some(Bus::of(&Router::v24_10())), true);
    let started = Instant::now();
    let (report, facts) = collector.next().await;
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(report.ssids, Router::v24_10().report().ssids);
    assert_eq!(report.interfaces, Router::v24_10().report().interfaces);
    assert_eq!(report.stations.as_ref().unwrap().len(), 6);
    assert_eq!((facts.radios, facts.stations), (2, 5));
    assert_eq!(facts.sources.missing, [""; 0]);
    assert_eq!(report.device.status, Some(9));
    assert_eq!(collector.newest.borrow().as_deref(), Some(&*report));

    for at in [15, 30, 45] {
        collector.next().await;
        let passed = started.elapsed();
        let due = Duration::from_secs(at);
        assert!(
            passed >= due && passed < due + Duration::from_secs(1),
            "{passed:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_base_image_lacks_iwinfo_and_says_so() {
    let router = Router::v24_10().without_iwinfo();
    let mut collector = start(Some(Bus::of(&router)), true);
    let (report, facts) = collector.next().await;
    assert_eq!(facts.sources.missing, ["iwinfo"]);
    assert_eq!(report.ssids, router.report().ssids);
    assert_eq!(report.device.connected, Some(5));
}

#[tokio::test(start_paused = true)]
async fn a_callee_that_died_costs_five_seconds_and_what_it_alone_knows() {
    let bus = Bus::of(&Router::v24_10()).with_all("hostapd.phy1-ap1", &Answer::Silence);
    let mut collector = start(Some(bus), true);
    let started = Instant::now();
    let (report, facts) = collector.next().await;
    let passed = started.elapsed();
    assert!(
        passed >= Duration::from_secs(5) && passed < Duration::from_secs(6),
        "{passed:?}"
    );
    assert_eq!(
        facts.sources.missing,
        [
            "hostapd.phy1-ap1 get_status",
            "hostapd.phy1-ap1 get_clients"
        ]
    );
    // iwinfo knows its authorized station.
    assert_eq!(report.device.connected, Some(5));
    assert_eq!(report.stations.as_ref().unwrap().len(), 5);
    assert_eq!(report.ssids.as_ref().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_bus_where_nobody_answers_is_given_up_in_time_for_the_next_report() {
    let mut bus = Bus::of(&Router::v24_10());
    bus.answers
        .values_mut()
        .for_each(|answer| *answer = Answer::Silence);
    let mut collector = start(Some(bus), true);
    let started = Instant::now();
    let (report, facts) = collector.next().await;
    assert!(started.elapsed() < Duration::from_secs(15));
    assert_eq!(report.ssids, None);
    assert_eq!(report.stations.as_ref().unwrap().len(), 1, "the lease");
    assert!(facts.sources.missing.contains(&"system board".to_owned()));
    assert!(facts
        .sources
        .missing
        .contains(&"hostapd.phy0-ap0 get_clients".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn success_without_data_and_refusals_are_missing_sources() {
    let bus = Bus::of(&Router::v24_10())
        .with("system", "info", "", Answer::NoData)
        .with("network.device", "status", "", Answer::Status(6))
        .with("iwinfo", "assoclist", "phy1-ap0", Answer::NoData);
    let mut collector = start(Some(bus), true);
    let (report, facts) = collector.next().await;
    assert_eq!(
        facts.sources.missing,
        ["system info", "network.device", "iwinfo assoclist phy1-ap0"]
    );
    assert_eq!((report.device.uptime, &report.interfaces), (None, &None));
    assert_eq!(report.device.wan_name.as_deref(), Some("eth0"));
    assert_eq!(report.device.connected, Some(5));
}

#[tokio::test(start_paused = true)]
async fn a_network_that_went_away_while_it_was_asked_is_not_missing() {
    let bus = Bus::of(&Router::v24_10()).with_all("hostapd.phy1-ap1", &Answer::Status(4));
    let mut collector = start(Some(bus), true);
    let (report, facts) = collector.next().await;
    assert_eq!(facts.sources.missing, [""; 0]);
    assert_eq!(
        report.ssids.as_ref().unwrap().len(),
        3,
        "iwinfo still lists it"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_bus_files_are_reported() {
    let mut collector = start(None, true);
    let (report, facts) = collector.next().await;
    assert_eq!(facts.sources.missing, ["ubus"]);
    assert_eq!(facts.stations, 1);
    let stations = report.stations.as_ref().unwrap();
    assert_eq!(stations[0].name.as_deref(), Some("anna-macbook"));
}

#[tokio::test(start_paused = true)]
async fn without_scan_nobody_is_asked_about_wifi() {
    let bus = Bus::of(&Router::v24_10()).with_all("hostapd.phy1-ap1", &Answer::Silence);
    let mut collector = start(Some(bus), false);
    let started = Instant::now();
    let (report, facts) = collector.next().await;
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!((&report.ssids, &report.stations), (&None, &None));
    assert_eq!(report.device.connected, None);
    assert_eq!((facts.radios, facts.sources.missing.len()), (0, 0));
    assert!(report.dhcp.is_some());
}

#[tokio::test(start_paused = true)]
async fn hundreds_of_networks_are_asked_in_turns_and_cut() {
    let mut router = Router::bare();
    for at in 0..200 {
        let status = r#"{"ssid":"x","freq":2437}"#;
        let clients = r#"{"freq":2437,"clients":{}}"#;
        router = router
            .with(
                Asked::Status(format!("w{at:03}")),
                super::samples::json(status),
            )
            .with(
                Asked::Clients(format!("w{at:03}")),
                super::samples::json(clients),
            );
    }
    let mut collector = start(Some(Bus::of(&router)), true);
    let (report, facts) = collector.next().await;
    let ssids = report.ssids.as_ref().unwrap();
    assert_eq!(ssids.len(), 64);
    assert!(ssids.iter().all(|ssid| ssid.clients == Some(0)));
    let missing = facts.sources.missing;
    assert!(
        missing.contains(&"hostapd beyond 64 networks".to_owned()),
        "{missing:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_collector_ends_when_told_to_and_when_nobody_takes_its_reports() {
    let mut collector = start(Some(Bus::of(&Router::v24_10())), true);
    collector.next().await;
    collector.stop.fire();
    timeout(Duration::from_secs(1), collector.task)
        .await
        .unwrap()
        .unwrap();

    let collector = start(Some(Bus::of(&Router::v24_10())), true);
    drop(collector.reports);
    timeout(Duration::from_secs(60), collector.task)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_sink_makes_collecting_wait_and_stopping_works_all_the_same() {
    let collector = start(Some(Bus::of(&Router::v24_10())), true);
    tokio::time::sleep(Duration::from_secs(600)).await;
    let mut reports = collector.reports;
    assert_eq!(reports.len(), 1);
    assert!(reports.try_recv().is_ok());
    collector.stop.fire();
    timeout(Duration::from_secs(1), collector.task)
        .await
        .unwrap()
        .unwrap();
}
