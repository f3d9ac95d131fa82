//! State kept from one report to the next: names, a survey, events, the history.

use std::time::Duration;

use tokio::time::Instant;

use super::super::sources::question::Question;
use super::bus::{Answer, Bus};
use super::running::{config, start, start_with};
use super::samples::{json, value, Router};
use crate::collect::history::EVERY;

#[tokio::test(start_paused = true)]
async fn names_are_looked_up_every_five_minutes_and_kept_meanwhile() {
    // Nobody but rpcd's hints knows its name.
    let hints =
        json(r#"{"8C:85:90:77:66:55":{"ipaddrs":[],"ip6addrs":["2001:db8::7"],"name":"s21"}}"#);
    let router = Router::v24_10()
        .without(|asked| *asked == Question::LuciLeases)
        .with(Question::Hints, hints);
    let mut bus = Bus::of(&router);
    let mut asked = bus.patient();
    let mut collector = start(Some(bus));
    let mut times = Vec::new();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(320) {
        let (report, _) = collector.next().await;
        let stations = report.stations.as_ref().unwrap();
        let phone = stations
            .iter()
            .find(|s| s.mac.to_string() == "8C:85:90:77:66:55");
        assert_eq!(phone.unwrap().name.as_deref(), Some("s21"));
        while let Ok(asked) = asked.try_recv() {
            if asked
                .iter()
                .any(|question| question == "luci-rpc getHostHints ")
            {
                times.push(started.elapsed().as_secs());
            }
        }
    }
    assert!(matches!(times[..], [0, 300..=316]), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_survey_lets_each_radio_scan_once_between_reports_and_is_told_once() {
    let scan = |device: &str| {
        let reply = value(&format!("iwinfo__scan.{device}.json"));
        Answer::Data(reply.to_members())
    };
    let mut bus = Bus::of(&Router::v24_10())
        .with("iwinfo", "scan", "phy0-ap0", scan("phy0-ap0"))
        .with("iwinfo", "scan", "phy1-ap0", scan("phy1-ap0"));
    let mut asked = bus.patient();
    let survey = config().with(|config| {
        config.collect.survey = true;
        config.collect.survey_interval = Duration::from_secs(120);
    });
    let mut collector = start_with(Some(bus), survey);
    let mut surveys = Vec::new();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(185) {
        let (report, facts) = collector.next().await;
        assert_eq!(facts.sources.missing, [""; 0]);
        if let Some(survey) = &report.survey {
            // The first radio scanned 30 s ago, the second 15 s ago.
            assert_eq!(survey.len(), 5);
            assert!(
                (29_000..31_000).contains(&survey[0].last_seen),
                "{survey:?}"
            );
            assert!(
                (14_000..16_000).contains(&survey[4].last_seen),
                "{survey:?}"
            );
            surveys.push(started.elapsed().as_secs());
        }
    }
    assert_eq!(surveys, [30, 150]);
    let mut scans = 0;
    while let Ok(asked) = asked.try_recv() {
        let of = |question: &&String| question.starts_with("iwinfo scan");
        let here = asked.iter().filter(of).count();
        // Alone: not during a report, and not two at a time.
        assert!(here == 0 || asked.len() == 1, "{asked:?}");
        scans += here;
    }
    assert_eq!(scans, 4);
}

#[tokio::test(start_paused = true)]
async fn a_scan_that_hangs_or_fails_costs_the_survey_and_no_report() {
    let bus = Bus::of(&Router::v24_10())
        .with("iwinfo", "scan", "phy0-ap0", Answer::Silence)
        .with("iwinfo", "scan", "phy1-ap0", Answer::NoData);
    let survey = config().with(|config| config.collect.survey = true);
    let mut collector = start_with(Some(bus), survey);
    let started = Instant::now();
    for n in 0..2 {
        let (report, facts) = collector.next().await;
        assert_eq!(started.elapsed().as_secs(), n * 15);
        assert_eq!((&report.survey, facts.sources.missing.len()), (&None, 0));
    }
    let (report, facts) = collector.next().await;
    assert_eq!(report.survey.as_deref(), Some(&[][..]));
    assert_eq!(
        facts.sources.missing,
        ["iwinfo scan phy0-ap0", "iwinfo scan phy1-ap0"]
    );
    assert_eq!(collector.next().await.1.sources.missing, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn notifications_are_events_of_the_next_report() {
    let bus = Bus::of(&Router::v24_10()).with_object("dnsmasq");
    let notify = bus.notify();
    let mut collector = start(Some(bus));
    // Subscribing takes about as long as the first report.
    for _ in 0..2 {
        assert_eq!(collector.next().await.0.events, []);
    }

    let told = |path, kind, data: &str| notify.send((path, kind, json(data))).unwrap();
    told(
        "hostapd.phy1-ap0",
        "disassoc",
        r#"{"address":"3c:22:fb:10:20:31"}"#,
    );
    told(
        "dnsmasq",
        "dhcp.ack",
        r#"{"mac":"8c:85:90:77:66:55","ip":"192.168.9.104","name":"Galaxy-S21","interface":"br-guest"}"#,
    );
    let (report, _) = collector.next().await;
    let [leave, lease] = &report.events[..] else {
        panic!("{:?}", report.events);
    };
    assert_eq!((leave.kind, leave.reason), ("leave", Some("disassoc")));
    assert_eq!(leave.interface.as_deref(), Some("phy1-ap0"));
    assert_eq!(
        (lease.kind, lease.name.as_deref()),
        ("lease", Some("Galaxy-S21"))
    );
    assert_eq!(lease.ip, "192.168.9.104".parse().ok());
    assert_eq!(collector.next().await.0.events, []);
}

#[tokio::test(start_paused = true)]
async fn the_history_has_a_point_every_five_minutes_with_the_health_code() {
    let mut collector = start(Some(Bus::of(&Router::v24_10())));
    collector.next().await;
    let lists = |collector: &super::running::Running| {
        collector
            .history
            .borrow()
            .lists(Instant::now(), super::samples::NOW)
    };
    assert_eq!(lists(&collector).health, [None]);
    collector.health.send_replace(Some(9));
    let started = Instant::now();
    while started.elapsed() < EVERY * 2 {
        collector.next().await;
    }
    let newest = collector.newest.borrow().clone().unwrap();
    assert_eq!(newest.device.status, Some(9));
    let lists = lists(&collector);
    assert_eq!(lists.health, [None, Some(9), Some(9)]);
    assert_eq!(lists.stations, [Some(5); 3]);
    // The counters of the samples do not move.
    assert_eq!(lists.rx_rate, [None, Some(0), Some(0)]);
}
