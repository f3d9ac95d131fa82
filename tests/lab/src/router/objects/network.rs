//! `network.device`, `network.interface`, `network.interface.<name>`, `network.wireless`: netifd.

use ubus::blobmsg::{Type, Value};
use ubus::{Method, Status};

use super::{text, Reply};
use crate::router::ap::{Ap, Network, APS};
use crate::router::members::{get_mut, items_mut, push, remove, sample, set, table};
use crate::router::netdev::vlan_section;
use crate::router::radio::{Radio, RADIOS};
use crate::router::world::World;

const DUMP: &str = include_str!("../../../../data/samples/network.interface__dump.json");
const WIRELESS: &str = include_str!("../../../../data/samples/network.wireless__status.json");

/// The passwords that `network.wireless status` shows: none of them may ever leave the agent.
pub const SECRETS: [&str; 3] = ["example-psk-1", "example-psk-guest", "example-psk-iot"];

/// Members that `dump` has of an interface whether it is up or not.
const OF_ALL: [&str; 9] = [
    "interface",
    "up",
    "pending",
    "available",
    "autostart",
    "dynamic",
    "proto",
    "device",
    "data",
];

/// Time from boot until the interfaces of the sample came up, s.
const SAMPLE_UPTIME: i64 = 356_412;

pub(super) fn methods() -> Vec<Method> {
    ["restart", "reload"]
        .map(|name| Method::new(name, &[]))
        .into()
}

/// A machine's handler; without a machine a request is carried out at once.
pub(super) fn daemon(method: &str) -> Reply {
    match method {
        "restart" | "reload" => Ok(None),
        _ => Err(Status::METHOD_NOT_FOUND),
    }
}

pub(super) fn device_methods() -> Vec<Method> {
    vec![Method::new("status", &[("name", Type::String)])]
}

pub(super) fn interface_methods() -> Vec<Method> {
    let mut methods: Vec<Method> = ["up", "down", "renew", "status"]
        .map(|name| Method::new(name, &[("interface", Type::String)]))
        .into();
    methods.push(Method::new("dump", &[]));
    methods
}

pub(super) fn one_interface_methods() -> Vec<Method> {
    ["up", "down", "renew", "status"]
        .map(|name| Method::new(name, &[]))
        .into()
}

pub(super) fn wireless_methods() -> Vec<Method> {
    let device = [("device", Type::String)];
    ["up", "down", "status"]
        .map(|name| Method::new(name, &device))
        .into()
}

pub(super) fn device(world: &World, method: &str, args: &Value) -> Reply {
    if method != "status" {
        return Err(Status::METHOD_NOT_FOUND);
    }
    match text(args, "name") {
        None => Ok(Some(world.devices.status())),
        Some(name) => match world.devices.get(name) {
            Some(device) => Ok(Some(device.full())),
            None => Err(Status::INVALID_ARGUMENT),
        },
    }
}

/// The names of all logical interfaces.
pub(super) fn interfaces() -> impl Iterator<Item = String> {
    sampled(0)
        .into_iter()
        .filter_map(|entry| Some(entry.get("interface")?.as_str()?.to_owned()))
}

/// The entries of `dump`. Of an interface that was taken down netifd tells little.
fn entries(world: &World) -> Vec<Value> {
    let mut entries = sampled(world.uptime().into());
    for entry in &mut entries {
        let name = entry.get("interface").and_then(Value::as_str);
        if name.is_some_and(|name| world.downs.contains(name)) {
            for (name, value) in [("up", false), ("autostart", false)] {
                set(entry, name, value);
            }
            if let Value::Table(members) = entry {
                members.retain(|(name, _)| OF_ALL.iter().any(|all| all.as_bytes() == &name[..]));
            }
        }
    }
    entries
}

/// The entries of the sample, that many seconds after boot.
fn sampled(uptime: i64) -> Vec<Value> {
    let mut dump = sample(DUMP);
    let Some(Value::Array(mut entries)) = remove(&mut dump, "interface") else {
        return Vec::new();
    };
    for entry in &mut entries {
        if let Some(sampled) = entry.get("uptime").and_then(Value::as_i64) {
            let since = uptime + sampled - SAMPLE_UPTIME;
            set(entry, "uptime", u32::try_from(since).unwrap_or(0));
        }
    }
    entries
}

pub(super) fn interface(world: &World, method: &str, args: &Value) -> Reply {
    match method {
        "dump" => Ok(Some(table! { "interface": entries(world) })),
        "status" => {
            let name = text(args, "interface").ok_or(Status::INVALID_ARGUMENT)?;
            one_interface(world, name, method)
        }
        "up" | "down" | "renew" => match text(args, "interface") {
            Some(name) => one_interface(world, name, method),
            None => Err(Status::INVALID_ARGUMENT),
        },
        _ => Err(Status::METHOD_NOT_FOUND),
    }
}

pub(super) fn one_interface(world: &World, name: &str, method: &str) -> Reply {
    let found = entries(world).into_iter().find_map(|mut entry| {
        let this = remove(&mut entry, "interface")?;
        (this.as_str() == Some(name)).then_some(entry)
    });
    match method {
        "status" => found.map(Some).ok_or(Status::NOT_FOUND),
        "up" | "down" | "renew" => found.map(|_| None).ok_or(Status::NOT_FOUND),
        _ => Err(Status::METHOD_NOT_FOUND),
    }
}

/// `network.wireless status` of one radio.
pub(in crate::router) fn radio_status(name: &str, radio: &Radio) -> Value {
    let mut status = configured();
    let mut table = remove(&mut status, name).unwrap_or(Value::Table(Vec::new()));
    radio.show(&mut table);
    Value::Table(vec![(name.as_bytes().to_vec(), table)])
}

pub(super) fn wireless(world: &World, method: &str) -> Reply {
    // `up` and `down` change the world, which does it by itself.
    if method != "status" {
        return Err(Status::METHOD_NOT_FOUND);
    }
    let mut status = configured();
    for (name, radio) in RADIOS.iter().zip(&world.radios) {
        if let Some(table) = get_mut(&mut status, name) {
            radio.show(table);
        }
    }
    Ok(Some(status))
}

/// The radios while all of them are up.
fn configured() -> Value {
    let mut status = sample(WIRELESS);
    for ap in &APS {
        let Some(list) =
            get_mut(&mut status, ap.radio).and_then(|radio| get_mut(radio, "interfaces"))
        else {
            continue;
        };
        let known = items_mut(list)
            .iter_mut()
            .find(|entry| entry.get("ifname").and_then(Value::as_str) == Some(ap.ifname));
        match known {
            Some(entry) => {
                if let Some(config) = get_mut(entry, "config") {
                    set(config, "ssid", ap.ssid);
                }
            }
            None => {
                if let Value::Array(entries) = list {
                    entries.push(section(ap));
                }
            }
        }
    }
    status
}

/// The section of an access point that the sample does not have.
fn section(ap: &Ap) -> Value {
    let network = match ap.network {
        Network::Lan => "lan",
        Network::Guest => "guest",
        Network::Iot => "iot",
    };
    let mut section = table! {
        "section": format!("extra_{}", ap.radio),
        "ifname": ap.ifname,
        "config": table! {
            "mode": "ap", "ssid": ap.ssid, "encryption": "psk2", "key": SECRETS[0],
            "network": vec![network],
        },
    };
    let vlans: Vec<Value> = ap.vlan.map(vlan_section).into_iter().collect();
    push(&mut section, "vlans", vlans);
    push(&mut section, "stations", Vec::<Value>::new());
    section
}
