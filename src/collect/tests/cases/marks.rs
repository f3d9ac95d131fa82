//! Placeholders, sentinels and marks of other programs are no values.

use super::super::super::sources::question::Question::{
    Board, Clients, Devices, Hints, IwInfo, Status,
};
use super::super::samples::{json, Router};
use super::super::stations::station;
use super::{interface, Case};

#[test]
fn an_address_of_zeros_is_no_address() {
    let (report, _) = Case::of("zero-macs").collect();
    assert_eq!(interface(&report, "wlan1").mac, None);
    assert_eq!(interface(&report, "wg0").mac, None);
    assert!(interface(&report, "eth0").mac.is_some());
    let ssids = report.ssids.unwrap();
    let off = ssids.iter().find(|of| of.interface == "phy1-ap1").unwrap();
    assert_eq!(off.bssid, None);
    // It is not on the air, even if the driver reports the radio it would be on.
    assert_eq!((off.channel, off.frequency), (None, None));
    assert_eq!((off.signal, off.quality, off.tx_power), (None, None, None));
    assert_eq!(off.ssid.as_deref(), Some("Harbour Guest"));
}

#[test]
fn an_address_of_ones_is_no_address_either() {
    let report = Case::bare()
        .reply(
            Devices,
            r#"{"usb0":{"present":true,"macaddr":"ff:ff:ff:ff:ff:ff"}}"#,
        )
        .reply(
            IwInfo("wlan0".into()),
            r#"{"ssid":"x","mode":"Master","bssid":"FF:FF:FF:FF:FF:FF"}"#,
        )
        .report();
    assert_eq!(interface(&report, "usb0").mac, None);
    assert_eq!(report.ssids.unwrap()[0].bssid, None);
    // Nor in /sys.
    let report = Case::bare()
        .file("proc/net/dev", "a\nb\n tun0: 1 2 3 4 5 6 7 8 9 10 11 12\n")
        .file("sys/class/net/tun0/address", "00:00:00:00:00:00\n")
        .report();
    assert_eq!(interface(&report, "tun0").mac, None);
}

#[test]
fn a_speed_that_means_unknown_is_absent() {
    let report = Case::of("speed-unknown-as-a-number").report();
    for name in ["br-lan", "eth1", "eth1.30"] {
        assert_eq!(interface(&report, name).speed, None, "{name}");
    }
    assert_eq!(interface(&report, "eth0").speed, Some(2500));
    let from_sys = Case::of("speed-unknown-as-a-number")
        .without_bus()
        .file(
            "proc/net/dev",
            "br-lan: 1 1\neth1: 1 1\neth1.30: 1 1\nsfp: 1 1\n",
        )
        .file("sys/class/net/sfp/speed", "100000\n");
    let report = from_sys.report();
    for name in ["br-lan", "eth1", "eth1.30"] {
        assert_eq!(interface(&report, name).speed, None, "{name}");
    }
    assert_eq!(interface(&report, "sfp").speed, Some(100_000));
}

#[test]
fn a_network_without_a_signal_has_no_quality() {
    let report = Case::of("network-quality-without-a-signal").report();
    let ssids = report.ssids.unwrap();
    let empty = ssids.iter().find(|of| of.interface == "phy1-ap1").unwrap();
    assert_eq!(
        (empty.signal, empty.quality, empty.quality_max),
        (None, None, None)
    );
}

#[test]
fn a_mark_of_odhcpd_is_no_name() {
    let report = Case::of("names-of-leases-that-are-no-names").report();
    assert_eq!(station(&report, "3C:22:FB:10:20:31").name, None);
}

#[test]
fn a_name_behind_a_mark_is_a_name_and_an_address_is_none() {
    let case = |name: &str| {
        let hints = format!(r#"{{"3C:22:FB:10:20:31":{{"name":"{name}"}}}}"#);
        let case = Case::with(Router::v24_10().without_leases()).reply(Hints, &hints);
        let report = case.file("tmp/dhcp.leases", "").report();
        station(&report, "3C:22:FB:10:20:31").name.clone()
    };
    assert_eq!(case("broken\\\\x20tv"), Some("tv".to_owned()));
    assert_eq!(case("broken tv"), Some("tv".to_owned()));
    for mark in ["*", "-", "?", "192.168.8.121", "2001:db8::1", " "] {
        assert_eq!(case(mark), None, "{mark}");
    }
    // In the lease file, too.
    let file = "0 3c:22:fb:10:20:31 192.168.8.121 broken\\x20- *\n";
    let case = Case::with(Router::v24_10().without_leases()).file("tmp/dhcp.leases", file);
    let report = case.report();
    assert_eq!(station(&report, "3C:22:FB:10:20:31").name, None);
    assert_eq!(report.dhcp.unwrap()[0].name, None);
}

#[test]
fn an_old_kernel_says_what_a_forks_own_version_does_not() {
    let report = Case::of("rates-of-an-old-fork-with-its-own-version").report();
    let phone = station(&report, "02:AA:00:00:00:83");
    assert_eq!(
        (phone.tx_bitrate, phone.rx_bitrate),
        (Some(866_700), Some(433_300))
    );
}

#[test]
fn the_unit_of_rates_follows_the_release_and_else_the_kernel() {
    let rate = |board: &str| {
        let clients = r#"{"freq":2437,"clients":{"b8:27:eb:42:7f:90":{"authorized":true,"rate":{"rx":866700}}}}"#;
        let report = Router::bare()
            .with(Board, json(board))
            .with(Clients("wlan0".into()), json(clients))
            .report();
        station(&report, "B8:27:EB:42:7F:90").rx_bitrate
    };
    for old in [
        r#"{"kernel":"4.14.221","release":{"version":"SNAPSHOT"}}"#,
        r#"{"kernel":"5.4.238-qsdk"}"#,
        r#"{"kernel":"6.6.93","release":{"version":"22.03.7"}}"#,
    ] {
        assert_eq!(rate(old), Some(866_700), "{old}");
    }
    for new in [
        r#"{"kernel":"5.15.150","release":{"version":"R24"}}"#,
        r#"{"kernel":"6.6.93"}"#,
        r#"{"kernel":"5.10.1","release":{"version":"23.05.0"}}"#,
        "{}",
    ] {
        assert_eq!(rate(new), Some(8667), "{new}");
    }
}

#[test]
fn hostapds_word_that_a_network_is_off_is_believed_without_a_bssid() {
    let report = Case::bare()
        .reply(
            Status("wlan0".into()),
            r#"{"status":"UNINITIALIZED","ssid":"x","freq":2412,"channel":1}"#,
        )
        .report();
    let ssids = report.ssids.unwrap();
    assert_eq!((ssids[0].channel, ssids[0].frequency), (None, None));
}
