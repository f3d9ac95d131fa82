//! The collector as a task, on a bus that answers late, wrongly, or not at all.

use std::time::Duration;

use tokio::time::{timeout, Instant};

use super::super::question::Question;
use super::bus::{config, start, start_with, Answer, Bus};
use super::samples::{json, value, Router};
use crate::collect::history::EVERY;
use crate::config::Config;

#[tokio::test(start_paused = true)]
async fn a_report_is_collected_at_once_and_then_every_monitor() {
    let mut collector = start(Some(Bus::of(&Router::v24_10())));
    let started = Instant::now();
    let (report, facts) = collector.next().await;
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(report.ssids, Router::v24_10().report().ssids);
    assert_eq!(report.interfaces, Router::v24_10().report().interfaces);
    assert_eq!(report.stations.as_ref().unwrap().len(), 6);
    assert_eq!((facts.radios, facts.stations), (2, 5));
    assert_eq!(facts.sources.missing, [""; 0]);
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
async fn the_base_image_lacks_rpcd_and_says_so() {
    let router = Router::v24_10().without_rpcd();
    let mut collector = start(Some(Bus::of(&router)));
    let (report, facts) = collector.next().await;
    assert_eq!(facts.sources.missing, ["iwinfo", "luci-rpc getDHCPLeases"]);
    assert_eq!(report.ssids, router.report().ssids);
    assert_eq!(report.device.connected, Some(5));
}

#[tokio::test(start_paused = true)]
async fn a_callee_that_died_costs_five_seconds_and_what_it_alone_knows() {
    let bus = Bus::of(&Router::v24_10()).with_all("hostapd.phy1-ap1", &Answer::Silence);
    let mut collector = start(Some(bus));
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
    let mut collector = start(Some(bus));
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
    let mut collector = start(Some(bus));
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
    let mut collector = start(Some(bus));
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
    let mut collector = start(None);
    let (report, facts) = collector.next().await;
    assert_eq!(facts.sources.missing, ["ubus"]);
    assert_eq!(facts.stations, 1);
    let stations = report.stations.as_ref().unwrap();
    assert_eq!(stations[0].name.as_deref(), Some("anna-macbook"));
}

#[tokio::test(start_paused = true)]
async fn without_scan_nobody_is_asked_about_wifi() {
    let bus = Bus::of(&Router::v24_10()).with_all("hostapd.phy1-ap1", &Answer::Silence);
    let mut collector = start_with(
        Some(bus),
        Config {
            scan: false,
            ..config()
        },
    );
    let started = Instant::now();
    let (report, facts) = collector.next().await;
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!((&report.ssids, &report.stations), (&None, &None));
    assert_eq!(report.device.connected, None);
    assert_eq!((facts.radios, facts.sources.missing.len()), (0, 0));
    assert!(report.dhcp.is_some());
}

#[tokio::test(start_paused = true)]
async fn hundreds_of_networks_are_cut_and_said_so() {
    let mut router = Router::bare();
    for at in 0..200 {
        let status = r#"{"ssid":"x","freq":2437}"#;
        let clients = r#"{"freq":2437,"clients":{}}"#;
        router = router
            .with(Question::Status(format!("w{at:03}")), json(status))
            .with(Question::Clients(format!("w{at:03}")), json(clients));
    }
    let mut collector = start(Some(Bus::of(&router)));
    let (report, facts) = collector.next().await;
    let ssids = report.ssids.as_ref().unwrap();
    assert_eq!(ssids.len(), 48);
    assert!(ssids.iter().all(|ssid| ssid.clients == Some(0)));
    let missing = facts.sources.missing;
    assert!(
        missing.contains(&"hostapd beyond 48 networks".to_owned()),
        "{missing:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_collector_ends_when_told_to_and_when_nobody_takes_its_reports() {
    let mut collector = start(Some(Bus::of(&Router::v24_10())));
    collector.next().await;
    collector.stop.fire();
    timeout(Duration::from_secs(1), collector.task)
        .await
        .unwrap()
        .unwrap();

    let collector = start(Some(Bus::of(&Router::v24_10())));
    drop(collector.reports);
    timeout(Duration::from_secs(60), collector.task)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_sink_makes_collecting_wait_and_stopping_works_all_the_same() {
    let collector = start(Some(Bus::of(&Router::v24_10())));
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

#[tokio::test(start_paused = true)]
async fn each_object_is_asked_once_and_all_before_any_of_them_answers() {
    let mut bus = Bus::of(&Router::v24_10());
    let mut asked = bus.patient();
    let mut collector = start(Some(bus));
    // The first collection also looks the objects up.
    collector.next().await;
    while asked.try_recv().is_ok() {}
    collector.next().await;
    let first = asked.recv().await.unwrap();
    let then = asked.recv().await.unwrap();
    assert!(asked.try_recv().is_err());

    let sorted = |mut asked: Vec<String>| {
        asked.sort_unstable();
        asked
    };
    assert_eq!(
        sorted(first),
        [
            "dhcp ipv4leases ",
            "dhcp ipv6leases ",
            "hostapd.*",
            "iwinfo devices ",
            "luci-rpc getDHCPLeases ",
            "network.device status ",
            "network.interface dump ",
            "network.wireless status ",
            "system board ",
            "system info ",
        ]
    );
    // What there is to ask follows from the lists of networks and devices.
    assert_eq!(
        sorted(then),
        [
            "hostapd.phy0-ap0 get_clients ",
            "hostapd.phy0-ap0 get_status ",
            "hostapd.phy1-ap0 get_clients ",
            "hostapd.phy1-ap0 get_status ",
            "hostapd.phy1-ap1 get_clients ",
            "hostapd.phy1-ap1 get_status ",
            "iwinfo assoclist phy0-ap0",
            "iwinfo assoclist phy0-ap0-iot",
            "iwinfo assoclist phy1-ap0",
            "iwinfo assoclist phy1-ap1",
            "iwinfo info phy0-ap0",
            "iwinfo info phy0-ap0-iot",
            "iwinfo info phy1-ap0",
            "iwinfo info phy1-ap1",
        ]
    );
}

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
    let survey = Config {
        survey: true,
        survey_interval: Duration::from_secs(120),
        ..config()
    };
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
    let survey = Config {
        survey: true,
        ..config()
    };
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
    let lists = |collector: &super::bus::Running| {
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
    let lists = lists(&collector);
    assert_eq!(lists.health, [None, Some(9), Some(9)]);
    assert_eq!(lists.stations, [Some(5); 3]);
    // The counters of the samples do not move.
    assert_eq!(lists.rx_rate, [None, Some(0), Some(0)]);
}
