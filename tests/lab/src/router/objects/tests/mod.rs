//! Objects of a router, called.

mod replies;
mod samples;

use super::*;
use crate::router::members::table;

fn world() -> World {
    World::new(24, 1, 1_751_450_000)
}

fn call(world: &World, path: &str, method: &str, args: Value) -> Value {
    answer(world, path, method, &args)
        .unwrap_or_else(|status| panic!("{path} {method}: {status}"))
        .unwrap_or_else(|| panic!("{path} {method}: no data"))
}
