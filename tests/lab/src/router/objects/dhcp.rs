//! `dhcp` (odhcpd, here for IPv6 only), `dnsmasq` (the server for IPv4) and `luci-rpc` (reads both).

use ubus::blobmsg::{Type, Value};
use ubus::{Method, Status};

use super::Reply;
use crate::router::lease::{Lease, LEASE_TIME};
use crate::router::members::{push, sample, set, table, Member};
use crate::router::world::World;

const METRICS: &str = include_str!("../../../../data/samples/dnsmasq__metrics.json");

pub(super) fn odhcpd_methods() -> Vec<Method> {
    ["ipv4leases", "ipv6leases"]
        .map(|name| Method::new(name, &[]))
        .into()
}

pub(super) fn dnsmasq_methods() -> Vec<Method> {
    vec![Method::new("metrics", &[])]
}

pub(super) fn luci_methods() -> Vec<Method> {
    vec![
        Method::new("getDHCPLeases", &[("family", Type::Int32)]),
        Method::new("getHostHints", &[]),
    ]
}

pub(super) fn odhcpd(world: &World, method: &str) -> Reply {
    Ok(Some(match method {
        "ipv4leases" => table! { "device": table! {} },
        "ipv6leases" => ipv6_leases(world),
        _ => return Err(Status::METHOD_NOT_FOUND),
    }))
}

/// The leases that have an IPv6 address, of the one network that has IPv6.
fn with_ipv6(world: &World) -> impl Iterator<Item = &Lease> {
    let leases = world.leases.iter();
    leases.filter(|lease| lease.ipv6 && lease.network.bridge() == "br-lan")
}

fn ipv6_leases(world: &World) -> Value {
    let now = world.now();
    let mut leases: Vec<Value> = with_ipv6(world)
        .map(|lease| {
            let [global, local] = lease.ip6();
            let left = lease.left(now).unwrap_or(LEASE_TIME) as u32;
            table! {
                "duid": lease.duid6(),
                "iaid": u32::from(lease.host) + 4_217_389,
                "hostname": lease.name.as_deref().unwrap_or(""),
                "accept-reconf": false,
                "assigned": u64::from(lease.host),
                "flags": vec!["bound"],
                "ipv6-addr": vec![
                    table! {
                        "address": global, "preferred-lifetime": 43_011, "valid-lifetime": 86_211,
                    },
                    table! {
                        "address": local, "preferred-lifetime": -1, "valid-lifetime": -1,
                    },
                ],
                "valid": left,
            }
        })
        .collect();
    // A router behind the router: a prefix instead of an address.
    leases.push(table! {
        "duid": "000300010011329c4d5e",
        "iaid": 1u32,
        "hostname": "nas",
        "accept-reconf": true,
        "assigned": 8u16,
        "flags": vec!["bound"],
        "ipv6-prefix": vec![table! {
            "address": "2001:db8:100:8::", "preferred-lifetime": 43_011, "valid-lifetime": 86_211,
            "prefix-length": 62u32,
        }],
        "valid": 41_200u32,
    });
    table! { "device": table! { "br-lan": table! { "leases": leases } } }
}

pub(super) fn dnsmasq(world: &World, method: &str) -> Reply {
    if method != "metrics" {
        return Err(Status::METHOD_NOT_FOUND);
    }
    let mut metrics = sample(METRICS);
    set(&mut metrics, "dhcp_ack", world.acks);
    set(&mut metrics, "dhcp_request", world.acks + 1);
    set(
        &mut metrics,
        "leases_allocated_4",
        world.leases.len() as u32,
    );
    set(
        &mut metrics,
        "dns_queries_forwarded",
        world.uptime() / 9 + 1,
    );
    Ok(Some(metrics))
}

pub(super) fn luci(world: &World, method: &str, args: &Value) -> Reply {
    match method {
        "getDHCPLeases" => {}
        "getHostHints" => return Ok(Some(host_hints(world))),
        _ => return Err(Status::METHOD_NOT_FOUND),
    }
    let family = args.get("family").and_then(Value::as_i64).unwrap_or(0);
    let now = world.now();
    let mut reply = table! {};
    if matches!(family, 0 | 4) {
        let leases: Vec<Value> = world.leases.iter().map(|l| luci_v4(l, now)).collect();
        push(&mut reply, "dhcp_leases", leases);
    }
    if matches!(family, 0 | 6) {
        let leases: Vec<Value> = with_ipv6(world).map(|l| luci_v6(l, now)).collect();
        push(&mut reply, "dhcp6_leases", leases);
    }
    match family {
        0 | 4 | 6 => Ok(Some(reply)),
        _ => Err(Status::INVALID_ARGUMENT),
    }
}

/// Hosts by MAC, with the addresses of the link beside those of leases.
fn host_hints(world: &World) -> Value {
    let hints = world.leases.iter().map(|lease| {
        let mut addresses = Vec::new();
        if lease.ipv6 {
            let [global, _] = lease.ip6();
            addresses = vec![global, "fe80::14a1:77ff:fe10:2031".to_owned()];
        }
        let mut hint = table! { "ipaddrs": vec![lease.ip()], "ip6addrs": addresses };
        if let Some(name) = &lease.name {
            push(&mut hint, "name", name.as_str());
        }
        (lease.mac.upper().into_bytes(), hint)
    });
    Value::Table(hints.collect())
}

/// Members common to the entries of both families.
fn luci_entry(lease: &Lease, expires: Value) -> Value {
    let mut entry = table! { "expires": expires };
    if let Some(name) = &lease.name {
        push(&mut entry, "hostname", name.as_str());
    }
    push(&mut entry, "macaddr", lease.mac.upper());
    entry
}

fn luci_v4(lease: &Lease, now: u64) -> Value {
    // A number for every lease but those without end.
    let expires = match lease.left(now) {
        Some(left) => (left as u32).value(),
        None => false.value(),
    };
    let mut entry = luci_entry(lease, expires);
    if let Some(id) = &lease.client_id {
        push(&mut entry, "duid", id.replace(':', ""));
    }
    push(&mut entry, "ipaddr", lease.ip());
    entry
}

fn luci_v6(lease: &Lease, now: u64) -> Value {
    let left = lease.left(now).unwrap_or(LEASE_TIME) as u32;
    let mut entry = luci_entry(lease, left.value());
    let addresses = lease.ip6();
    push(&mut entry, "duid", lease.duid6());
    push(&mut entry, "ip6addr", addresses[0].as_str());
    push(
        &mut entry,
        "ip6addrs",
        addresses.map(|address| format!("{address}/128")).to_vec(),
    );
    entry
}
