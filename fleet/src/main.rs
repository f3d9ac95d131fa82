//! Parse, run, exit code.

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let command = match socketman_fleet::parse(std::env::args_os()) {
        Ok(command) => command,
        // To stdout with code 0 if help was asked for, else to stderr with code 2.
        Err(error) => error.exit(),
    };
    match command.run(io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("socketman-fleet: {error}");
            ExitCode::FAILURE
        }
    }
}
