//! Joins by MAC, phy and subnet, never by the shape of a name.

use super::super::super::sources::question::Question::{
    Assoclist, Clients, Dump, Hints, IwInfo, Leases4, Leases6, LuciLeases, Radios,
};
use super::super::super::survey;
use super::super::samples::{json, Router};
use super::super::stations::station;
use super::{ip, reply, Case};
use crate::collect::{Report, Source};

fn knows_all(report: &Report, mac: &str) {
    let station = station(report, mac);
    assert_eq!(station.conn_time, Some(18_233), "{mac}");
    assert_eq!(station.inactive_time, Some(40), "{mac}");
    assert_eq!(station.mcs, Some(11), "{mac}");
    assert_eq!(
        (station.traffic.tx_retries, station.traffic.tx_failed),
        (Some(20_511), Some(3))
    );
    assert_eq!(station.interface.as_deref(), Some("phy1-ap0"), "{mac}");
    assert_eq!(station.ssid.as_deref(), Some("Harbour Cafe"), "{mac}");
}

const THREE: [&str; 3] = [
    "02:AA:00:00:00:31",
    "02:AA:00:00:00:32",
    "02:AA:00:00:00:33",
];

#[test]
fn a_station_is_the_same_whichever_device_of_its_phy_lists_it() {
    let report = Case::of("netdevs-of-single-stations").report();
    for mac in THREE {
        knows_all(&report, mac);
        assert_eq!(station(&report, mac).source, Source::Hostapd);
    }
}

#[test]
fn without_hostapd_the_devices_of_single_stations_are_counted_too() {
    let (report, facts) = Case::of("netdevs-of-single-stations-without-hostapd").collect();
    for mac in THREE {
        knows_all(&report, mac);
    }
    let ssids = report.ssids.as_ref().unwrap();
    let cafe = ssids.iter().find(|of| of.interface == "phy1-ap0").unwrap();
    assert_eq!(cafe.clients, Some(3));
    assert_eq!(facts.stations, report.device.connected);
    // The samples have two more networks, with two stations and one.
    assert_eq!(report.device.connected, Some(6));
}

#[test]
fn a_vlan_of_radius_may_be_called_anything() {
    let report = Case::of("radius-vlan-netdev-named-with-a-dot").report();
    knows_all(&report, "02:AA:00:00:00:81");
}

const MASTER: &str = r#"{"phy":"phy7","bssid":"02:00:00:00:07:00","ssid":"x","mode":"Master"}"#;

