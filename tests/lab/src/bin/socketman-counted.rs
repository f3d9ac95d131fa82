//! The agent, with its heap counted: a connection to `heap.sock` below its root gets the number of bytes in use. It
//! only runs; for questions there is the packaged program.

use std::alloc::System;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use socketman::cli::{self, AgentArgs, Command};
use socketman::process::{crash, logging, runtime};
use socketman::{agent, jobs, upgrade};
use stats_alloc::{StatsAlloc, INSTRUMENTED_SYSTEM};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Below the agent's root.
const SOCKET: &str = "heap.sock";

fn main() -> ExitCode {
    if let Some(exit) = jobs::supervisor(std::env::args_os()) {
        return exit;
    }
    if let Some(exit) = upgrade::watcher(std::env::args_os()) {
        return exit;
    }
    let args = match cli::parse(std::env::args_os()) {
        Ok(Command::Agent(args)) => args,
        Ok(_) => {
            eprintln!("socketman-counted: it only runs; ask socketman");
            return ExitCode::FAILURE;
        }
        Err(exit) => return exit.print(),
    };
    let ran = runtime::run(run(args));
    match ran.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("socketman-counted: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: AgentArgs) -> Result<(), String> {
    logging::init().map_err(|error| error.to_string())?;
    crash::without_core_dumps().map_err(|error| error.to_string())?;
    let socket = args.bus.root.join(SOCKET);
    let heap = listen(&socket).map_err(|error| format!("{}: {error}", socket.display()))?;
    tokio::select! {
        ran = Box::pin(agent::run(args)) => ran.map_err(|error| error.to_string()),
        Err(error) = tell(&heap) => Err(format!("{}: {error}", socket.display())),
    }
}

fn listen(socket: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => UnixListener::bind(socket),
    }
}

/// Tells each that connects, for ever.
async fn tell(heap: &UnixListener) -> io::Result<()> {
    loop {
        let (mut asker, _) = heap.accept().await?;
        let counted = HEAP.stats();
        let live = counted
            .bytes_allocated
            .wrapping_sub(counted.bytes_deallocated);
        // Whoever asked may be gone.
        let _ = asker.write_all(live.to_string().as_bytes()).await;
    }
}
