//! The way of the jobs part to the guard.

use std::future::{pending, ready};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::own::Own;
use super::places::DISK_WITHIN;
use crate::config::reload;
use crate::jobs::{Doing, Guard, Judged, Ran, Ticket};
use crate::mqtt;

/// Longest wait for a disk that holds up the ledger, too.
const DISK_HANGS: Duration = Duration::from_secs(3600);

/// A request of the jobs part.
pub(super) enum Ask {
    Arm {
        ticket: Ticket,
        answer: oneshot::Sender<Result<(), String>>,
    },
    Ended {
        ticket: Ticket,
        is_guarded: bool,
        ran: Option<Ran>,
        answer: oneshot::Sender<Judged>,
    },
    Settled(String),
    /// Look once more for what an earlier agent left. Dropped when the disk has said what it has to say.
    Look(oneshot::Sender<()>),
}

/// See [`Guard`]. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) own: Arc<Own>,
    pub(super) settings: reload::Handle,
    pub(super) mqtt: watch::Receiver<mqtt::Facts>,
    /// The job of an earlier agent that is decided here.
    pub(super) left: Arc<OnceLock<String>>,
    /// The traces of an earlier agent could not be read yet.
    pub(super) is_unread: Arc<AtomicBool>,
    /// The directory they are in.
    pub(super) state_dir: PathBuf,
}

impl Handle {
    fn is_unread(&self) -> bool {
        self.is_unread.load(Ordering::Relaxed)
    }
}

impl Guard for Handle {
    fn starts(&self) {
        let current = self.settings.current();
        let connected = self.mqtt.borrow().connected;
        self.own.starts(&current.borrow().loaded.files, connected);
    }

    fn abandoned(&self) {
        self.own.ends();
    }

    fn arm(&self, ticket: Ticket) -> Doing<Result<(), String>> {
        let (answer, answered) = oneshot::channel();
        let asked = self.asks.try_send(Ask::Arm { ticket, answer });
        Box::pin(async move {
            match (asked, answered.await) {
                (Ok(()), Ok(armed)) => armed,
                // The agent ends, and says so to the job.
                _ => pending().await,
            }
        })
    }

    fn ended(&self, ticket: Ticket, is_guarded: bool, ran: Option<Ran>) -> Doing<Option<Judged>> {
        let current = self.settings.current();
        let loaded = &current.borrow().loaded;
        if !is_guarded && !self.own.have_changed(loaded) {
            if self.left.get().is_none() && self.own.is_inherited() && !self.is_unread() {
                self.own.is_decided(&loaded.files);
            }
            self.own.ends();
            return Box::pin(ready(Some(Judged::default())));
        }
        let (answer, answered) = oneshot::channel();
        let asked = self.asks.try_send(Ask::Ended {
            ticket,
            is_guarded,
            ran,
            answer,
        });
        Box::pin(async move {
            asked.ok()?;
            answered.await.ok()
        })
    }

    fn settled(&self, key: String) {
        // The agent ends; the next one finds the journal decided.
        drop(self.asks.try_send(Ask::Settled(key)));
    }

    fn concerns(&self, key: &str) -> bool {
        self.own.is_inherited() || self.left.get().is_some_and(|left| left == key)
    }

    fn prepare(&self, state_dir: &Path) -> Doing<()> {
        if !self.is_unread() || self.left.get().is_some() {
            return Box::pin(ready(()));
        }
        let (answer, answered) = oneshot::channel();
        let asked = self.asks.try_send(Ask::Look(answer));
        let within = match state_dir == self.state_dir {
            true => DISK_HANGS,
            false => DISK_WITHIN,
        };
        Box::pin(async move {
            if asked.is_ok() {
                // If the agent ends, nobody opens the ledger either.
                drop(timeout(within, answered).await);
            }
        })
    }

    fn left(&self) -> Option<String> {
        self.left.get().cloned()
    }
}
