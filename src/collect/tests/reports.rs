//! Whole reports, compared with those kept in tests/data/reports.

use spool::{Gap, Reason, Stamp};
use ubus::blobmsg::Value;

use super::super::sources::question::Question::{
    Assoclist, Board, Clients, IwInfo, Leases4, Leases6, Radios, Status,
};
use super::samples::{data, json, value, Router};
use super::stamp;
use crate::collect::Report;

/// Compares the line with the one that is kept, a key on each line to be read by people.
///
/// With `KEEP_REPORTS` in the environment it is kept instead; then look at what changed.
pub(super) fn is_as_kept(report: &Report, name: &str) {
    let line = report.to_line(&stamp("6d0b4f52-8f0b-4f0e-9a0e-3a8f5a7c1b11", 41));
    let mut shown: serde_json::Value = serde_json::from_slice(&line).unwrap();
    // The one thing that a release of the agent may change.
    let version = shown["device"]["smv"].take();
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    let path = data("reports").join(name);
    if std::env::var_os("KEEP_REPORTS").is_some() {
        let shown = serde_json::to_string_pretty(&shown).unwrap() + "\n";
        std::fs::write(&path, shown).unwrap();
    }
    let kept = std::fs::read(&path).unwrap();
    let kept: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    assert_eq!(shown, kept, "{name}");
}

#[test]
fn a_router_of_24_10_is_reported_whole() {
    let (report, facts) = Router::v24_10().collect();
    is_as_kept(&report, "24.10.json");
    assert_eq!(facts.stations, Some(5));
    assert_eq!(facts.sources.missing, [""; 0]);
}

#[test]
fn keys_stand_in_the_order_that_collectors_know() {
    let gap = Gap {
        from: None,
        to: Some(1_751_449_000),
        count: Some(1),
        reason: Reason::Full,
    };
    let stamp = Stamp {
        gaps: &[gap],
        ..stamp("b", 1)
    };
    let line = Router::v24_10().report().to_line(&stamp);
    // Unlike a map of serde_json, this value keeps the order.
    let report: Value = serde_json::from_slice(&line).unwrap();
    let keys = |table: &Value| match table {
        Value::Table(members) => members
            .iter()
            .map(|(name, _)| String::from_utf8(name.clone()).unwrap())
            .collect::<Vec<_>>()
            .join(" "),
        other => panic!("no table: {other:?}"),
    };
    let element = |list: &str, at: usize| match report.get(list) {
        Some(Value::Array(items)) => keys(&items[at]),
        other => panic!("no array: {other:?}"),
    };
    assert_eq!(
        keys(&report),
        "ssids device interfaces radios gaps dhcp stations"
    );
    assert_eq!(
        element("ssids", 0),
        "interface channel noise frequency signal quality bitrate quality_max bssid ssid tx_power \
         band radio clients"
    );
    assert_eq!(
        element("stations", 0),
        "interface ssid mac inactive_time rx_packets tx_packets rx_bytes tx_bytes tx_retries \
         tx_failed signal signal_avg tx_bitrate rx_bitrate authorized authenticated associated wmm \
         mfp tdls preamble conn_time mcs airtime rrm ip name source"
    );
    assert_eq!(element("dhcp", 0), "mac ip name expires");
    assert_eq!(
        keys(report.get("device").unwrap()),
        "firmware wan_name wan_gateway wan_ip machine_type smv mac tx_bytes rx_bytes uptime load_1 \
         load_5 load_15 total_ram free_ram v connected created_at hostname boot_id seq clock wan_ip6 \
         target kernel"
    );
    assert_eq!(
        element("interfaces", 2),
        "name up carrier speed mtu mac rx_bytes tx_bytes rx_packets tx_packets rx_errors tx_errors \
         rx_dropped tx_dropped ip ip6"
    );
}

#[test]
fn a_router_of_25_12_is_reported_whole() {
    let router = Router::v24_10()
        .with(Board, value("variants/system__board.25.12.json"))
        .with(
            Radios,
            value("variants/network.wireless__status.25.12.json"),
        )
        .with(
            Status("phy1-ap0".into()),
            value("variants/hostapd.phy1-ap0__get_status.25.12.json"),
        )
        .with(
            Status("eth2".into()),
            value("variants/hostapd.eth2__get_status.wired-25.12.json"),
        )
        .with(
            Clients("eth2".into()),
            value("variants/hostapd.eth2__get_clients.wired-25.12.json"),
        );
    is_as_kept(&router.report(), "25.12.json");
}

