//! From answers of the API to the job table.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::config::Config;
use crate::http::ApiCommand;
use crate::jobs;
use crate::process::shutdown::Shutdown;

/// Commands that wait to become jobs.
pub(super) const WAITING: usize = 4;

/// Runs commands as local jobs, unless option `api_commands` was switched off meanwhile.
pub(super) async fn run(
    mut commands: mpsc::Receiver<ApiCommand>,
    jobs: jobs::Handle,
    config: watch::Receiver<Arc<Config>>,
    mut ends: Shutdown,
) {
    loop {
        let ApiCommand { host, command } = tokio::select! {
            () = ends.requested() => return,
            command = commands.recv() => match command {
                Some(command) => command,
                None => return,
            },
        };
        if !config.borrow().api.commands {
            continue;
        }
        let request = jobs::Request {
            msg: command.reveal().to_owned(),
            ..jobs::Request::default()
        };
        match jobs.run(request).await {
            Ok(run) => log::info!("a command in an answer of {host} is job {}", run.id),
            Err(error) => log::warn!("a command in an answer of {host} does not run: {error}"),
        }
    }
}
