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
        Ok(runtime) => {
            let ran = runtime.block_on(desk::run(desk));
            // A thread may be waiting for the next line of standard input.
            runtime.shutdown_background();
            ran
        }
        Err(error) => Err(error.into()),
    };
    ran.unwrap_or_else(|error| {
        eprintln!("socketman-lab: {error}");
        ExitCode::FAILURE
    })
}
