//! The ubus object `socketman`: what the shell, LuCI and other programs may ask.
//!
//! One method per privilege. Unknown arguments are ignored (uhttpd adds `ubus_rpc_session` to every
//! call); a missing or mistyped one is "invalid argument". No reply is over [`REPLY_MAX`].

mod delivery;
mod health;
mod jobs;
mod settings;
mod state;
mod waits;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, watch};

use crate::collect::{History, Report};
use crate::shutdown::Shutdown;
use crate::status::Board;
use crate::ubus::blobmsg::Type;
use crate::ubus::{Client, Error, Method, Object, Request, Status};
use crate::{health as healthy, jobs as job, reload, upload};
use waits::Waits;

pub use health::EVENT as HEALTH_EVENT;

/// Path of the object.
pub const PATH: &str = "socketman";

/// Event on the bus when a job changes its state: `{"id","state"}`.
pub const JOB_EVENT: &str = "socketman.job";

/// Longest reply, bytes.
pub const REPLY_MAX: usize = 512 << 10;

/// Wait before the object is offered again after the bus refused it.
const OFFER_RETRY: Duration = Duration::from_secs(1);

/// What the methods answer from.
#[derive(Clone)]
pub struct Sources {
    pub board: Board,
    pub newest: watch::Receiver<Option<Arc<Report>>>,
    pub history: watch::Receiver<History>,
    pub health: healthy::Handle,
    pub deliveries: upload::Handle,
    pub jobs: job::Handle,
    pub settings: reload::Handle,
}

/// THE method table.
pub fn methods() -> Vec<Method> {
    vec![
        Method::new("status", &[]),
        Method::new("stats", &[("offset", Type::Int32), ("limit", Type::Int32)]),
        Method::new("history", &[]),
        Method::new("jobs", &[]),
        Method::new("job", &[("id", Type::String)]),
        Method::new(
            "run_job",
            &[
                ("msg", Type::String),
                ("id", Type::String),
                ("type", Type::String),
                ("timeout", Type::Int32),
                ("wait", Type::Int8),
            ],
        ),
        Method::new("probe", &[]),
        Method::new("upload", &[]),
        Method::new("config", &[]),
        Method::new("reload", &[]),
    ]
}

/// Offers the object and answers its calls until `shutdown`.
pub async fn run(client: Client, sources: Sources, mut shutdown: Shutdown) {
    let serve = async {
        loop {
            let mut object = offer(&client).await;
            tokio::join!(
                answer_calls(&mut object, &sources),
                announce(&client, sources.jobs.changes()),
                health::announce(&client, &sources.health),
            );
        }
    };
    tokio::select! {
        () = serve => {}
        () = shutdown.requested() => {}
    }
}

async fn offer(client: &Client) -> Object {
    let mut said = false;
    loop {
        match client.offer(PATH, methods()).await {
            Ok(object) => return object,
            Err(error) if said => log::debug!("ubus object '{PATH}': {error}"),
            Err(error) => {
                log::warn!(
                    "ubus object '{PATH}' refused: {error}; is another agent on the bus? trying on"
                );
                said = true;
            }
        }
        tokio::time::sleep(OFFER_RETRY).await;
    }
}

async fn answer_calls(object: &mut Object, sources: &Sources) {
    let (runs, probes, uploads) = (Waits::default(), Waits::default(), Waits::default());
    while let Some(request) = object.next().await {
        match request.method.as_str() {
            "status" => request.reply(&sources.board.status()),
            "stats" => state::stats(request, &sources.newest),
            "history" => state::history(request, &sources.history),
            "jobs" => jobs::recent(request, &sources.jobs).await,
            "job" => jobs::one(request, &sources.jobs).await,
            "run_job" => jobs::run(request, sources, &runs).await,
            "probe" => health::probe(request, &sources.health, &probes),
            "upload" => delivery::upload(request, &sources.deliveries, &uploads),
            "config" => settings::config(request, &sources.settings),
            "reload" => settings::reload(request, &sources.settings),
            _ => request.finish(Status::METHOD_NOT_FOUND),
        }
    }
}

/// Sends an event for each change of a job's state.
async fn announce(client: &Client, mut changes: broadcast::Receiver<job::Change>) {
    loop {
        match changes.recv().await {
            Ok(change) => match client.send_event(JOB_EVENT, &change).await {
                Ok(()) | Err(Error::Disconnected) => {}
                Err(error) => log::debug!("event {JOB_EVENT}: {error}"),
            },
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                log::debug!("event {JOB_EVENT}: {missed} changes were too many at once");
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// The arguments as `T`, or `None` after the caller was told that they are invalid.
fn args<T: serde::de::DeserializeOwned>(request: Request) -> Option<(T, Request)> {
    match request.args() {
        Ok(args) => Some((args, request)),
        Err(error) => {
            log::debug!("ubus method {}: arguments: {error}", request.method);
            request.finish(Status::INVALID_ARGUMENT);
            None
        }
    }
}
