//! `system` and `service`: procd.

use ubus::blobmsg::{Type, Value};
use ubus::{Method, Status};

use super::Reply;
use crate::router::members::{sample, table};
use crate::router::world::World;

const BOARD: &str = include_str!("../../../../data/samples/system__board.json");

/// The router's clock runs an hour ahead of UTC, s.
const UTC_OFFSET: u64 = 3600;

pub(super) fn methods() -> Vec<Method> {
    ["board", "info", "reboot"]
        .map(|name| Method::new(name, &[]))
        .into()
}

pub(in crate::router) fn board() -> Value {
    sample(BOARD)
}

pub(super) fn service_methods() -> Vec<Method> {
    let event = [("type", Type::String), ("data", Type::Table)];
    vec![Method::new("event", &event)]
}

/// A machine's handler of events; without one nobody follows them.
pub(super) fn service(method: &str) -> Reply {
    match method {
        "event" => Ok(None),
        _ => Err(Status::METHOD_NOT_FOUND),
    }
}

pub(super) fn answer(world: &World, method: &str) -> Reply {
    let (total, free) = world.memory();
    let disk = |total: u64, used: u64| {
        table! {
            "total": total, "free": total - used, "used": used, "avail": total - used,
        }
    };
    Ok(Some(match method {
        "reboot" => return Ok(None),
        "board" => board(),
        "info" => table! {
            // Not an epoch: procd adds the offset.
            "localtime": (world.now() + UTC_OFFSET) as u32,
            "uptime": world.uptime(),
            "load": world.load().to_vec(),
            "memory": table! {
                "total": total, "free": free, "shared": 1_372_160u64, "buffered": 8192u64,
                "available": free + 47_185_920, "cached": 72_351_744u64,
            },
            "root": disk(202_752, 12_288),
            "tmp": disk(248_208, 1348),
            "swap": table! { "total": 0u64, "free": 0u64 },
        },
        _ => return Err(Status::METHOD_NOT_FOUND),
    }))
}
