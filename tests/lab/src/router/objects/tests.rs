use std::collections::HashSet;
use std::time::Duration;

use super::*;
use crate::router::members::{sample, table};

fn world() -> World {
    World::new(24, 1, 1_751_450_000)
}

fn call(world: &World, path: &str, method: &str, args: Value) -> Value {
    answer(world, path, method, &args)
        .unwrap_or_else(|status| panic!("{path} {method}: {status}"))
        .unwrap_or_else(|| panic!("{path} {method}: no data"))
}

macro_rules! real {
    ($name:literal) => {
        sample(include_str!(concat!(
            "../../../../data/samples/",
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

#[test]
fn the_wire_types_are_those_of_the_real_programs() {
    let world = world();
    let clients = call(&world, "hostapd.phy1-ap0", "get_clients", table! {});
    let Some(Value::Table(clients)) = clients.get("clients") else {
        panic!("no clients");
    };
    let client = &clients[0].1;
    assert!(matches!(
        client.get("bytes").unwrap().get("rx"),
        Some(Value::Int64(_))
    ));
    assert!(matches!(
        client.get("packets").unwrap().get("rx"),
        Some(Value::Int32(_))
    ));
    let status = call(&world, "hostapd.phy1-ap0", "get_status", table! {});
    let airtime = status.get("airtime").unwrap();
    assert!(matches!(airtime.get("utilization"), Some(Value::Int16(_))));
    let info = call(&world, "system", "info", table! {});
    assert!(matches!(
        info.get("memory").unwrap().get("free"),
        Some(Value::Int64(_))
    ));
}

#[test]
fn iwinfo_and_hostapd_agree_on_who_is_there() {
    let world = world();
    let mut hostapd = HashSet::new();
    let mut iwinfo = HashSet::new();
    for ap in &APS {
        let clients = call(
            &world,
            &format!("hostapd.{}", ap.ifname),
            "get_clients",
            table! {},
        );
        if let Some(Value::Table(clients)) = clients.get("clients") {
            let macs = clients
                .iter()
                .map(|(mac, _)| String::from_utf8(mac.clone()).unwrap());
            hostapd.extend(macs.map(|mac| mac.to_uppercase()));
        }
        for device in std::iter::once(ap.ifname).chain(ap.vlan) {
            let list = call(&world, "iwinfo", "assoclist", table! { "device": device });
            if let Some(Value::Array(entries)) = list.get("results") {
                let macs = entries.iter().filter_map(|e| e.get("mac")?.as_str());
                iwinfo.extend(macs.map(str::to_owned));
            }
        }
    }
    assert_eq!(hostapd.len(), 25);
    assert_eq!(hostapd, iwinfo);
}

#[test]
fn the_secrets_are_in_the_wireless_status_and_nowhere_else() {
    let world = world();
    for (path, methods) in catalogue() {
        for method in methods {
            // Orders, which are not answered here.
            if ["up", "down"].contains(&method.name.as_str()) {
                continue;
            }
            let args = table! { "device": "phy0-ap0", "config": "dhcp", "interface": "lan" };
            // What only does something says nothing.
            let Ok(Some(reply)) = answer(&world, &path, &method.name, &args) else {
                continue;
            };
            let text = serde_json::to_string(&reply).unwrap();
            for secret in SECRETS {
                assert_eq!(text.contains(secret), path == "network.wireless", "{path}");
            }
        }
    }
}

#[test]
fn wrong_calls_get_the_status_the_real_programs_give() {
    let world = world();
    for (path, method, args, status) in [
        (
            "network.device",
            "status",
            table! { "name": "eth9" },
            Status::INVALID_ARGUMENT,
        ),
        (
            "network.interface",
            "status",
            table! {},
            Status::INVALID_ARGUMENT,
        ),
        (
            "network.interface",
            "status",
            table! { "interface": "x" },
            Status::NOT_FOUND,
        ),
        ("iwinfo", "info", table! {}, Status::INVALID_ARGUMENT),
        (
            "iwinfo",
            "assoclist",
            table! { "device": "eth0" },
            Status::NOT_FOUND,
        ),
        (
            "iwinfo",
            "assoclist",
            table! { "device": "phy0-ap0", "mac": "00:00:00:00:00:00" },
            Status::NOT_FOUND,
        ),
        (
            "uci",
            "get",
            table! { "config": "nosuch" },
            Status::NOT_FOUND,
        ),
        (
            "luci-rpc",
            "getDHCPLeases",
            table! { "family": 5 },
            Status::INVALID_ARGUMENT,
        ),
    ] {
        assert_eq!(
            answer(&world, path, method, &args),
            Err(status),
            "{path} {method}"
        );
    }
    for (path, _) in catalogue() {
        let args = table! { "device": "phy0-ap0" };
        let reply = answer(&world, &path, "nosuch", &args);
        assert_eq!(reply, Err(Status::METHOD_NOT_FOUND), "{path}");
    }
    let nothing = table! { "config": "dhcp", "section": "nosuch" };
    assert_eq!(answer(&world, "uci", "get", &nothing), Ok(None));
}

#[test]
fn an_access_point_without_stations_has_no_averages() {
    let empty = World::new(0, 1, 1_751_450_000);
    let info = call(&empty, "iwinfo", "info", table! { "device": "phy1-ap0" });
    assert_eq!(info.get("signal"), None);
    assert_eq!(info.get("bitrate"), None);
    assert!(info.get("noise").is_some());
}

#[test]
fn what_moves_in_the_world_moves_in_the_replies() {
    let mut world = world();
    let bytes = |world: &World| {
        let status = call(world, "network.device", "status", table! { "name": "eth0" });
        let rx = status
            .get("statistics")
            .and_then(|s| s.get("rx_bytes"))
            .cloned();
        rx.and_then(|rx| rx.as_i64())
    };
    let uptime = |world: &World| {
        let status = call(world, "network.interface.wan", "status", table! {});
        status.get("uptime").and_then(Value::as_i64)
    };
    let before = (bytes(&world), uptime(&world));
    world.advance(Duration::from_secs(60));
    assert!(bytes(&world) > before.0);
    assert_eq!(uptime(&world), before.1.map(|s| s + 60));
}
