//! The collector on the lab's bus: what it reports is what the imaginary router knows.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use socketman::collect::{self, DeviceEvents, Event, Facts, History, Part, Report};
use socketman::config::Config;
use socketman::process::clock::Pace;
use socketman::process::shutdown::{shutdown, Trigger};
use socketman_lab::router::{Control, Router};
use socketman_lab::ubusd::Ubusd;
use tokio::sync::{mpsc, watch};
use uci::Directories;

const LIMIT: Duration = Duration::from_secs(30);

/// A bus with a router and a collector on it.
struct Desk {
    control: Control,
    reports: mpsc::Receiver<Arc<Report>>,
    facts: watch::Receiver<Facts>,
    _stop: Trigger,
    _ubusd: Ubusd,
    _dir: tempfile::TempDir,
}

/// A report every second; surveys every four, if at all.
async fn desk(stations: usize, survey: bool) -> Desk {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("ubus.sock");
    let ubusd = Ubusd::start(&socket).unwrap();
    let connected = || {
        let (client, connection) = ubus::connect(&socket);
        tokio::spawn(connection.run());
        client
    };
    let router = Router::new(stations, 1).unwrap();
    let control = router.control();
    tokio::spawn(router.serve(connected(), std::future::pending()));
    // The first order is done when all objects are offered.
    within(control.freeze()).await.unwrap();

    let (sink, reports) = mpsc::channel(1);
    let (facts, facts_seen) = watch::channel(Facts::default());
    let (newest, _) = watch::channel(None);
    let (history, _) = watch::channel(History::new(collect::history::EVERY));
    let (_, health) = watch::channel(None);
    let (stop, ends) = shutdown();
    let part = Part {
        settings: (&Config::default().with(|config| {
            config.collect.monitor = Duration::from_secs(15);
            config.collect.scan = true;
            config.collect.survey = survey;
            config.collect.survey_interval = Duration::from_secs(60);
            config.pace = Pace::faster(15);
        }))
            .into(),
        client: connected(),
        root: control.root().to_owned(),
        uci: Directories::of(control.root(), None),
        mac: "94-83-C4-A1-B2-00".parse().unwrap(),
        reports: sink,
        facts,
        newest,
        history,
        health,
        radios: watch::channel(None).1,
        answers: mpsc::channel(1).0,
        events: DeviceEvents::default(),
    };
    tokio::spawn(collect::run(part, ends));
    Desk {
        control,
        reports,
        facts: facts_seen,
        _stop: stop,
        _ubusd: ubusd,
        _dir: dir,
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future)
        .await
        .expect("it takes too long")
}

impl Desk {
    async fn next(&mut self) -> Arc<Report> {
        within(self.reports.recv()).await.unwrap()
    }

    /// The first report that is as wanted, and what was missing in it.
    async fn until(&mut self, wanted: impl Fn(&Report, &[String]) -> bool) -> Arc<Report> {
        let until = async {
            loop {
                let report = self.reports.recv().await.unwrap();
                let missing = self.facts.borrow().sources.missing.clone();
                if wanted(&report, &missing) {
                    return report;
                }
            }
        };
        tokio::time::timeout(LIMIT, until)
            .await
            .unwrap_or_else(|_| panic!("missing: {:?}", self.facts.borrow().sources.missing))
    }

    /// Waits for an event of this kind.
    async fn event(&mut self, kind: &str) -> Event {
        let of_kind = |report: &Report| report.events.iter().find(|e| e.kind == kind).cloned();
        let report = self.until(|report, _| of_kind(report).is_some()).await;
        of_kind(&report).unwrap()
    }
}

#[tokio::test]
async fn a_report_says_of_every_station_what_the_world_knows() {
    let mut desk = desk(40, false).await;
    let report = desk.next().await;
    let world = desk.control.facts();
    assert_eq!(desk.facts.borrow().sources.missing, [""; 0]);
    assert_eq!(report.device.connected, Some(40));
    let stations = report.stations.as_ref().unwrap();
    assert_eq!(stations.len(), world.stations.len());
    for truth in &world.stations {
        let mac = truth.mac.upper();
        let station = stations.iter().find(|s| s.mac.to_string() == mac);
        let station = station.unwrap_or_else(|| panic!("no {mac}"));
        assert_eq!(station.interface.as_ref(), Some(&truth.interface));
        let ssid = String::from_utf8_lossy(&truth.ssid);
        assert_eq!(station.ssid.as_deref(), Some(&*ssid));
        assert_eq!(station.authorized, Some(truth.authorized));
        assert_eq!(station.vlan, truth.vlan);
        assert_eq!(station.name, truth.name);
        assert_eq!(station.ip.map(|ip| ip.to_string()), truth.ip);
        assert_eq!(station.ip6.map(|ip| ip.to_string()), truth.ip6);
        if truth.authorized {
            assert_eq!(station.signal, Some(truth.signal));
            assert_eq!(station.traffic.rx_bytes, Some(truth.rx.bytes));
            assert_eq!(station.traffic.tx_bytes, Some(truth.tx.bytes));
        }
    }
    for truth in world.devices.iter().filter(|device| device.name != "lo") {
        let interfaces = report.interfaces.as_ref().unwrap();
        let interface = interfaces.iter().find(|i| i.name == truth.name).unwrap();
        assert_eq!(interface.counters.rx_bytes, Some(truth.rx_bytes));
        assert_eq!(interface.counters.tx_dropped, Some(truth.tx_dropped));
    }
}

