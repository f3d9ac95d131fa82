//! The ubus object `socketman`: what the shell, LuCI and other programs may ask.
//!
//! Each privilege has a method of its own. Unknown arguments are ignored (uhttpd adds `ubus_rpc_session` to every
//! call); a missing or mistyped one is "invalid argument", as is text that is not UTF-8. No reply is over [`REPLY_MAX`].

mod delivery;
mod health;
mod jobs;
mod settings;
mod state;
mod waits;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio::time::timeout;

use crate::collect::{History, Report};
use crate::config::reload;
use crate::process::shutdown::Shutdown;
use crate::status::Board;
use crate::{health as healthy, jobs as job, upload};
use ubus::blobmsg::Type;
use ubus::{Client, Error, Method, Object, Request, Status};
use waits::{Open, Waits};

pub use health::EVENT as HEALTH_EVENT;

/// Path of the object.
pub const PATH: &str = "socketman";

/// Event on the bus when a job changes its state: `{"id","state"}`.
pub const JOB_EVENT: &str = "socketman.job";

/// Longest reply, bytes.
pub const REPLY_MAX: usize = 512 << 10;

/// Ends the calls that wait for something when the agent ends; callers take it for "not running".
const ENDING: Status = Status::NOT_FOUND;

/// Time for which calls are refused, when the agent ends and has answered some that waited, before the
/// object is withdrawn.
const LAST_CALLS: Duration = Duration::from_millis(250);

/// Longest wait for the bus to forget our object when the agent ends.
const WITHDRAW_WITHIN: Duration = Duration::from_secs(1);

/// Wait before the object is offered again after the bus refused it.
const OFFER_RETRY: Duration = Duration::from_secs(1);

/// The sources of the answers.
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

/// Offers the object and answers its calls until `shutdown`. Then every open call is answered before
/// the object is withdrawn, for the bus forwards no answer of an object that is gone.
pub async fn run(client: Client, sources: Sources, mut shutdown: Shutdown) {
    let mut object = tokio::select! {
        object = offer(&client) => object,
        () = shutdown.requested() => return,
    };
    let announcing = async {
        tokio::join!(
            announce(&client, sources.jobs.changes()),
            health::announce(&client, &sources.health),
        );
        // The parts may end before the last call is answered.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = answer_calls(&mut object, &sources, shutdown) => {}
        () = announcing => {}
    }
    drop(object);
    // An answer that is not on the bus yet would be lost with the process.
    let forgotten = async {
        while client.lookup(PATH, WITHDRAW_WITHIN).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    if timeout(WITHDRAW_WITHIN, forgotten).await.is_err() {
        log::warn!("the bus did not forget the object '{PATH}' in time");
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

/// Answers calls until the agent ends, and then those that wait.
async fn answer_calls(object: &mut Object, sources: &Sources, mut ends: Shutdown) {
    let (runs, probes, uploads) = (Waits::default(), Waits::default(), Waits::default());
    let mut open = Open::new(ends.clone());
    loop {
        let request = tokio::select! {
            biased;
            () = ends.requested() => break,
            request = object.next() => request,
        };
        let Some(request) = request else { break };
        match request.method.as_str() {
            "status" => request.reply(&sources.board.status()),
            "stats" => state::stats(request, &sources.newest),
            "history" => state::history(request, &sources.history),
            "jobs" => jobs::recent(request, &sources.jobs).await,
            "job" => jobs::one(request, &sources.jobs).await,
            "run_job" => jobs::run(request, sources, &runs, &mut open).await,
            "probe" => health::probe(request, &sources.health, &probes, &mut open),
            "upload" => delivery::upload(request, &sources.deliveries, &uploads, &mut open),
            "config" => settings::config(request, &sources.settings),
            "reload" => settings::reload(request, &sources.settings, &mut open),
            _ => request.finish(Status::METHOD_NOT_FOUND),
        }
    }
    if !open.answered().await {
        return;
    }
    // A caller that got an answer may ask again at once, as for a job. It is answered before the object
    // goes, for the bus forwards no answer of an object that is gone.
    let last_calls = async {
        while let Some(request) = object.next().await {
            request.finish(ENDING);
        }
    };
    // The time-out is the usual end.
    let _ = timeout(LAST_CALLS, last_calls).await;
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

/// The arguments as `T`, or `None` after an answer that they are invalid.
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
