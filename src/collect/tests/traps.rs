//! What replies of real devices do to whoever takes them at their word.

use super::samples::Asked::{Assoclist, Board, Clients, Devices, Info, IwInfo, Radios, Status};
use super::samples::{data, json, value, Router};
use crate::collect::report::{Source, Station};
use crate::collect::Report;
use crate::ubus::blobmsg::Value;

fn station<'a>(report: &'a Report, mac: &str) -> &'a Station {
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
        (joining.rx_bytes, joining.tx_bitrate, joining.signal),
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
        (sensor.tx_retries, sensor.conn_time),
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
    assert_eq!(sensor.tx_retries, Some(932));
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
fn stations_and_networks_are_written_in_upper_case_whoever_told_of_them() {
    for router in [
        Router::v24_10().without_hostapd(),
        Router::v24_10().without_iwinfo(),
    ] {
        let report = router.report();
        let macs: Vec<String> = report
            .stations
            .unwrap()
            .iter()
            .map(|s| s.mac.to_string())
            .collect();
        assert!(macs.contains(&"3C:22:FB:10:20:31".to_owned()));
        let bssid = report.ssids.unwrap()[0].bssid.unwrap();
        assert_eq!(bssid.to_string(), "94:83:C4:A1:B2:02");
    }
}

#[test]
fn noise_that_lost_its_sign_or_is_unknown_is_not_believed() {
    let noise = |noise: i32| {
        let info = format!(r#"{{"ssid":"x","mode":"Master","noise":{noise}}}"#);
        let router = Router::bare().with(IwInfo("wlan0".into()), json(&info));
        router.report().ssids.unwrap()[0].noise
    };
    assert_eq!(noise(164), Some(-92));
    assert_eq!(noise(-92), Some(-92));
    assert_eq!(noise(0), None);
}

#[test]
fn local_time_is_no_epoch_and_load_and_memory_have_their_units() {
    let device = Router::v24_10().report().device;
    assert_eq!(device.created_at, super::samples::NOW);
    assert_eq!(
        (device.load_1, device.load_5, device.load_15),
        (Some(0.07), Some(0.12), Some(0.1))
    );
    assert_eq!(
        (device.total_ram, device.free_ram),
        (Some(508_329_984), Some(267_386_880))
    );
    assert_eq!(device.uptime, Some(356_412));
}

#[test]
fn a_port_without_a_link_is_up_without_carrier_and_has_no_speed() {
    let devices = json(
        r#"{"lan1":{"present":true,"up":true,"carrier":false,"speed":"-1F"},
            "lan2":{"present":true,"up":true,"carrier":true,"speed":"100H"},
            "lan3":{"external":false,"present":false,"type":"Network device"}}"#,
    );
    let interfaces = Router::bare()
        .with(Devices, devices)
        .report()
        .interfaces
        .unwrap();
    assert_eq!(interfaces.len(), 2);
    let first = &interfaces[0];
    assert_eq!(
        (first.up, first.carrier, first.speed),
        (Some(true), Some(false), None)
    );
    assert_eq!(interfaces[1].speed, Some(100));
    let shown = serde_json::to_string(first).unwrap();
    assert_eq!(shown, r#"{"name":"lan1","up":true,"carrier":false}"#);
}

#[test]
fn keys_of_the_wireless_status_never_leave_the_reply() {
    for radios in [
        "network.wireless__status.json",
        "variants/network.wireless__status.25.12.json",
    ] {
        let router = Router::v24_10().with(Radios, value(radios));
        let secrets = ["example-psk-1", "example-psk-guest", "example-psk-iot"];
        let read = format!("{:?}", router.decode());
        let line = router.report().to_line(&stamp::<()>("b", 1, &[]));
        let line = String::from_utf8(line).unwrap();
        let source = std::fs::read_to_string(data("samples").join(radios)).unwrap();
        for secret in secrets {
            assert!(source.contains(secret));
            assert!(!read.contains(secret) && !line.contains(secret), "{secret}");
        }
    }
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
        (phone.rx_bytes, phone.tx_bytes),
        (Some(u64::MAX), Some(u64::MAX))
    );
    assert_eq!(
        (phone.rx_packets, phone.tx_packets),
        (Some(u32::MAX.into()), None)
    );
}

#[test]
fn a_network_name_that_is_not_utf_8_gets_replacement_characters() {
    let status = Value::Table(vec![
        (b"freq".to_vec(), Value::Int32(2437)),
        (b"ssid".to_vec(), Value::String(b"caf\xe9\n".to_vec())),
    ]);
    let report = Router::bare().with(Status("wlan0".into()), status).report();
    assert_eq!(
        report.ssids.as_ref().unwrap()[0].ssid.as_deref(),
        Some("caf\u{fffd}\n")
    );
    assert!(!report.to_line(&stamp::<()>("b", 1, &[])).contains(&b'\n'));
}

#[test]
fn authentication_on_a_wire_is_no_wifi() {
    let router = Router::bare()
        .with(
            Status("eth2".into()),
            value("variants/hostapd.eth2__get_status.wired-25.12.json"),
        )
        .with(
            Clients("eth2".into()),
            value("variants/hostapd.eth2__get_clients.wired-25.12.json"),
        );
    let only_clients = router.clone().without(|asked| matches!(asked, Status(_)));
    for router in [router, only_clients] {
        let report = router.report();
        assert_eq!((report.ssids, report.stations), (Some(Vec::new()), None));
        assert_eq!(report.device.connected, None);
    }
}

#[test]
fn a_network_this_device_is_a_client_of_is_listed_and_its_access_point_is_no_station() {
    let report = Router::v24_10()
        .with(
            IwInfo("phy0-sta0".into()),
            json(
                r#"{"ssid":"Upstream","mode":"Client","signal":-60,"quality":50,"quality_max":70}"#,
            ),
        )
        .with(
            Assoclist("phy0-sta0".into()),
            json(r#"{"results":[{"mac":"00:00:00:00:00:09","authorized":true}]}"#),
        )
        .report();
    assert_eq!(
        (report.device.connected, report.stations.unwrap().len()),
        (Some(5), 6)
    );
    let uplink = &report.ssids.unwrap()[3];
    assert_eq!(
        (uplink.ssid.as_deref(), uplink.clients),
        (Some("Upstream"), None)
    );
    assert_eq!(uplink.signal, Some(-60));
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
    assert_eq!(facts.sources.missing, ["1904 stations beyond 4096"]);
}

#[test]
fn a_reply_of_wrong_types_everywhere_costs_only_what_it_would_have_said() {
    let router = Router::v24_10()
        .with(Info, json(r#"{"uptime":"long","load":"high","memory":[]}"#))
        .with(
            Clients("phy1-ap1".into()),
            json(
                r#"{"freq":"5180","clients":{"8c:85:90:77:66:55":{"authorized":"yes","bytes":7,
                    "packets":{"rx":"many","tx":161002},"rate":[],"signal":"good"},"x":{},"y":5}}"#,
            ),
        );
    let report = router.report();
    let device = &report.device;
    assert_eq!(
        (device.uptime, device.load_1, device.total_ram),
        (None, None, None)
    );
    assert_eq!(device.hostname.as_deref(), Some("harbour-gw"));
    let guest = station(&report, "8C:85:90:77:66:55");
    assert_eq!((guest.authorized, guest.tx_packets), (None, Some(161_002)));
    // What hostapd garbled, iwinfo says.
    assert_eq!(
        (guest.rx_bytes, guest.signal),
        (Some(10_203_040), Some(-67))
    );
    assert_eq!(report.stations.as_ref().unwrap().len(), 5);
}
