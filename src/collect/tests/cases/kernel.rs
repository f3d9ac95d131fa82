//! The kernel's state is in force, not netifd's plan.

// The kernel writes addresses in /proc/net/route in the byte order of the machine.
#![cfg(target_endian = "little")]

use super::super::super::kernel;
use super::super::super::sources::question::Question::{Devices, Dump};
use super::{interface, ip, Case};

#[test]
fn of_equal_metrics_the_kernel_decides() {
    let report = Case::of("two-wans-without-metrics").report();
    let device = &report.device;
    assert_eq!(device.wan_name.as_deref(), Some("wwan0"));
    assert_eq!(device.wan_ip, ip("10.77.1.2"));
    assert_eq!(device.wan_gateway, "10.77.1.1".parse().ok());
    assert_eq!(
        device.rx_bytes,
        interface(&report, "wwan0").counters.rx_bytes
    );
    assert!(device.rx_bytes.is_some());
}

#[test]
fn the_kernels_route_counts_against_a_lower_metric_of_the_plan() {
    let mut case = Case::of("two-wans-without-metrics");
    let dump = r#"{"interface":[
        {"interface":"wan","up":true,"l3_device":"eth0","metric":5,"ipv4-address":[{"address":"203.0.113.24","mask":24}],
         "route":[{"target":"0.0.0.0","mask":0,"nexthop":"203.0.113.1"}]},
        {"interface":"wan2","up":true,"l3_device":"wwan0","metric":50,"ipv4-address":[{"address":"10.77.1.2","mask":30}],
         "route":[{"target":"0.0.0.0","mask":0,"nexthop":"10.77.1.1"}]}]}"#;
    case = case.reply(Dump, dump);
    let device = case.report().device;
    assert_eq!(device.wan_name.as_deref(), Some("wwan0"));
    assert_eq!(device.wan_ip, ip("10.77.1.2"));
    // A device that netifd does not know of, such as that of a VPN.
    let routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
                  tun7\t00000000\t00000000\t0001\t0\t0\t0\t00000000\n";
    let case = case
        .file("proc/net/route", routes)
        .file("proc/net/dev", "tun7: 70 1 0 0 0 0 0 0 7 1\n");
    let device = case.report().device;
    assert_eq!(device.wan_name.as_deref(), Some("tun7"));
    assert_eq!((device.wan_ip, device.wan_gateway), (None, None));
    assert_eq!((device.rx_bytes, device.tx_bytes), (Some(70), Some(7)));
}

#[test]
fn a_default_route_that_the_kernel_does_not_have_is_not_in_force() {
    let case = Case::of("two-wans-without-metrics").file(
        "proc/net/route",
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
         br-lan\t0008A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n",
    );
    let device = case.report().device;
    // That of IPv6, which nobody contradicts.
    assert_eq!(device.wan_name.as_deref(), Some("eth0"));
    assert!(device.wan_gateway.unwrap().is_ipv6());
}

#[test]
fn a_default_route_in_a_table_of_its_own_counts() {
    let device = Case::of("default-route-in-a-table-of-its-own")
        .report()
        .device;
    assert_eq!(device.wan_name.as_deref(), Some("eth0"));
    assert_eq!(device.wan_ip, ip("203.0.113.24"));
    assert_eq!(device.wan_gateway, "203.0.113.1".parse().ok());
    assert_eq!(device.rx_bytes, Some(20_456_789_012));
}

#[test]
fn devices_that_netifd_does_not_list_are_reported_with_the_kernels_counters() {
    let report = Case::of("devices-that-netifd-does-not-list").report();
    let counted = |name: &str| {
        let counters = interface(&report, name).counters;
        (counters.rx_bytes.unwrap(), counters.tx_bytes.unwrap())
    };
    assert_eq!(counted("qmapmux0.0"), (555_000, 111_000));
    assert_eq!(counted("tailscale0"), (4242, 2424));
    assert_eq!(counted("phy1-ap0.100"), (4343, 3434));
    let interfaces = report.interfaces.as_ref().unwrap();
    assert_eq!(interfaces.len(), 13);
    assert!(interfaces.iter().all(|one| one.name != "lo"));
}

#[test]
fn a_device_that_netifd_knows_half_of_is_completed_by_the_kernel() {
    let case = Case::bare()
        .reply(
            Devices,
            r#"{"eth0":{"present":true,"up":true,"statistics":{}},"usb0":{"present":false}}"#,
        )
        .file(
            "proc/net/dev",
            "eth0: 5 1 0 0 0 0 0 0 6 1\nusb0: 7 1 0 0 0 0 0 0 8 1\n",
        )
        .file("sys/class/net/eth0/mtu", "1492\n")
        .file("sys/class/net/eth0/address", "94:83:c4:a1:b2:00\n")
        .file("sys/class/net/usb0/flags", "0x1003\n");
    let report = case.report();
    let eth0 = interface(&report, "eth0");
    assert_eq!((eth0.counters.rx_bytes, eth0.mtu), (Some(5), Some(1492)));
    assert!(eth0.mac.is_some());
    let usb0 = interface(&report, "usb0");
    assert_eq!((usb0.counters.tx_bytes, usb0.up), (Some(8), Some(true)));
}

