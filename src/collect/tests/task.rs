//! The collector as a task, on a bus that answers late, wrongly, or not at all.

use std::time::Duration;

use tokio::time::{timeout, Instant};
use ubus::blobmsg::Value;

use super::super::sources::question::Question;
use super::bus::{Answer, Bus};
use super::running::{config, start, start_with};
use super::samples::{json, Router};

#[tokio::test(start_paused = true)]
async fn a_report_is_collected_at_once_and_then_every_monitor() {
    let mut collector = start(Some(Bus::of(&Router::v24_10())));
    let started = Instant::now();
    let (report, facts) = collector.next().await;
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(report.ssids, Router::v24_10().report().ssids);
    assert_eq!(report.interfaces, Router::v24_10().report().interfaces);
    assert_eq!(report.stations.as_ref().unwrap().len(), 6);
    assert_eq!(facts.stations, Some(5));
    assert_eq!(facts.sources.missing, [""; 0]);
    assert_eq!(collector.newest.borrow().as_deref(), Some(&*report));
    assert_eq!(facts.seq, 1);

    for (seq, at) in [(2, 15), (3, 30), (4, 45)] {
        let (_, facts) = collector.next().await;
        assert_eq!(facts.seq, seq);
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
async fn a_router_without_radios_misses_nobody_who_knows_of_wifi() {
    let mut bus = Bus::of(&Router::v24_10());
    bus.answers
        .retain(|(path, _, _), _| !path.starts_with("hostapd.") && path != "iwinfo");
    let no_radio = Value::Table(Vec::new()).to_members();
    let bus = bus.with("network.wireless", "status", "", Answer::Data(no_radio));
    let mut collector = start(Some(bus));
    let (report, facts) = collector.next().await;
    assert_eq!(facts.sources.missing, [""; 0]);
    assert_eq!(facts.stations, Some(6));
    let history = collector.history.borrow().clone();
    let lists = history.lists(Instant::now(), 0);
    assert_eq!(lists.stations, [Some(6)], "who has a lease is in the graph");
    assert_eq!(report.device.connected, None);
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
    assert_eq!(facts.stations, Some(1));
    let stations = report.stations.as_ref().unwrap();
    assert_eq!(stations[0].name.as_deref(), Some("anna-macbook"));
}

#[tokio::test(start_paused = true)]
async fn without_scan_nobody_is_asked_about_wifi() {
    let bus = Bus::of(&Router::v24_10()).with_all("hostapd.phy1-ap1", &Answer::Silence);
    let mut collector = start_with(
        Some(bus),
        config().with(|config| config.collect.scan = false),
    );
    let started = Instant::now();
    let (report, facts) = collector.next().await;
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!((&report.ssids, &report.stations), (&None, &None));
    assert_eq!(report.device.connected, None);
    assert_eq!(facts.sources.missing, [""; 0]);
    assert_eq!(report.dhcp.as_ref().unwrap().len(), 1);
    assert_eq!(facts.stations, Some(1));
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
        missing.contains(&"152 networks of hostapd beyond 48".to_owned()),
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
            "hostapd*",
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
async fn no_more_is_asked_for_at_once_than_the_daemon_keeps_for_a_client() {
    let member = |n: u32| {
        format!(
            r#""02:00:00:00:{:02x}:{:02x}":{{"authorized":true}}"#,
            n / 256,
            n % 256
        )
    };
    let members: Vec<String> = (0..3000).map(member).collect();
    let clients = format!(r#"{{"freq":2437,"clients":{{{}}}}}"#, members.join(","));
    let mut router = Router::bare();
    for at in 0..5 {
        let name = format!("w{at}");
        router = router.with(Question::Clients(name), json(&clients));
    }
    let size = json(&clients).to_members().len();
    assert_eq!((512 << 10) / size, 3);
    let mut bus = Bus::of(&router);
    let mut asked = bus.patient();
    let mut collector = start(Some(bus));
    collector.next().await;
    while asked.try_recv().is_ok() {}
    let (report, _) = collector.next().await;
    assert_eq!(report.ssids.as_ref().unwrap().len(), 5);
    let (mut questions, mut most) = (0, 0);
    while let Ok(asked) = asked.try_recv() {
        let here = asked
            .iter()
            .filter(|question| question.contains("get_clients"));
        questions += here.count();
        most = most.max(asked.len());
    }
    assert_eq!((questions, most), (5, 3));
}
