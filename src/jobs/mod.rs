//! Jobs: message → effect → result.
//!
//! A payload becomes a [`message::Job`], [`signature`] says whether it may run, the [`table`] whether its id
//! is new, which the [`ledger`] keeps on flash, [`run`] runs it in a worker beside the loop, and the outcome goes back as a [`reply`]
//! that is offered until somebody has taken it. The part knows nothing of MQTT nor of the bus: sources of jobs hold a
//! [`Handle`], publishers of replies hold [`Replies`] of the [`Outlets`].

mod dispatch;
mod gate;
mod guarded;
pub mod ledger;
mod live;
pub mod message;
pub mod operation;
mod outbox;
pub mod outcome;
mod recent;
pub mod reply;
mod run;
mod settings;
pub mod signature;
mod source;
pub mod table;
mod upgrades;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use ring::digest::{digest, SHA256};
use serde::Serialize;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::boot::{self, Reboot};
use crate::identity::Identity;

pub use dispatch::Jobs;
pub use guarded::{is_guarded, Doing, Guard, Judged, Ran, Ticket, NOT_SETTLED};
pub use ledger::{has_ledger, has_started_jobs, Whereabouts};
pub use live::{Live, LiveOutput, Piece, StreamName, MESSAGE_MAX as LIVE_MESSAGE_MAX};
pub use outbox::{Channel, Outlets, Replies, Reply};
pub use outcome::{End, Outcome};
pub use recent::{Detail, State, Summary};
pub use run::leave_cgroup;
pub use run::supervisor::run as supervisor;
pub use settings::Settings;
pub use source::Source;
pub use upgrades::{Due, Hold, Upgrades, UPGRADE};

/// Where programs that jobs call are looked for.
pub const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Requests that wait for the part at most.
const COMMANDS: usize = 256;

/// Jobs and replies for which a list keeps room once it is empty; a burst of more does not keep its room.
const FEW: usize = 4;

/// State changes a slow listener may fall behind.
const CHANGES: usize = 256;

/// The part's numbers since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Jobs that wait for a worker.
    pub queued: u32,
    /// Jobs running now.
    pub running: u32,
    /// Jobs that ended with success.
    pub done: u64,
    /// Jobs that ended otherwise.
    pub failed: u64,
    /// Payloads and jobs refused.
    pub rejected: u64,
    /// Replies that the broker did not take and that are not sent any more.
    pub given_up: u64,
    /// True if ids and outcomes survive a power cut.
    pub durable: bool,
    /// True if ids and the clock's floor lie in `state_dir`/keep too, and outlive an upgrade with settings.
    pub kept: bool,
    /// Ids in the ledger, which has room for 10,000 of the broker and 1,000 of the bus.
    pub ids: u32,
}

/// A job changed its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    pub id: String,
    pub state: State,
}

/// The fate of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Recorded; it runs when a worker is free.
    Accepted { id: String },
    /// Its id was seen before: nothing runs, its outcome is sent (again).
    Known { id: String },
    /// Refused and not recorded; the sender is answered if he gave an id.
    Rejected { id: Option<String>, reason: String },
    /// The part is ending and took nothing.
    Closed,
}

/// The decision on a payload, as soon as it is made.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Decision>);

#[cfg(test)]
impl From<oneshot::Receiver<Decision>> for Pending {
    fn from(decision: oneshot::Receiver<Decision>) -> Self {
        Pending(decision)
    }
}

impl Future for Pending {
    type Output = Decision;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Decision> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|decision| decision.unwrap_or(Decision::Closed))
    }
}

/// Too many requests wait for the part already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests wait for the jobs part")]
pub struct Busy;

/// The part has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the jobs part has ended")]
pub struct Gone;

/// A local job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    pub msg: String,
    /// An id is made up if absent.
    pub id: Option<String>,
    /// Empty = run `msg` with `/bin/sh`.
    pub type_name: String,
    /// At least 1 s; clamped to `job_timeout`, which is the default.
    pub timeout: Option<Duration>,
}

/// Where a local job stands.
#[derive(Debug, Clone)]
pub enum Stand {
    Queued,
    Running,
    Ended(Arc<Outcome>),
}