#[test]
fn a_peers_address_on_a_point_to_point_link_hides_our_own_no_more() {
    let case = Case::of("pppoe-without-bus").without_bus();
    let report = case.report();
    assert_eq!(report.device.wan_name.as_deref(), Some("pppoe-wan"));
    assert_eq!(report.device.wan_ip, ip("100.64.12.7"));
    assert_eq!(interface(&report, "pppoe-wan").ip, ip("100.64.12.7"));
    assert_eq!(interface(&report, "br-lan").ip, ip("192.168.8.1"));
    assert_eq!(interface(&report, "eth0").ip, None);
    assert!(kernel::has_address(case.root.path(), "pppoe-wan"));
    assert!(!kernel::has_address(case.root.path(), "eth0"));
}

const ROUTES: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n";

#[test]
fn wireguard_and_leases_of_one_address_have_their_address() {
    // wg0 has no peer's route but its networks; wan has a gateway outside its own /32.
    let case = |route: &str| {
        let trie = "Local:\n   |-- 10.9.0.2\n      /32 host LOCAL\n   |-- 127.0.0.1\n      /32 host LOCAL\n";
        Case::bare()
            .without_bus()
            .file("proc/net/route", &format!("{ROUTES}{route}"))
            .file("proc/net/fib_trie", trie)
            .file("proc/net/dev", "wg0: 1 1\nwan: 1 1\n")
    };
    let vpn = case(
        "wg0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\nwg0\t00000080\t00000000\t0001\t0\t0\t0\t00000080\n",
    );
    assert_eq!(vpn.report().device.wan_ip, ip("10.9.0.2"));
    assert!(kernel::has_address(vpn.root.path(), "wg0"));
    let lease = case(
        "wan\t010011AC\t00000000\t0005\t0\t0\t0\tFFFFFFFF\nwan\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\n",
    );
    assert_eq!(lease.report().device.wan_ip, ip("10.9.0.2"));
    // Two links and two addresses: which is whose, the files do not tell.
    let two = case("wg0\t010011AC\t00000000\t0005\t0\t0\t0\tFFFFFFFF\nwan\t020011AC\t00000000\t0005\t0\t0\t0\tFFFFFFFF\n")
        .file(
            "proc/net/fib_trie",
            "Local:\n   |-- 10.9.0.2\n      /32 host LOCAL\n   |-- 10.9.0.3\n      /32 host LOCAL\n",
        );
    let report = two.report();
    assert_eq!(interface(&report, "wg0").ip, None);
    assert!(kernel::has_address(two.root.path(), "wg0"));
}

#[test]
fn a_table_of_many_routes_is_read_to_its_end() {
    let case = Case::of("mesh-node-with-many-routes").without_bus();
    assert_eq!(case.report().device.wan_ip, ip("203.0.113.24"));
    assert!(kernel::has_address(case.root.path(), "eth0"));
    assert!(!kernel::ways(case.root.path()).is_empty());
}

#[test]
fn the_default_route_may_stand_behind_ten_thousand_others() {
    let mut routes = ROUTES.to_owned();
    let mut trie = "Main:\n".to_owned();
    let mut six = String::new();
    for at in 0..10_000u32 {
        let [a, b, ..] = at.to_le_bytes();
        // By a neighbour and on the link itself in turns.
        let gateway = ["09001F0A", "00000000"][usize::from(a % 2)];
        routes += &format!("mesh\t{a:02X}{b:02X}1F0A\t{gateway}\t0007\t0\t0\t2\tFFFFFFFF\n");
        trie += &format!("  |-- 10.31.{b}.{a}\n     /32 universe UNICAST\n");
        six += &format!(
            "fd00000000000000000000000000{at:04x} 80 {0:032} 00 {0:032} 00000400 0 0 00000001 mesh\n",
            0
        );
    }
    routes += "eth0\t007100CB\t00000000\t0001\t0\t0\t0\t00FFFFFF\n";
    routes += "eth0\t00000000\t017100CB\t0003\t0\t0\t0\t00000000\n";
    trie += "Local:\n  |-- 203.0.113.24\n     /32 host LOCAL\n";
    six += &format!(
        "{0:032} 00 {0:032} 00 fe80000000000000000000000000000{1} 00000400 0 0 00000003 wan6\n",
        0, 1
    );
    let case = Case::bare()
        .without_bus()
        .file("proc/net/route", &routes)
        .file("proc/net/fib_trie", &trie);
    assert_eq!(case.report().device.wan_ip, ip("203.0.113.24"));
    let v6 = Case::bare().without_bus().file("proc/net/ipv6_route", &six);
    assert_eq!(v6.report().device.wan_name.as_deref(), Some("wan6"));
}

#[test]
fn devices_that_only_netifd_plans_are_not_listed_where_the_kernel_tells_all_of_its_own() {
    let devices = r#"{"eth0":{"present":true,"up":true},"eth0.5":{"present":true,"type":"8021q","up":false},
        "mac0":{"present":true,"type":"macvlan","up":false},"@lan":{"present":true,"type":"Network alias"}}"#;
    let names = |dev: &str| {
        let case = Case::bare().reply(Devices, devices);
        let report = case.file("proc/net/dev", dev).report();
        let names = report.interfaces.unwrap();
        let names: Vec<String> = names.into_iter().map(|one| one.name).collect();
        names.join(" ")
    };
    let counters = "1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0";
    let kernels = format!("lo: {counters}\nwg0: {counters}\neth0: {counters}\n");
    assert_eq!(names(&kernels), "eth0 wg0");
    let with_vlan = format!("{kernels}eth0.5: {counters}\n");
    assert_eq!(names(&with_vlan), "eth0 eth0.5 wg0");
    assert_eq!(names(""), "eth0 eth0.5 mac0 @lan");
}
