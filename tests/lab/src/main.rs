//! A router on your desk: starts everything SocketMan needs, and SocketMan.

use std::process::ExitCode;

use clap::Parser;
use socketman::process::runtime;
use socketman_lab::desk::{self, Desk};

fn main() -> ExitCode {
    let desk = Desk::parse();
    // A thread may still wait for the next line of standard input.
    let ran = runtime::run(desk::run(desk));
    let ran = ran.unwrap_or_else(|error| Err(error.into()));
    ran.unwrap_or_else(|error| {
        eprintln!("socketman-lab: {error}");
        ExitCode::FAILURE
    })
}
