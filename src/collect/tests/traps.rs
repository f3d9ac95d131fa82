//! Replies of real devices that mislead a literal reader.

use ubus::blobmsg::Value;

use super::super::sources::question::Question::{
    Assoclist, Clients, Devices, Info, IwInfo, Radios, Status,
};
use super::samples::{data, json, value, Router};
use super::stamp;
use super::stations::station;

#[test]
fn stations_and_networks_are_written_in_upper_case_whoever_told_of_them() {
    for router in [
        Router::v24_10().without_hostapd(),
        Router::v24_10().without_rpcd(),
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
        let read = router.shown();
        let line = router.report().to_line(&stamp("b", 1));
        let line = String::from_utf8(line).unwrap();
        let source = std::fs::read_to_string(data("samples").join(radios)).unwrap();
        for secret in secrets {
            assert!(source.contains(secret));
            assert!(!read.contains(secret) && !line.contains(secret), "{secret}");
        }
    }
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
    assert!(!report.to_line(&stamp("b", 1)).contains(&b'\n'));
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
    assert_eq!(
        (guest.authorized, guest.traffic.tx_packets),
        (None, Some(161_002))
    );
    // What hostapd garbled, iwinfo says.
    assert_eq!(
        (guest.traffic.rx_bytes, guest.signal),
        (Some(10_203_040), Some(-67))
    );
    assert_eq!(report.stations.as_ref().unwrap().len(), 5);
}
