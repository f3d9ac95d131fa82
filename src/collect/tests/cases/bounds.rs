//! No bound cuts by position, and none cuts without a word.

use std::fmt::Write;

use ubus::blobmsg::Value;

use super::super::super::sources::question::Question::{
    self, Assoclist, Clients, Devices, Dump, IwInfo, LuciLeases, Radios,
};
use super::super::super::survey;
use super::super::samples::{value, Router};
use super::super::stations::station;
use super::{interface, Case};

/// Sixty devices of stations come before the networks in the list of iwinfo.
fn crowded() -> Router {
    let mut router = Router::v24_10();
    let mut names: Vec<String> = (1..=60).map(|n| format!("phy0-ap0.sta{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        let info = value("iwinfo__info.phy0-ap0.json");
        let Value::Table(mut info) = info else {
            panic!("{info:?}")
        };
        info.retain(|(key, _)| key != b"ssid");
        let mode = info.iter_mut().find(|(key, _)| key == b"mode").unwrap();
        mode.1 = Value::string("Master (VLAN)");
        let list = format!(
            r#"{{"results":[{{"mac":"02:CC:00:00:00:{n:02X}","inactive":5,"authorized":true}}]}}"#
        );
        router = router
            .with(IwInfo(name.clone()), Value::Table(info))
            .with(Assoclist(name.clone()), super::super::samples::json(&list));
    }
    names.extend(["phy0-ap0", "phy0-ap0-iot", "phy1-ap0", "phy1-ap1"].map(str::to_owned));
    let names = names.iter().map(|name| Value::string(name)).collect();
    let devices = Value::Table(vec![(b"devices".to_vec(), Value::Array(names))]);
    router.with(Question::Netdevs, devices)
}

#[test]
fn networks_are_asked_about_before_the_devices_of_their_stations() {
    let (report, facts) = crowded().collect();
    let ssids = report.ssids.as_ref().unwrap();
    for name in ["phy0-ap0", "phy1-ap0", "phy1-ap1"] {
        let ssid = ssids.iter().find(|of| of.interface == name).unwrap();
        assert!(ssid.noise.is_some() && ssid.tx_power.is_some(), "{name}");
    }
    assert_eq!(
        station(&report, "3C:22:FB:10:20:31").conn_time,
        Some(18_233)
    );
    let cut = "16 devices of iwinfo beyond 48".to_owned();
    assert!(facts.sources.missing.contains(&cut), "{facts:?}");
}

#[test]
fn without_hostapd_the_configured_networks_come_first() {
    let (report, facts) = crowded().without_hostapd().collect();
    let ssids = report.ssids.as_ref().unwrap();
    assert_eq!(ssids.len(), 3);
    // A station of each device that was asked about is there.
    let of_devices = report.stations.unwrap();
    let of_devices = of_devices.iter().filter(|of| of.inactive_time == Some(5));
    assert_eq!(of_devices.count(), 44);
    let cut = "16 devices of iwinfo beyond 48".to_owned();
    assert!(facts.sources.missing.contains(&cut), "{facts:?}");
}

#[test]
fn the_wan_is_among_three_hundred_interfaces() {
    let routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
                  eth0\t00000000\t017100CB\t0003\t0\t0\t0\t00000000\n";
    let case = Case::of("three-hundred-interfaces").without_bus();
    let (report, facts) = case.file("proc/net/route", routes).collect();
    let interfaces = report.interfaces.as_ref().unwrap();
    assert_eq!(interfaces.len(), 256);
    interface(&report, "eth0");
    assert!(report.device.rx_bytes.is_some() && report.device.tx_bytes.is_some());
    let cut = facts.sources.missing.iter();
    let cut: Vec<&String> = cut
        .filter(|one| one.ends_with("interfaces beyond 256"))
        .collect();
    assert_eq!(cut.len(), 1, "{facts:?}");
}

#[test]
fn hardware_comes_before_what_software_made() {
    let mut dev = String::new();
    for n in 0..5000 {
        writeln!(dev, "ppp{n}: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0").unwrap();
    }
    dev += "lan7: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n";
    let case = Case::bare()
        .file("proc/net/dev", &dev)
        .file("sys/class/net/lan7/device/uevent", "");
    let (report, facts) = case.collect();
    interface(&report, "lan7");
    let cut = "4745 interfaces beyond 256".to_owned();
    assert!(facts.sources.missing.contains(&cut), "{facts:?}");
}

#[test]
fn a_list_of_netifd_is_bounded_like_the_kernels() {
    let mut devices = String::new();
    for n in 0..4200 {
        write!(devices, r#""d{n}":{{"present":true}},"#).unwrap();
    }
    let devices = format!(r#"{{{devices}"eth0":{{"present":true,"up":true}}}}"#);
    let (report, facts) = Case::bare().reply(Devices, &devices).collect();
    assert_eq!(report.interfaces.unwrap().len(), 256);
    let cut: usize = facts.sources.missing.iter().map(|one| left_out(one)).sum();
    assert_eq!(cut, 4201 - 256, "{facts:?}");
}

/// The number that a line of `sources.missing` begins with.
fn left_out(missing: &str) -> usize {
    let number = missing.split(' ').next().unwrap();
    number.parse().unwrap_or(0)
}

#[test]
fn rows_that_cannot_be_read_are_counted() {
    let clients = r#"{"freq":2437,"clients":{"b8:27:eb:42:7f:90":{"authorized":true},"x":{},
        "b8:27:eb:42:7f:91":5,"ff:ff:ff:ff:ff:ff":{"authorized":true}}}"#;
    let case = Case::bare().reply(Clients("wlan0".into()), clients);
    let (report, facts) = case.collect();
    assert_eq!(report.stations.unwrap().len(), 1);
    let told = "3 rows of hostapd.wlan0 get_clients".to_owned();
    assert!(facts.sources.missing.contains(&told), "{facts:?}");

    let leases = r#"{"dhcp_leases":[{"expires":5,"macaddr":"x","ipaddr":"192.168.8.1"},7,
        {"expires":0,"macaddr":"02:AA:00:00:00:52","ipaddr":"192.168.8.2"}],"dhcp6_leases":[]}"#;
    let (report, facts) = Case::bare().reply(LuciLeases, leases).collect();
    assert_eq!(report.dhcp, Some(Vec::new()));
    let told = "2 rows of luci-rpc getDHCPLeases".to_owned();
    assert!(facts.sources.missing.contains(&told), "{facts:?}");
}