#[test]
fn a_router_of_21_02_without_rpcd_is_reported_whole() {
    let wireless = Router::bare()
        .with(Board, value("variants/system__board.21.02.json"))
        .with(
            Clients("wlan0".into()),
            value("variants/hostapd.wlan0__get_clients.21.02.json"),
        )
        .with_leases(&std::fs::read(data("samples/dhcp.leases.with-ipv6")).unwrap());
    is_as_kept(&wireless.report(), "21.02.json");
}

#[test]
fn a_router_of_22_03_without_hostapds_new_words_is_reported_whole() {
    // Rates are in kbit/s, and dnsmasq gives out addresses of IPv6 too. One radio only.
    let other = |name: &str| name.starts_with("phy1");
    let router = Router::v24_10()
        .without_rpcd()
        .without(|asked| matches!(asked, Leases4 | Leases6))
        .without(|asked| matches!(asked, Status(name) | Clients(name) if other(name)))
        .with(
            Board,
            json(
                r#"{"kernel":"5.10.176","hostname":"OpenWrt","system":"MediaTek MT7621 ver:1 eco:3",
                    "model":"Xiaomi Mi Router 4A Gigabit Edition","board_name":"xiaomi,mi-router-4a-gigabit",
                    "rootfs_type":"squashfs","release":{"distribution":"OpenWrt","version":"22.03.5",
                    "revision":"r20134-5f15225c1e","target":"ramips/mt7621",
                    "description":"OpenWrt 22.03.5 r20134-5f15225c1e"}}"#,
            ),
        )
        .with(
            Clients("phy0-ap0".into()),
            value("variants/hostapd.wlan0__get_clients.21.02.json"),
        )
        .with_leases(&std::fs::read(data("samples/dhcp.leases.with-ipv6")).unwrap());
    is_as_kept(&router.report(), "22.03.json");
}

#[test]
fn a_router_whose_leases_odhcpd_gives_out_is_reported_whole() {
    for release in ["24.10", "25.12"] {
        let leases = format!("variants/dhcp__ipv4leases.odhcpd-maindhcp.{release}.json");
        let mut router = Router::v24_10()
            .without_rpcd()
            .with(Leases4, value(&leases));
        router.leases = None;
        let (report, facts) = router.collect();
        is_as_kept(&report, "odhcpd.json");
        assert!(!facts.sources.missing.contains(&"dhcp.leases".to_owned()));
    }
}

#[test]
fn a_station_that_no_server_knows_has_the_address_of_the_neighbour_table() {
    let mut router = Router::v24_10()
        .without_rpcd()
        .without(|asked| matches!(asked, Leases4 | Leases6));
    router.leases = None;
    router.neighbours = "IP address HW type Flags HW address Mask Device\n\
        192.168.8.77 0x1 0x2 3c:22:fb:10:20:31 * br-lan\n"
        .to_owned();
    let (report, facts) = router.collect();
    let stations = report.stations.unwrap();
    let laptop = stations
        .iter()
        .find(|station| station.mac.to_string() == "3C:22:FB:10:20:31");
    assert_eq!(laptop.unwrap().ip, "192.168.8.77".parse().ok());
    assert_eq!(report.dhcp, None);
    assert!(facts.sources.missing.contains(&"dhcp.leases".to_owned()));
}

#[test]
fn stations_of_several_links_are_reported_by_the_link_they_came_by() {
    let router = Router::bare()
        .with(
            Status("ap-mld0".into()),
            value("hostapd.phy1-ap0__get_status.json"),
        )
        .with(
            Clients("ap-mld0".into()),
            value("variants/hostapd.ap-mld0__get_clients.main-2026.json"),
        );
    is_as_kept(&router.report(), "mld.json");
}

#[test]
fn the_base_image_without_rpcd_is_reported_as_far_as_hostapd_and_netifd_know() {
    let (report, facts) = Router::v24_10().without_rpcd().collect();
    is_as_kept(&report, "24.10-base-image.json");
    assert_eq!(facts.stations, Some(5));
}

#[test]
fn without_hostapd_the_lists_of_iwinfo_stand_in() {
    let (report, facts) = Router::v24_10().without_hostapd().collect();
    is_as_kept(&report, "24.10-without-hostapd.json");
    assert_eq!(facts.stations, Some(5));
}

#[test]
fn without_anything_about_wifi_the_leases_are_the_stations() {
    let router = Router::v24_10().without_hostapd().without_rpcd();
    let (report, facts) = router.collect();
    is_as_kept(&report, "24.10-leases-only.json");
    assert_eq!(facts.stations, Some(6));
}

#[test]
fn a_phy_is_no_network() {
    let router = Router::bare()
        .with(
            IwInfo("phy1".into()),
            value("variants/iwinfo__info.phy1.json"),
        )
        .with(Assoclist("phy1".into()), json("{}"));
    assert_eq!(router.report().ssids, Some(Vec::new()));
}
