//! Parse, run, exit code.

use std::process::ExitCode;

use socketman::cli::{self, AskError, Command};
use socketman::process::{crash, logging, runtime};
use socketman::{agent, jobs, terminal, upgrade};

fn main() -> ExitCode {
    if let Some(exit) = jobs::supervisor(std::env::args_os()) {
        return exit;
    }
    if let Some(exit) = upgrade::watcher(std::env::args_os()) {
        return exit;
    }
    let command = match cli::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(exit) => return exit.print(),
    };
    let ran = runtime::run(run(command));
    let ran = ran.unwrap_or_else(|error| Err((format!("cannot start: {error}"), 1)));
    ran.unwrap_or_else(|(message, code)| {
        // A peer's words may be in it.
        eprintln!("socketman: {}", terminal::safe(&message));
        ExitCode::from(code)
    })
}

async fn run(command: Command) -> Result<ExitCode, (String, u8)> {
    let failed = |error: AskError| (error.to_string(), 1);
    match command {
        Command::Agent(args) => {
            logging::init().map_err(|error| (error.to_string(), 1))?;
            if let Err(error) = crash::without_core_dumps() {
                log::warn!("a crash may leave a core dump, which holds secrets: {error}");
            }
            let ran = agent::run(args).await;
            ran.map_err(|error| (error.to_string(), error.code()))?;
        }
        Command::Status { json, bus } => cli::status::run(json, &bus).await.map_err(failed)?,
        Command::Stats { json, bus } => cli::stats::run(json, &bus).await.map_err(failed)?,
        Command::Jobs { json, bus } => cli::jobs::run(json, &bus).await.map_err(failed)?,
        Command::Check(args) => {
            return cli::check::run(&args).map_err(|error| (error.to_string(), 1))
        }
        Command::Import(args) => {
            return cli::import::run(&args).map_err(|error| (error.to_string(), 1))
        }
        Command::Run { command, bus } => {
            return cli::run::run(&command, &bus).await.map_err(failed)
        }
    }
    Ok(ExitCode::SUCCESS)
}
