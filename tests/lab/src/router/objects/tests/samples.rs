//! Replies beside those of a real router.

use super::*;
use crate::router::members::sample;

macro_rules! real {
    ($name:literal) => {
        sample(include_str!(concat!(
            "../../../../../data/samples/",
            $name,
            ".json"
        )))
    };
}

/// Checks that `ours` has every member of `real`, in the same order and of the same kind. Integers
/// count as one kind, for the samples came through JSON.
fn covers(real: &Value, ours: &Value, at: &str) {
    match (real, ours) {
        (Value::Table(real), Value::Table(_)) => {
            for (name, value) in real {
                let name = String::from_utf8_lossy(name);
                let here = format!("{at}.{name}");
                let found = ours
                    .get(&name)
                    .unwrap_or_else(|| panic!("{here} is missing"));
                covers(value, found, &here);
            }
        }
        (Value::Array(real), Value::Array(ours)) => {
            if let (Some(real), Some(ours)) = (real.first(), ours.first()) {
                covers(real, ours, &format!("{at}[0]"));
            }
        }
        _ => assert_eq!(kind(real), kind(ours), "{at}"),
    }
}

fn kind(value: &Value) -> &str {
    match value {
        Value::Unspec => "null",
        Value::Array(_) => "array",
        Value::Table(_) => "table",
        Value::String(_) => "string",
        Value::Int64(_) | Value::Int32(_) | Value::Int16(_) => "integer",
        Value::Int8(_) => "bool",
        Value::Double(_) => "double",
    }
}

#[test]
fn every_reply_has_what_the_real_one_has() {
    let world = world();
    let device = |name: &str| table! { "device": name };
    for (path, method, args, real) in [
        ("system", "board", table! {}, real!("system__board")),
        ("system", "info", table! {}, real!("system__info")),
        (
            "network.device",
            "status",
            table! {},
            real!("network.device__status"),
        ),
        (
            "network.device",
            "status",
            table! { "name": "br-lan" },
            real!("network.device__status.br-lan"),
        ),
        (
            "network.interface",
            "dump",
            table! {},
            real!("network.interface__dump"),
        ),
        (
            "network.interface.lan",
            "status",
            table! {},
            real!("network.interface.lan__status"),
        ),
        (
            "network.interface.wan",
            "status",
            table! {},
            real!("network.interface.wan__status"),
        ),
        (
            "network.wireless",
            "status",
            table! {},
            real!("network.wireless__status"),
        ),
        (
            "hostapd.phy0-ap0",
            "get_status",
            table! {},
            real!("hostapd.phy0-ap0__get_status"),
        ),
        (
            "hostapd.phy1-ap0",
            "get_status",
            table! {},
            real!("hostapd.phy1-ap0__get_status"),
        ),
        (
            "hostapd.phy1-ap1",
            "get_status",
            table! {},
            real!("hostapd.phy1-ap1__get_status"),
        ),
        (
            "hostapd.phy0-ap0",
            "get_features",
            table! {},
            real!("hostapd.phy0-ap0__get_features"),
        ),
        ("iwinfo", "devices", table! {}, real!("iwinfo__devices")),
        (
            "iwinfo",
            "info",
            device("phy0-ap0"),
            real!("iwinfo__info.phy0-ap0"),
        ),
        (
            "iwinfo",
            "info",
            device("phy0-ap0-iot"),
            real!("iwinfo__info.phy0-ap0-iot"),
        ),
        (
            "iwinfo",
            "info",
            device("phy1-ap0"),
            real!("iwinfo__info.phy1-ap0"),
        ),
        (
            "iwinfo",
            "scan",
            device("phy0-ap0"),
            real!("iwinfo__scan.phy0-ap0"),
        ),
        (
            "iwinfo",
            "scan",
            device("phy1-ap0"),
            real!("iwinfo__scan.phy1-ap0"),
        ),
        (
            "iwinfo",
            "survey",
            device("phy1-ap0"),
            real!("iwinfo__survey"),
        ),
        (
            "iwinfo",
            "survey",
            device("phy0-ap0"),
            real!("iwinfo__survey.phy0-ap0"),
        ),
        ("dhcp", "ipv4leases", table! {}, real!("dhcp__ipv4leases")),
        ("dhcp", "ipv6leases", table! {}, real!("dhcp__ipv6leases")),
        ("dnsmasq", "metrics", table! {}, real!("dnsmasq__metrics")),
        (
            "luci-rpc",
            "getDHCPLeases",
            table! {},
            real!("luci-rpc__getDHCPLeases"),
        ),
        (
            "luci-rpc",
            "getHostHints",
            table! {},
            hint_of(real!("luci-rpc__getHostHints"), "00:11:32:9C:4D:5E"),
        ),
    ] {
        let ours = call(&world, path, method, args);
        covers(&real, &ours, &format!("{path} {method}"));
    }
}

/// The hint of one host alone.
fn hint_of(hints: Value, mac: &str) -> Value {
    let hint = hints.get(mac).cloned().unwrap();
    Value::Table(vec![(mac.as_bytes().to_vec(), hint)])
}

/// The first station in the reply to `assoclist` that is of the sample's standard.
fn entry_like<'v>(real: &Value, ours: &'v Value) -> Option<&'v Value> {
    let flags = |entry: &Value| {
        ["ht", "vht", "he"].map(|name| entry.get("tx").and_then(|tx| tx.get(name)).cloned())
    };
    match ours.get("results") {
        Some(Value::Array(entries)) => entries.iter().find(|e| flags(e) == flags(real)),
        _ => None,
    }
}

#[test]
fn stations_look_like_real_ones() {
    let world = World::new(200, 1, 1_751_450_000);
    for real in [
        real!("iwinfo__assoclist.phy0-ap0"),
        real!("iwinfo__assoclist.phy1-ap0"),
    ] {
        let Some(Value::Array(entries)) = real.get("results") else {
            panic!("no sample");
        };
        for entry in entries {
            let found = APS.iter().any(|ap| {
                let args = table! { "device": ap.ifname };
                let ours = call(&world, "iwinfo", "assoclist", args);
                entry_like(entry, &ours).is_some_and(|ours| {
                    covers(entry, ours, "assoclist");
                    true
                })
            });
            assert!(found, "nobody is like {entry:?}");
        }
    }
    for (path, real) in [
        ("hostapd.phy0-ap0", real!("hostapd.phy0-ap0__get_clients")),
        ("hostapd.phy1-ap0", real!("hostapd.phy1-ap0__get_clients")),
        ("hostapd.phy1-ap1", real!("hostapd.phy1-ap1__get_clients")),
    ] {
        let ours = call(&world, path, "get_clients", table! {});
        let (Some(Value::Table(real)), Some(Value::Table(ours))) =
            (real.get("clients"), ours.get("clients"))
        else {
            panic!("{path} has no clients");
        };
        let flags = |client: &Value| {
            ["authorized", "ht", "vht", "he"].map(|name| client.get(name).cloned())
        };
        for (_, real) in real {
            if let Some((_, ours)) = ours.iter().find(|(_, ours)| flags(ours) == flags(real)) {
                covers(real, ours, path);
            }
        }
    }
}