impl Stand {
    pub fn state(&self) -> State {
        match self {
            Stand::Queued => State::Queued,
            Stand::Running => State::Running,
            Stand::Ended(outcome) => State::of(outcome),
        }
    }

    pub fn has_ended(&self) -> bool {
        matches!(self, Stand::Ended(_))
    }
}

/// A local job that was accepted.
#[derive(Debug, Clone)]
pub struct Run {
    pub id: String,
    /// Closed before the job has ended only if the part ends first.
    pub stand: watch::Receiver<Stand>,
}

/// Why a local job does not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    #[error("{0}")]
    Rejected(String),
    #[error(transparent)]
    Gone(#[from] Gone),
}

enum Command {
    Submit {
        payload: Bytes,
        source: Source,
        decision: oneshot::Sender<Decision>,
    },
    Run {
        request: Request,
        answer: oneshot::Sender<Result<Run, RunError>>,
    },
    Recent {
        answer: oneshot::Sender<Vec<Summary>>,
    },
    Job {
        id: String,
        answer: oneshot::Sender<Option<Detail>>,
    },
}

/// The device on which jobs run.
pub struct Setting {
    boot: [u8; 16],
    reboot: Reboot,
}

impl Setting {
    /// The device in the boot that the kernel names `boot_id`.
    pub fn new(boot_id: &str, reboot: Reboot) -> Self {
        let hash = digest(&SHA256, boot_id.as_bytes());
        let first = hash.as_ref().first_chunk().copied();
        Setting {
            boot: first.unwrap_or_default(),
            reboot,
        }
    }

    /// A device that cannot be rebooted, in the boot that the kernel names `boot_id`.
    pub fn without_reboot(boot_id: &str) -> Self {
        let refused = |_why| -> boot::Asked {
            Box::pin(async { Err("this device does not reboot".to_owned()) })
        };
        Setting::new(boot_id, Box::new(refused))
    }
}

/// Makes the part, the handle for sources of jobs, and the replies for publishers.
///
/// `mac` is the device's identity; a change holds for jobs that come later. A change of `options` holds for jobs
/// that start later; that of the ledger's place, and of who publishes results, from the moment it comes.
pub fn new(
    options: watch::Receiver<Settings>,
    mac: watch::Receiver<Identity>,
) -> (Jobs, Handle, Outlets) {
    let (commands_sender, commands) = mpsc::channel(COMMANDS);
    let (facts_sender, facts) = watch::channel(Facts::default());
    let (changes, _) = broadcast::channel(CHANGES);
    let handle = Handle {
        commands: commands_sender,
        facts,
        changes: changes.clone(),
    };
    let (jobs, outlets) = Jobs::new(options, mac, commands, facts_sender, changes);
    (jobs, handle, outlets)
}

/// A way to the part; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    facts: watch::Receiver<Facts>,
    changes: broadcast::Sender<Change>,
}

impl Handle {
    /// Hands in a payload without waiting. Decisions are made in the order of submission.
    pub fn submit(&self, payload: Bytes, source: Source) -> Result<Pending, Busy> {
        let (decision, pending) = oneshot::channel();
        let command = Command::Submit {
            payload,
            source,
            decision,
        };
        match self.commands.try_send(command) {
            // If the part is gone the sender of the decision is dropped, which reads as Closed.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(Pending(pending)),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Busy),
        }
    }

    /// Runs a local job. An id seen before runs nothing and yields the outcome of its only run.
    pub async fn run(&self, request: Request) -> Result<Run, RunError> {
        self.ask(|answer| Command::Run { request, answer }).await?
    }

    /// The last 50 jobs, newest first.
    pub async fn recent(&self) -> Result<Vec<Summary>, Gone> {
        self.ask(|answer| Command::Recent { answer }).await
    }

    /// A job with its output, if it is still known.
    pub async fn job(&self, id: &str) -> Result<Option<Detail>, Gone> {
        let id = id.to_string();
        self.ask(|answer| Command::Job { id, answer }).await
    }

    pub fn facts(&self) -> watch::Receiver<Facts> {
        self.facts.clone()
    }

    /// Changes of state from now on.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Gone> {
        let (sender, answer) = oneshot::channel();
        self.commands
            .send(command(sender))
            .await
            .map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
    }
}

#[cfg(test)]
mod tests;
