//! Replies beside each other, and beside the world they are of.

use std::collections::HashSet;
use std::time::Duration;

use super::*;

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
