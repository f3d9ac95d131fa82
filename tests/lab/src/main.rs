//! A router on your desk: starts everything SocketMan needs, and SocketMan.

use std::process::ExitCode;

use clap::Parser;
use socketman_lab::desk::{self, Desk};

fn main() -> ExitCode {
    let desk = Desk::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ran = match runtime {
        Ok(runtime) => runtime.block_on(desk::run(desk)),
        Err(error) => Err(error.into()),
    };
    ran.unwrap_or_else(|error| {
        eprintln!("socketman-lab: {error}");
        ExitCode::FAILURE
    })
}
