//! The way out, in whatever tables and pieces the kernel has it.

use std::fs;

use tempfile::TempDir;

use super::super::kernel::{ways, Way};

const NONE: &str = "00000000000000000000000000000000";

/// A root with these lines in files of /proc/net.
fn root(files: &[(&str, String)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let net = root.path().join("proc/net");
    fs::create_dir_all(&net).unwrap();
    for (name, text) in files {
        fs::write(net.join(name), text).unwrap();
    }
    root
}

/// A line of /proc/net/ipv6_route.
fn v6(target: &str, length: u32, hop: &str, metric: u32, flags: u32, device: &str) -> String {
    format!("{target} {length:02x} {NONE} 00 {hop} {metric:08x} 00000001 00000000 {flags:08x} {device:>8}\n")
}

/// A line of /proc/net/route; the kernel prints addresses in the byte order of the machine.
fn v4(device: &str, target: [u8; 4], gateway: [u8; 4], metric: u32, mask: [u8; 4]) -> String {
    let hex = |address| u32::from_ne_bytes(address);
    let (target, gateway, mask) = (hex(target), hex(gateway), hex(mask));
    format!("{device}\t{target:08X}\t{gateway:08X}\t0003\t0\t0\t{metric}\t{mask:08X}\t0\t0\t0\n")
}

fn found(files: &[(&str, String)]) -> Option<Way> {
    ways(root(files).path()).into_iter().next()
}

fn by(device: &str, gateway: Option<&str>) -> Option<Way> {
    Some(Way {
        device: Some(device.to_owned()),
        gateway: gateway.map(|one| one.parse().unwrap()),
        v6: gateway.is_some_and(|one| one.contains(':')),
    })
}

const ANY: [u8; 4] = [0; 4];
const HALF: [u8; 4] = [128, 0, 0, 0];
const LINK: ([u8; 4], [u8; 4]) = ([203, 0, 113, 0], [255, 255, 255, 0]);

fn link() -> String {
    v4("eth0", LINK.0, ANY, 0, LINK.1)
}

#[test]
fn the_default_route_with_the_lowest_metric_counts() {
    let table = link()
        + &v4("wwan0", ANY, [10, 0, 0, 1], 20, ANY)
        + &v4("eth0", ANY, [203, 0, 113, 1], 10, ANY);
    assert_eq!(found(&[("route", table)]), by("eth0", Some("203.0.113.1")));
    let table = v6(NONE, 0, "fe800000000000000000000000000002", 512, 3, "wwan0")
        + &v6(NONE, 0, "fe800000000000000000000000000001", 384, 3, "eth0");
    assert_eq!(found(&[("ipv6_route", table)]), by("eth0", Some("fe80::1")));
}

#[test]
fn the_two_halves_a_vpn_makes_are_a_default_route_and_one_of_them_is_none() {
    let (lower, upper) = (v4("wg0", ANY, ANY, 0, HALF), v4("wg0", HALF, ANY, 0, HALF));
    let both = format!("{lower}{upper}{}", link());
    assert_eq!(found(&[("route", both)]), by("wg0", None));
    assert_eq!(found(&[("route", lower + &link())]), None);
    assert_eq!(found(&[("route", upper + &link())]), None);
}

#[test]
fn under_a_vpn_the_default_route_itself_is_the_uplink() {
    let table = v4("wg0", ANY, ANY, 0, HALF)
        + &v4("wg0", HALF, ANY, 0, HALF)
        + &v4("eth0", ANY, [203, 0, 113, 1], 10, ANY);
    assert_eq!(found(&[("route", table)]), by("eth0", Some("203.0.113.1")));
}

#[test]
fn a_default_route_of_ipv4_in_another_table_is_found_without_its_device() {
    let trie = "Id 10:\n  |-- 0.0.0.0\n     /0 universe UNICAST\nMain:\n  |-- 203.0.113.0\n     /24 link UNICAST\n";
    let found = found(&[("route", link()), ("fib_trie", trie.to_owned())]);
    let expected = Way {
        device: None,
        gateway: None,
        v6: false,
    };
    assert_eq!(found, Some(expected));
}

#[test]
fn ipv6_reaches_the_world_by_any_route_that_covers_its_addresses() {
    let hop = "fe800000000000000000000000000001";
    let with = |target: &str, length| {
        let target = format!("{target}{}", &NONE[target.len()..]);
        found(&[("ipv6_route", v6(&target, length, hop, 1024, 3, "eth0"))])
    };
    for (target, length) in [("", 0), ("", 1), ("", 2), ("2", 3)] {
        assert_eq!(
            with(target, length),
            by("eth0", Some("fe80::1")),
            "{target}/{length}"
        );
    }
    for (target, length) in [
        ("8", 1),
        ("4", 3),
        ("", 3),
        ("2", 4),
        ("20010db8", 32),
        ("fc", 7),
        ("ff", 8),
    ] {
        assert_eq!(with(target, length), None, "{target}/{length}");
    }
}

#[test]
fn routes_that_lead_nowhere_do_not_count() {
    let reject = v6(NONE, 0, NONE, 0xffff_ffff, 0x0020_0200, "lo")
        + &v6(NONE, 0, NONE, 4000, 0x0020_0201, "eth0");
    assert_eq!(found(&[("ipv6_route", reject)]), None);
    let hostile = v6(NONE, 0x7f, NONE, 0, 3, "eth0") + "x y z\n" + &"0 ".repeat(10);
    assert_eq!(found(&[("ipv6_route", hostile)]), None);
    assert_eq!(found(&[]), None);
}

#[test]
fn every_way_out_is_listed_each_once_and_those_of_ipv4_first() {
    let v4 = link()
        + &v4("wwan0", ANY, [10, 0, 0, 1], 20, ANY)
        + &v4("eth0", ANY, [203, 0, 113, 1], 10, ANY)
        + &v4("eth0", ANY, [203, 0, 113, 1], 11, ANY);
    let v6 = v6(NONE, 0, "fe800000000000000000000000000001", 384, 3, "eth0");
    let root = root(&[("route", v4), ("ipv6_route", v6)]);
    let expected = [
        by("eth0", Some("203.0.113.1")),
        by("wwan0", Some("10.0.0.1")),
        by("eth0", Some("fe80::1")),
    ];
    assert_eq!(ways(root.path()), expected.map(Option::unwrap));
}

#[test]
fn of_very_many_ways_out_the_best_are_listed_whatever_their_order() {
    let mut table = link();
    for at in (0..100).rev() {
        table += &v4("wan", ANY, [10, 0, 0, at], at.into(), ANY);
        table += &v4("wan", ANY, [10, 0, 0, at], 200, ANY);
    }
    let root = root(&[("route", table)]);
    let found = ways(root.path());
    let gateways = found.iter().filter_map(|way| way.gateway);
    let expected = (0..8u8).map(|at| std::net::IpAddr::from([10, 0, 0, at]));
    assert!(gateways.eq(expected), "{found:?}");
}
