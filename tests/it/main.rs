//! Tests of the agent against the desk, as a process and part by part, and of the desk itself.
//!
//! They run side by side. A test that needs root, a network or a file system of its own, or that
//! writes a program and runs it, belongs in tests/isolated.
#![allow(clippy::unwrap_used, clippy::panic)] // clippy knows #[test] functions only

mod agent_process;
mod before;
mod boot;
mod collect;
mod comparison;
mod cuts;
mod delivery;
mod dependencies;
mod durable;
mod executables;
mod flapping;
mod fleet;
mod guard;
mod house;
mod jobs;
mod jobs_flow;
mod lints;
mod live_run;
mod mqtt;
mod once;
mod powered;
mod processors;
mod provision;
mod radios;
#[path = "../recording/mod.rs"]
#[allow(dead_code)] // tests/wire uses the rest
mod recording;
mod reload;
mod rest;
mod router;
mod signed;
mod soak;
mod spool;
mod tls;
mod ubus_cli;
mod ubus_client;
mod ubusd;
mod uci;
mod upgrade;
mod upgrade_lab;

use std::path::Path;

/// The project's directory.
fn project() -> &'static Path {
    // The package that builds this is tests/lab.
    let lab = Path::new(env!("CARGO_MANIFEST_DIR"));
    lab.ancestors()
        .nth(2)
        .expect("the lab is part of the project")
}