#[tokio::test]
async fn without_rpcd_names_and_addresses_come_from_the_servers_themselves() {
    let mut desk = desk(12, false).await;
    within(desk.control.without_rpcd()).await.unwrap();
    let report = desk
        .until(|_, missing| missing == ["iwinfo", "luci-rpc getDHCPLeases"])
        .await;
    for truth in desk.control.facts().stations {
        let mut stations = report.stations.iter().flatten();
        let station = stations.find(|s| s.mac.to_string() == truth.mac.upper());
        let station = station.unwrap();
        assert_eq!(station.name, truth.name);
        assert_eq!(station.ip.map(|ip| ip.to_string()), truth.ip);
    }
}

#[tokio::test]
async fn who_comes_and_goes_is_an_event_of_the_next_report() {
    let mut desk = desk(0, false).await;
    // By the second report the collector follows all objects.
    desk.next().await;
    desk.next().await;
    within(desk.control.set_stations(1)).await.unwrap();
    let join = desk.event("join").await;
    let mac = join.mac.unwrap().to_string();
    assert_eq!(mac, desk.control.facts().stations[0].mac.upper());
    assert_eq!(join.interface.as_deref(), Some("phy1-ap0"));

    within(desk.control.set_stations(0)).await.unwrap();
    let leave = desk.event("leave").await;
    assert_eq!(leave.mac, join.mac);
    // Said twice by hostapd, and once by us.
    assert!(desk.next().await.events.is_empty());

    within(desk.control.set_stations(1)).await.unwrap();
    assert_eq!(desk.event("join").await.mac, join.mac);
}

#[tokio::test]
async fn an_access_point_that_comes_back_is_followed_again() {
    let mut desk = desk(0, false).await;
    desk.next().await;
    within(desk.control.vanish("hostapd.phy1-ap0"))
        .await
        .unwrap();
    // Two reports, for the first may have been under way.
    desk.next().await;
    desk.next().await;
    within(desk.control.heal()).await.unwrap();
    desk.next().await;
    desk.next().await;
    within(desk.control.set_stations(1)).await.unwrap();
    assert_eq!(
        desk.event("join").await.interface.as_deref(),
        Some("phy1-ap0")
    );
}

#[tokio::test]
async fn a_survey_finds_the_neighbours_of_both_radios() {
    let mut desk = desk(2, true).await;
    let report = desk.until(|report, _| report.survey.is_some()).await;
    let survey = report.survey.as_ref().unwrap();
    let channels: Vec<u32> = survey.iter().filter_map(|one| one.channel).collect();
    assert_eq!(channels, [1, 6, 11, 11, 1, 149, 149]);
    // A name that is no text.
    assert_eq!(survey[4].ssid.as_deref(), Some("\u{fffd}\u{fffd}<b>net"));
    assert_eq!(desk.next().await.survey, None);
    desk.until(|report, _| report.survey.is_some()).await;
}

#[tokio::test]
async fn objects_that_vanish_hang_or_talk_nonsense_cost_what_they_alone_know() {
    let mut desk = desk(6, false).await;
    let whole = desk.next().await;
    let stations = whole.stations.as_ref().unwrap().len();

    within(desk.control.silent("network.device")).await.unwrap();
    within(desk.control.late("system", Duration::from_millis(700)))
        .await
        .unwrap();
    let report = desk.until(|_, missing| missing == ["network.device"]).await;
    assert_eq!(report.device.hostname, whole.device.hostname);
    assert_eq!(report.stations.as_ref().unwrap().len(), stations);
    // The kernel knows the devices too.
    assert!(report
        .interfaces
        .as_ref()
        .is_some_and(|list| !list.is_empty()));
    within(desk.control.heal()).await.unwrap();

    within(desk.control.vanish("hostapd.*")).await.unwrap();
    let report = desk.until(|_, missing| missing == ["hostapd"]).await;
    assert_eq!(report.device.connected, whole.device.connected);
    within(desk.control.vanish("iwinfo")).await.unwrap();
    let report = desk
        .until(|_, missing| missing == ["hostapd", "iwinfo"])
        .await;
    let leased = report.stations.as_ref().unwrap();
    assert!(leased.iter().all(|s| s.source == collect::Source::Dhcp));
    within(desk.control.heal()).await.unwrap();

    within(desk.control.wrong_types("*")).await.unwrap();
    let report = desk
        .until(|_, missing| missing.contains(&"network.interface".to_owned()))
        .await;
    assert_eq!(report.device.mac, whole.device.mac);
    assert_eq!(report.dhcp, whole.dhcp, "the lease file is no object");
    within(desk.control.heal()).await.unwrap();
    desk.until(|report, missing| missing.is_empty() && report.ssids == whole.ssids)
        .await;
}
