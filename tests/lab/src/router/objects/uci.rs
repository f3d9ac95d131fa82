//! `uci`, from rpcd: reads the configuration of the DHCP server.

use ubus::blobmsg::{Type, Value};
use ubus::{Method, Status};

use super::{text, Reply};
use crate::router::members::{remove, table};
use crate::router::world::World;

/// The committed configuration file that says the same.
pub(crate) const DHCP_FILE: &str = "config dnsmasq\n\toption domain 'lan'\n\toption leasefile \
    '/tmp/dhcp.leases'\n\nconfig host\n\toption name 'nas'\n\toption mac '00:11:32:9C:4D:5E'\n\t\
    option ip '192.168.8.10'\n";

pub(super) fn methods() -> Vec<Method> {
    let names = ["config", "section", "option", "type", "ubus_rpc_session"];
    let mut methods = vec![Method::new("get", &names.map(|name| (name, Type::String)))];
    let session = ("ubus_rpc_session", Type::String);
    let [config, section, ..] = names.map(|name| (name, Type::String));
    let values = ("values", Type::Table);
    let options = ("options", Type::Array);
    let kind = [("type", Type::String), ("name", Type::String)];
    let apply = [("rollback", Type::Int8), ("timeout", Type::Int32)];
    methods.extend([
        Method::new("add", &[config, kind[0], kind[1], session]),
        Method::new("set", &[config, section, values, session]),
        Method::new("delete", &[config, section, options, session]),
        Method::new("revert", &[config, session]),
        Method::new("apply", &[apply[0], apply[1], session]),
        Method::new("confirm", &[session]),
        Method::new("rollback", &[session]),
    ]);
    methods
}

pub(super) fn answer(_: &World, method: &str, args: &Value) -> Reply {
    match method {
        "get" => {}
        // What a machine does; without one nothing is ever staged.
        "add" | "set" | "delete" | "revert" | "apply" | "confirm" | "rollback" => {
            return Err(Status::NO_DATA)
        }
        _ => return Err(Status::METHOD_NOT_FOUND),
    }
    match text(args, "config") {
        None => return Err(Status::INVALID_ARGUMENT),
        Some("dhcp") => {}
        Some(_) => return Err(Status::NOT_FOUND),
    }
    let kind = text(args, "type");
    let mut sections: Vec<(Vec<u8>, Value)> = [dnsmasq(), host()]
        .into_iter()
        .filter(|section| kind.is_none() || section.get(".type").and_then(Value::as_str) == kind)
        .filter_map(|section| match section.get(".name") {
            Some(Value::String(name)) => Some((name.clone(), section)),
            _ => None,
        })
        .collect();
    let Some(section) = text(args, "section") else {
        return Ok(Some(table! { "values": Value::Table(sections) }));
    };
    sections.retain(|(name, _)| name == section.as_bytes());
    // What does not exist is a success without data.
    let Some((_, mut section)) = sections.pop() else {
        return Ok(None);
    };
    match text(args, "option") {
        Some(option) => Ok(remove(&mut section, option).map(|value| table! { "value": value })),
        None => {
            remove(&mut section, ".index");
            Ok(Some(table! { "values": section }))
        }
    }
}

fn dnsmasq() -> Value {
    table! {
        ".anonymous": true, ".type": "dnsmasq", ".name": "cfg01411c", ".index": 0u32,
        "domain": "lan", "leasefile": "/tmp/dhcp.leases",
    }
}

fn host() -> Value {
    table! {
        ".anonymous": true, ".type": "host", ".name": "cfg06fe63", ".index": 1u32,
        "name": "nas", "mac": "00:11:32:9C:4D:5E", "ip": "192.168.8.10",
    }
}