#[test]
fn lines_of_the_lease_file_and_of_radios_that_cannot_be_read_are_counted() {
    let file = "0 3c:22:fb:10:20:31 192.168.8.121 laptop *\n0 zz 192.168.8.122 x *\n\
                agent-info 1 2\nvendorclass x\nduid 00:01\ngarbage!\n";
    let case = Case::bare().file("tmp/dhcp.leases", file);
    let (report, facts) = case.collect();
    assert_eq!(report.dhcp.unwrap().len(), 1);
    let told = "2 rows of dhcp.leases".to_owned();
    assert!(facts.sources.missing.contains(&told), "{facts:?}");
    let radios = r#"{"radio0":{"config":{},"interfaces":[]},"radio1":"up"}"#;
    let (_, facts) = Case::bare().reply(Radios, radios).collect();
    let told = "1 rows of network.wireless".to_owned();
    assert!(facts.sources.missing.contains(&told), "{facts:?}");
}

#[test]
fn networks_beyond_what_a_survey_keeps_are_counted() {
    let one = |n: usize| {
        Value::Table(vec![(
            b"bssid".to_vec(),
            Value::string(&format!("02:00:00:00:{:02x}:{:02x}", n / 256, n % 256)),
        )])
    };
    let results = (0..600).map(one).chain([Value::Int32(1)]).collect();
    let reply = Value::Table(vec![(b"results".to_vec(), Value::Array(results))]);
    let found = survey::read(&reply.to_members(), None).unwrap();
    assert_eq!((found.items.len(), found.unread), (600, 1));
}

#[test]
fn sections_of_dnsmasq_interfaces_and_neighbours_that_are_left_out_are_counted() {
    let told = |case: Case, told: &str| {
        let (_, facts) = case.collect();
        let told = told.to_owned();
        assert!(facts.sources.missing.contains(&told), "{told}: {facts:?}");
    };
    let sections = "config dnsmasq\n".repeat(18);
    let case = Case::bare().file("etc/config/dhcp", &sections);
    told(case, "2 sections dnsmasq beyond 16");

    let dump = r#"{"interface":[{"interface":"lan"},"wan",7]}"#;
    told(
        Case::bare().reply(Dump, dump),
        "2 rows of network.interface",
    );

    let mut arp = "IP address HW type Flags HW address Mask Device\n".to_owned();
    for n in 0..4100 {
        let (a, b) = (n / 256, n % 256);
        writeln!(
            arp,
            "10.0.{a}.{b} 0x1 0x2 02:00:00:00:{a:02x}:{b:02x} * br-lan"
        )
        .unwrap();
    }
    let case = Case::bare().file("proc/net/arp", &arp);
    told(case, "4 neighbours beyond 4096");
    // More than is read of the file.
    arp += &"\n".repeat(1 << 20);
    let case = Case::bare().file("proc/net/arp", &arp);
    told(case, "5 neighbours beyond 4096");
}
