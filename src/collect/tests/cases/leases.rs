//! Every server, every file, every item: the next source is asked for what one lacks.

use ubus::blobmsg::Value;
use ubus::Notice;

use super::super::super::events::event_log::Log;
use super::super::super::sources::question::Question::{LuciLeases, Radios};
use super::super::samples::{json, value, Router, NOW};
use super::super::stations::station;
use super::{ip, Case};
use crate::collect::Report;

fn leased(report: &Report) -> Vec<String> {
    let leases = report.dhcp.as_ref().unwrap();
    leases.iter().map(|lease| lease.ip.to_string()).collect()
}

#[test]
fn a_number_too_small_to_be_a_time_is_a_length() {
    let report = Case::of("leases-of-a-dnsmasq-without-rtc").report();
    let laptop = station(&report, "02:AA:00:00:00:21");
    assert_eq!(laptop.ip, ip("192.168.8.121"));
    assert_eq!(laptop.name.as_deref(), Some("laptop"));
    assert_eq!(
        station(&report, "02:AA:00:00:00:22").ip,
        ip("192.168.8.122")
    );
    let leases = report.dhcp.unwrap();
    assert_eq!(leases.len(), 2);
    assert!(leases.iter().all(|lease| lease.expires.is_none()));
}

#[test]
fn lengths_of_leases_stand_for_both_families_and_without_wifi() {
    let file = "3600 02:aa:00:00:00:21 192.168.8.121 a *\nduid 00:01\n\
                7200 1 2001:db8::7 a 00:03:00:01:02:aa:00:00:00:21\n";
    let case = Case::bare().file("tmp/dhcp.leases", file).without_bus();
    let report = case.report();
    let station = station(&report, "02:AA:00:00:00:21");
    assert_eq!(station.ip6, "2001:db8::7".parse().ok());
    assert_eq!(leased(&report), ["192.168.8.121"]);
    // A time that has passed is still one.
    let file = format!("{} 02:aa:00:00:00:21 192.168.8.121 a *\n", NOW - 1);
    let report = Case::bare().file("tmp/dhcp.leases", &file).report();
    assert_eq!(report.dhcp, Some(Vec::new()));
}

#[test]
fn every_instance_of_dnsmasq_has_its_leases_read() {
    let (report, facts) = Case::of("two-dnsmasq-instances").collect();
    let guest = station(&report, "02:AA:00:00:00:51");
    assert_eq!(guest.ip, ip("192.168.9.51"));
    assert_eq!(guest.name.as_deref(), Some("guest-phone"));
    assert_eq!(leased(&report), ["192.168.8.121", "192.168.9.51"]);
    assert!(!facts
        .sources
        .missing
        .iter()
        .any(|one| one.contains("leases")));
}

#[test]
fn a_lease_file_that_cannot_be_read_is_named() {
    let case = Case::of("two-dnsmasq-instances");
    std::fs::remove_file(case.root.path().join("tmp/dhcp.leases.guest")).unwrap();
    let (report, facts) = case.collect();
    assert_eq!(leased(&report), ["192.168.8.121"]);
    let missing = "/tmp/dhcp.leases.guest".to_owned();
    assert!(facts.sources.missing.contains(&missing), "{facts:?}");
}

#[test]
fn leases_that_only_rpcd_knows_of_are_listed_beside_the_file() {
    let case = Case::of("two-dnsmasq-instances").reply(
        LuciLeases,
        r#"{"dhcp_leases":[{"expires":100,"macaddr":"02:AA:00:00:00:52","ipaddr":"192.168.30.52","hostname":"tv"},
            {"expires":3599,"macaddr":"3C:22:FB:10:20:31","ipaddr":"192.168.8.121"}]}"#,
    );
    let report = case.report();
    assert_eq!(
        leased(&report),
        ["192.168.8.121", "192.168.9.51", "192.168.30.52"]
    );
}

#[test]
fn one_setting_of_a_station_may_name_several_addresses() {
    let report = Case::of("wifi-station-with-a-list-of-macs").report();
    assert_eq!(station(&report, "24:6F:28:AA:BB:CC").vlan, Some(30));
}

#[test]
fn one_or_many_is_read_wherever_the_configuration_allows_both() {
    let mut radios = serde_json::to_value(value("network.wireless__status.json")).unwrap();
    for (mac, vid) in [
        (
            serde_json::json!("02:00:00:00:00:01 24:6f:28:aa:bb:cc"),
            serde_json::json!("31"),
        ),
        (
            serde_json::json!(["24:6f:28:aa:bb:cc"]),
            serde_json::json!([31]),
        ),
    ] {
        radios["radio0"]["interfaces"][0]["stations"] =
            serde_json::json!([{"config": {"mac": mac, "vid": vid}}]);
        radios["radio0"]["interfaces"][0]["vlans"] = serde_json::json!([]);
        let case = Case::with(Router::v24_10()).reply(Radios, &radios.to_string());
        let report = case.report();
        assert_eq!(station(&report, "24:6F:28:AA:BB:CC").vlan, Some(31));
    }
}

fn notice(path: &str, kind: &str, data: Value) -> Notice {
    Notice::Notification {
        path: path.to_owned(),
        kind: kind.to_owned(),
        data: data.to_members().into(),
    }
}

#[test]
fn late_news_of_the_network_before_does_not_undo_the_new() {
    let file = super::data("cases/vlan-after-roaming-between-radios/notify.jsonl");
    let mut log = Log::default();
    for line in std::fs::read_to_string(file).unwrap().lines() {
        let said = json(line);
        let text = |name| said.get(name).and_then(Value::as_str).unwrap();
        let data = said.get("data").unwrap().clone();
        log.hear(notice(text("object"), text("type"), data), NOW);
    }
    let case = Case::of("vlan-after-roaming-between-radios");
    let (report, _) = case.collect_with(&mut log);
    let phone = station(&report, "02:AA:00:00:00:A1");
    assert_eq!(
        (phone.interface.as_deref(), phone.vlan),
        (Some("phy1-ap0"), Some(30))
    );
}

#[test]
fn a_network_that_goes_takes_its_vlans_along_and_no_others() {
    let mut log = Log::default();
    let joins = |log: &mut Log, network: &str, vlan: u32| {
        let data = format!(r#"{{"address":"24:6f:28:aa:bb:cd","vlan":{vlan}}}"#);
        let path = format!("hostapd.{network}");
        log.hear(notice(&path, "sta-authorized", json(&data)), NOW);
    };
    let mac = crate::mac::Mac::parse("24:6f:28:aa:bb:cd").unwrap();
    joins(&mut log, "phy0-ap0", 30);
    joins(&mut log, "phy1-ap0", 40);
    assert_eq!(log.vlan(mac, "phy0-ap0"), Some(30));
    log.hear(
        Notice::Gone {
            path: "hostapd.phy0-ap0".into(),
        },
        NOW,
    );
    assert_eq!(log.vlan(mac, "phy0-ap0"), None);
    assert_eq!(log.vlan(mac, "phy1-ap0"), Some(40));
}

#[test]
fn a_renewal_is_none_the_less_one_when_the_station_has_two_networks() {
    let mut log = Log::default();
    let mut ack = |ip: &str, interface: &str| {
        let data =
            format!(r#"{{"mac":"24:6f:28:aa:bb:cc","ip":"{ip}","interface":"{interface}"}}"#);
        log.hear(notice("dnsmasq", "dhcp.ack", json(&data)), NOW);
    };
    for _ in 0..3 {
        ack("192.168.8.5", "br-lan");
        ack("192.168.9.5", "br-guest");
    }
    assert_eq!(log.take(NOW).len(), 2);
}
