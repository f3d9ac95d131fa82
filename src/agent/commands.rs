//! From answers of the API to the job table.

use tokio::sync::{mpsc, watch};

use crate::http::ApiCommand;
use crate::jobs;
use crate::process::shutdown::Shutdown;

/// Commands that wait to become jobs.
pub(super) const WAITING: usize = 4;

/// Runs commands as local jobs, unless option `api_commands` was switched off meanwhile: then `is_allowed` is false.
pub(super) async fn run(
    mut commands: mpsc::Receiver<ApiCommand>,
    jobs: jobs::Handle,
    is_allowed: watch::Receiver<bool>,
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
        if !*is_allowed.borrow() {
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
