//! Stations in reports, where real replies mislead.

use ubus::blobmsg::Value;

use super::super::sources::question::Question::{Assoclist, Board, Clients, IwInfo, Radios};
use super::samples::{json, Router};
use crate::collect::{Facts, Report, Source, Station};

pub(super) fn station<'a>(report: &'a Report, mac: &str) -> &'a Station {
    let stations = report.stations.as_ref().unwrap();
    let mut named = stations.iter().filter(|of| of.mac.to_string() == mac);
    let found = named.next().unwrap_or_else(|| panic!("no {mac}"));
    assert!(named.next().is_none(), "{mac} twice");
    found
}

/// Rates to and from one station of hostapd, on a release.
fn rates(version: &str, rx: u32, tx: u32) -> (Option<u32>, Option<u32>) {
    let clients = format!(
        r#"{{"freq":2437,"clients":{{"b8:27:eb:42:7f:90":{{"authorized":true,"rate":{{"rx":{rx},"tx":{tx}}}}}}}}}"#
    );
    let board = format!(r#"{{"release":{{"version":"{version}"}}}}"#);
    let router = Router::bare()
        .with(Board, json(&board))
        .with(Clients("wlan0".into()), json(&clients));
    let report = router.report();
    let station = station(&report, "B8:27:EB:42:7F:90");
    (station.rx_bitrate, station.tx_bitrate)
}

#[test]
fn rates_are_kbits_whatever_the_release_calls_them() {
    assert_eq!(
        rates("22.03.7", 65_000, 72_200),
        (Some(65_000), Some(72_200))
    );
    assert_eq!(
        rates("23.05.0", 6_500_000, 7_220_000),
        (Some(65_000), Some(72_200))
    );
    assert_eq!(
        rates("SNAPSHOT", 108_060_000, 120_090_000),
        (Some(1_080_600), Some(1_200_900))
    );
}

#[test]
fn a_rate_that_is_impossible_in_one_unit_is_in_the_other() {
    // A release that stopped multiplying, and one that began before its time.
    assert_eq!(
        rates("27.10.0", 65_000, 1_200_900),
        (Some(65_000), Some(1_200_900))
    );
    assert_eq!(
        rates("22.03.9", 6_500_000, 120_090_000),
        (Some(65_000), Some(1_200_900))
    );
    assert_eq!(rates("24.10.2", 0, 7_220_000), (None, Some(72_200)));
}

#[test]
fn the_rate_of_iwinfo_comes_first_because_its_unit_never_changed() {
    let router = Router::v24_10().with(Board, json(r#"{"release":{"version":"22.03.0"}}"#));
    let report = router.report();
    let phone = station(&report, "B8:27:EB:42:7F:90");
    assert_eq!(
        (phone.rx_bitrate, phone.tx_bitrate),
        (Some(65_000), Some(72_200))
    );
}

#[test]
fn a_station_without_rates_and_counters_is_listed_without_them() {
    let report = Router::v24_10().report();
    let joining = station(&report, "5E:0F:A3:22:81:C4");
    assert_eq!(
        (joining.traffic.rx_bytes, joining.tx_bitrate, joining.signal),
        (None, None, None)
    );
    assert_eq!(
        (joining.associated, joining.source),
        (Some(true), Source::Hostapd)
    );
    let shown = serde_json::to_string(joining).unwrap();
    assert!(
        !shown.contains("null") && !shown.contains("bytes"),
        "{shown}"
    );
}

#[test]
fn a_station_that_is_not_authorized_is_listed_and_not_counted() {
    let report = Router::v24_10().report();
    assert_eq!(
        station(&report, "5E:0F:A3:22:81:C4").authorized,
        Some(false)
    );
    assert_eq!(report.stations.as_ref().unwrap().len(), 6);
    assert_eq!(report.device.connected, Some(5));
    let guests = &report.ssids.unwrap()[2];
    assert_eq!(
        (guests.interface.as_str(), guests.clients),
        ("phy1-ap1", Some(1))
    );
}

#[test]
fn a_station_of_a_vlan_has_its_vlan_and_the_figures_of_its_own_device() {
    let report = Router::v24_10().report();
    let sensor = station(&report, "24:6F:28:AA:BB:CC");
    assert_eq!(
        (sensor.interface.as_deref(), sensor.vlan),
        (Some("phy0-ap0"), Some(30))
    );
    assert_eq!(
        (sensor.traffic.tx_retries, sensor.conn_time),
        (Some(932), Some(86_411))
    );
    let ssids = report.ssids.as_ref().unwrap();
    assert!(ssids.iter().all(|ssid| ssid.interface != "phy0-ap0-iot"));
}

#[test]
fn a_vlan_that_radius_made_belongs_to_the_network_it_is_named_after() {
    // Not in the configuration; its name begins with that of its network.
    let router = Router::v24_10().without(|asked| *asked == Radios);
    let report = router.report();
    let sensor = station(&report, "24:6F:28:AA:BB:CC");
    assert_eq!(
        (sensor.interface.as_deref(), sensor.vlan),
        (Some("phy0-ap0"), None)
    );
    assert_eq!(sensor.traffic.tx_retries, Some(932));
}

#[test]
fn the_second_network_of_an_old_radio_is_no_vlan_of_the_first() {
    let clients = |mac: &str| {
        json(&format!(
            r#"{{"freq":2437,"clients":{{"{mac}":{{"authorized":true}}}}}}"#
        ))
    };
    let list = |mac: &str| {
        json(&format!(
            r#"{{"results":[{{"mac":"{mac}","inactive":7}}]}}"#
        ))
    };
    let info = || json(r#"{"ssid":"x","mode":"Master"}"#);
    let report = Router::bare()
        .with(Clients("wlan0".into()), clients("00:00:00:00:00:01"))
        .with(Clients("wlan0-1".into()), clients("00:00:00:00:00:02"))
        .with(IwInfo("wlan0".into()), info())
        .with(IwInfo("wlan0-1".into()), info())
        .with(Assoclist("wlan0".into()), list("00:00:00:00:00:01"))
        .with(Assoclist("wlan0-1".into()), list("00:00:00:00:00:02"))
        .report();
    let second = station(&report, "00:00:00:00:00:02");
    assert_eq!(
        (second.interface.as_deref(), second.inactive_time),
        (Some("wlan0-1"), Some(7))
    );
}

#[test]
fn counters_above_the_largest_signed_number_stay_what_they_are() {
    let max = Value::Int64(-1);
    let both = Value::Table(vec![(b"rx".to_vec(), max.clone()), (b"tx".to_vec(), max)]);
    let client = Value::Table(vec![
        (b"authorized".to_vec(), Value::bool(true)),
        (b"bytes".to_vec(), both),
        (
            b"packets".to_vec(),
            Value::Table(vec![(b"rx".to_vec(), Value::Int32(-1))]),
        ),
    ]);
    let clients = Value::Table(vec![
        (b"freq".to_vec(), Value::Int32(2437)),
        (
            b"clients".to_vec(),
            Value::Table(vec![(b"b8:27:eb:42:7f:90".to_vec(), client)]),
        ),
    ]);
    let report = Router::bare()
        .with(Clients("wlan0".into()), clients)
        .report();
    let phone = station(&report, "B8:27:EB:42:7F:90");
    assert_eq!(
        (phone.traffic.rx_bytes, phone.traffic.tx_bytes),
        (Some(u64::MAX), Some(u64::MAX))
    );
    assert_eq!(
        (phone.traffic.rx_packets, phone.traffic.tx_packets),
        (Some(u32::MAX.into()), None)
    );
}

#[test]
fn a_crowd_of_stations_is_cut_and_said_so() {
    let clients = |first: u32| {
        let members = (first..first + 3000).map(|at| {
            let [_, b, c, d] = at.to_be_bytes();
            let mac = format!("02:00:00:{b:02x}:{c:02x}:{d:02x}").into_bytes();
            let client = Value::Table(vec![(b"authorized".to_vec(), Value::bool(true))]);
            (mac, client)
        });
        Value::Table(vec![
            (b"freq".to_vec(), Value::Int32(2437)),
            (b"clients".to_vec(), Value::Table(members.collect())),
        ])
    };
    let router = Router::bare()
        .with(Clients("wlan0".into()), clients(0))
        .with(Clients("wlan1".into()), clients(3000));
    let (report, facts) = router.collect();
    assert_eq!(report.stations.unwrap().len(), 4096);
    let cut = "1904 stations beyond 4096".to_owned();
    assert!(facts.sources.missing.contains(&cut));
}

/// The samples' router without hostapd's networks and without rpcd, its radios as `radios` says.
fn without_aps(radios: &str) -> (Report, Facts) {
    let router = Router::v24_10().without_hostapd().without_rpcd();
    router.with(Radios, json(radios)).collect()
}

#[test]
fn nobody_is_connected_while_no_access_point_is_set_up_and_the_leases_are_listed() {
    for radios in [
        r#"{"radio0":{"up":false,"interfaces":[{"config":{"mode":"ap","ssid":"x"}}]},"radio1":{"up":false}}"#,
        r#"{"radio0":{"up":true,"interfaces":[{"config":{"mode":"sta","ssid":"x"}}]},"radio1":{"up":false}}"#,
    ] {
        let (report, facts) = without_aps(radios);
        assert_eq!(report.dhcp.as_ref().unwrap().len(), 6);
        let listed = report.stations.as_ref().unwrap();
        assert_eq!(listed.len(), 6, "{radios}");
        assert!(listed.iter().all(|of| of.source == Source::Dhcp));
        assert_eq!(
            (report.device.connected, facts.stations),
            (Some(0), Some(0))
        );
    }
}

#[test]
fn nobody_is_listed_while_all_radios_are_off_and_nobody_knows_of_leases() {
    let router = Router::v24_10().without_hostapd().without_rpcd();
    let mut router = router
        .with(Radios, json(r#"{"radio0":{"up":false}}"#))
        .without_leases();
    router.leases = None;
    assert_eq!(router.report().stations, Some(Vec::new()));
}

#[test]
fn the_leases_stand_in_where_there_is_no_radio_or_an_access_point_that_nobody_knows() {
    for radios in [
        "{}",
        r#"{"radio0":{"up":true,"interfaces":[{"config":{"mode":"ap","ssid":"x"}}]},"radio1":{"up":false}}"#,
        r#"{"radio0":{"interfaces":[{"config":{"mode":"ap","ssid":"x"}}]}}"#,
        r#"{"radio0":{"up":true,"interfaces":[{"config":{"ssid":"x"}}]}}"#,
    ] {
        let (report, facts) = without_aps(radios);
        assert_eq!(
            (report.device.connected, facts.stations),
            (None, Some(6)),
            "{radios}"
        );
        assert_eq!(report.stations.unwrap().len(), 6);
    }
}