/// A device of a VLAN named by hand, on a phy with one network.
fn vlan_file() -> Router {
    let of = r#"{"results":[{"mac":"02:AA:00:00:00:99","inactive":7,"authorized":true}]}"#;
    let vlan = r#"{"phy":"phy7","bssid":"02:00:00:00:07:00","mode":"Master (VLAN)"}"#;
    Router::bare()
        .with(IwInfo("wlan7".into()), json(MASTER))
        .with(Assoclist("wlan7".into()), json(r#"{"results":[]}"#))
        .with(IwInfo("vlan100".into()), json(vlan))
        .with(Assoclist("vlan100".into()), json(of))
}

#[test]
fn a_device_from_a_vlan_file_belongs_to_the_network_with_its_bssid() {
    let report = vlan_file()
        .with(
            IwInfo("wlan7-1".into()),
            json(r#"{"phy":"phy7","bssid":"02:00:00:00:07:01","ssid":"y","mode":"Master"}"#),
        )
        .report();
    let found = station(&report, "02:AA:00:00:00:99");
    assert_eq!(
        (found.interface.as_deref(), found.inactive_time),
        (Some("wlan7"), Some(7))
    );
}

#[test]
fn stations_of_a_device_that_belongs_nowhere_are_reported_by_its_name() {
    // A phy that no network is known of.
    let report = vlan_file()
        .without(|asked| matches!(asked, IwInfo(name) | Assoclist(name) if name == "wlan7"))
        .report();
    let found = station(&report, "02:AA:00:00:00:99");
    assert_eq!(found.interface.as_deref(), Some("vlan100"));
    assert_eq!(report.device.connected, Some(1));
    // Its description did not come.
    let silent = vlan_file().without(|asked| matches!(asked, IwInfo(name) if name == "vlan100"));
    let report = silent.report();
    assert_eq!(station(&report, "02:AA:00:00:00:99").inactive_time, Some(7));
}

#[test]
fn networks_that_netifd_does_not_name_belong_to_the_radio_of_their_phy() {
    let report = Case::of("secondary-networks-without-ifname").report();
    let ssids = report.ssids.unwrap();
    let radios: Vec<(&str, &str)> = ssids
        .iter()
        .map(|of| (of.interface.as_str(), of.radio.as_deref().unwrap()))
        .collect();
    assert_eq!(
        radios,
        [
            ("phy0-ap0", "radio0"),
            ("phy1-ap0", "radio1"),
            ("phy1-ap1", "radio1")
        ]
    );
    let places = survey::places(&ssids);
    let devices: Vec<&str> = places.iter().map(|of| of.device.as_str()).collect();
    assert_eq!(devices, ["phy0-ap0", "phy1-ap0"]);
}

#[test]
fn of_radios_that_share_a_phy_the_band_decides() {
    // 24.10: two radios of one chip.
    let radio = |band: &str, ifname: &str| {
        format!(
            r#"{{"config":{{"band":"{band}"}},"interfaces":[{{"ifname":"{ifname}","config":{{"ssid":"a"}}}},{{"config":{{"ssid":"b"}}}}]}}"#
        )
    };
    let radios = format!(
        r#"{{"radio0":{},"radio1":{}}}"#,
        radio("2g", "phy0.0-ap0"),
        radio("5g", "phy0.1-ap0")
    );
    let info = |frequency: u32| {
        json(&format!(
            r#"{{"phy":"phy0","ssid":"b","mode":"Master","frequency":{frequency}}}"#
        ))
    };
    let report = Router::bare()
        .with(Radios, json(&radios))
        .with(IwInfo("phy0.0-ap0".into()), info(2437))
        .with(IwInfo("phy0.1-ap0".into()), info(5180))
        .with(IwInfo("extra".into()), info(5180))
        .report();
    let ssids = report.ssids.unwrap();
    let extra = ssids.iter().find(|of| of.interface == "extra").unwrap();
    assert_eq!(extra.radio.as_deref(), Some("radio1"));
}

#[test]
fn channels_without_a_frequency_are_of_the_band_of_the_radio_that_scanned() {
    let case = "scan-of-6-ghz-without-a-band";
    let report = Case::of(case).report();
    let places = survey::places(&report.ssids.unwrap());
    let mhz = |device: &str| -> Vec<Option<u32>> {
        let place = places.iter().find(|of| of.device == device).unwrap();
        let found = reply(&format!("{case}/bus/iwinfo__scan.{device}.json"));
        let found = survey::read(&found, place.band.as_deref()).unwrap();
        found.items.iter().map(|one| one.frequency).collect()
    };
    assert_eq!(mhz("phy1-ap0"), [Some(6015), Some(6215)]);
    assert!(mhz("phy0-ap0").iter().flatten().all(|mhz| *mhz < 2500));
}

#[test]
fn a_station_has_the_address_of_the_network_it_is_in() {
    let case = Case::of("address-of-a-network-the-station-has-left");
    let phone = "02:AA:00:00:00:B1";
    assert_eq!(station(&case.report(), phone).ip, ip("192.168.9.77"));
    // The subnet alone decides, and so does the neighbour table alone.
    let no_arp = Case::of("address-of-a-network-the-station-has-left").file("proc/net/arp", "");
    assert_eq!(station(&no_arp.report(), phone).ip, ip("192.168.9.77"));
    let mut no_netifd = Case::of("address-of-a-network-the-station-has-left");
    no_netifd.router = no_netifd
        .router
        .without(|asked| matches!(asked, Radios | Dump));
    assert_eq!(station(&no_netifd.report(), phone).ip, ip("192.168.9.77"));
}

#[test]
fn a_reservation_in_the_network_before_does_not_stay_for_ever() {
    let leases = "0 8c:85:90:77:66:55 192.168.8.50 phone *\n";
    let mut case = Case::with(Router::v24_10()).file("tmp/dhcp.leases", leases);
    let others = |asked: &_| matches!(asked, LuciLeases | Hints | Leases4 | Leases6);
    case.router = case.router.without(others);
    // A guest, and nobody knows its address there.
    let report = case.report();
    let guest = station(&report, "8C:85:90:77:66:55");
    assert_eq!((guest.ip, guest.name.as_deref()), (None, Some("phone")));
    // The neighbour table has seen it there after all.
    let arp = "IP HW Flags HW Mask Device\n192.168.8.50 0x1 0x2 8c:85:90:77:66:55 * br-lan\n";
    let report = case.file("proc/net/arp", arp).report();
    assert_eq!(station(&report, "8C:85:90:77:66:55").ip, ip("192.168.8.50"));
}

#[test]
fn a_station_in_a_vlan_has_the_address_of_the_vlans_network() {
    let leases = "1751459000 24:6f:28:aa:bb:cc 192.168.8.50 old *\n\
                  1751453000 24:6f:28:aa:bb:cc 192.168.30.50 new *\n";
    let mut case = Case::with(Router::v24_10()).file("tmp/dhcp.leases", leases);
    let others = |asked: &_| matches!(asked, LuciLeases | Hints | Leases4 | Leases6);
    case.router = case.router.without(others);
    let report = case.report();
    assert_eq!(
        station(&report, "24:6F:28:AA:BB:CC").ip,
        ip("192.168.30.50")
    );
}

#[test]
fn a_host_that_answers_for_others_has_neither_their_addresses_nor_ours() {
    let report = Case::of("host-hint-of-a-proxying-station").report();
    let proxy = station(&report, "02:AA:00:00:00:61");
    assert_eq!((proxy.ip, &proxy.name), (ip("192.168.8.113"), &None));
}

#[test]
fn a_hint_of_our_own_name_or_of_anothers_lease_is_not_believed() {
    let mac = "02:AA:00:00:00:62";
    let case = |hint: &str| {
        let clients = format!(r#"{{"freq":5180,"clients":{{"{mac}":{{"authorized":true}}}}}}"#);
        Case::with(Router::v24_10())
            .reply(Clients("phy1-ap0".into()), &clients)
            .reply(Hints, &format!(r#"{{"{mac}":{hint}}}"#))
            .report()
    };
    // The router's own IPv6 address, and its name in capitals.
    let report = case(r#"{"ip6addrs":["2001:db8:100::1","2001:db8:100::9"],"name":"HARBOUR-GW"}"#);
    let found = station(&report, mac);
    assert_eq!(found.ip6, "2001:db8:100::9".parse().ok());
    assert_eq!(found.name, None);
    // The address of the NAS, which has a lease of it.
    let report = case(r#"{"ipaddrs":["192.168.8.10"],"name":"nas"}"#);
    let found = station(&report, mac);
    assert_eq!((found.ip, &found.name), (None, &None));
}

#[test]
fn the_duid_says_whose_address_it_is() {
    let report = Case::of("dhcp6-macaddr-of-rpcd-is-not-in-the-duid").report();
    let tablet = station(&report, "3C:22:FB:10:20:31");
    assert_eq!(tablet.ip6, "2001:db8:100::79f".parse().ok());
}
