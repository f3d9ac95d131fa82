//! The handle by which the jobs part has upgrades carried out.

use std::future::ready;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use ubus::Client;
use uci::Directories;

use super::facts::Facts;
use super::places::{on_disk, Found, Places};
use super::record::Record;
use super::request::{Request, What};
use super::store;
use super::zone::Zone;
use crate::config::{Api, Config};
use crate::guard::Witnesses;
use crate::identity::Identity;
use crate::jobs::{Doing, Due, Hold, Outcome, Ticket, Upgrades};
use crate::lookup::Resolver;
use crate::process::clock::{epoch_seconds, Pace, Reading};
use crate::process::shutdown::Shutdown;
use crate::tasks;

/// Attempts to open the ledger, minutes in all, that fail before one is begun beside traces that cannot be read.
const LOOKS: u32 = 8;

/// Traces of an upgrade that could not be read.
#[derive(Clone)]
struct Unread {
    found: Found,
    /// The looks for them that may fail with the ledger.
    looks: u32,
}

/// Settings of an upgrade, read when they are needed.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// For downloads.
    pub api: Api,
    /// A new agent has to give its proof of life in this time.
    pub rollback_timeout: Duration,
    pub state_dir: PathBuf,
    pub pace: Pace,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Settings {
            api: config.api.clone(),
            rollback_timeout: config.jobs.rollback_timeout,
            state_dir: config.state_dir.clone(),
            pace: config.pace,
        }
    }
}

/// The parts and handles that upgrades work with.
pub struct Part {
    pub settings: watch::Receiver<Settings>,
    pub mac: watch::Receiver<Identity>,
    pub uci: Directories,
    pub client: Client,
    /// Shared with all parts but the broker link.
    pub resolver: Resolver,
    pub witnesses: Witnesses,
    /// A network change is on trial.
    pub guarded: watch::Receiver<bool>,
    pub facts: watch::Sender<Facts>,
    /// True while the device is flashed or a package is installed: nobody heals the network then.
    pub busy: watch::Sender<bool>,
    /// True while the device has to prove that it lives.
    pub trial: watch::Sender<bool>,
    pub ends: Shutdown,
}

/// See [`Upgrades`]. Cheap to clone.
#[derive(Clone)]
pub struct Handle(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) part: Part,
    pub(super) places: Places,
    pub(super) boot: String,
    pub(super) macs: Vec<String>,
    pub(super) release: String,
    pub(super) hold: watch::Sender<Hold>,
    /// The ledger stands still.
    pub(super) held: watch::Sender<bool>,
    /// The key of the job whose outcome somebody has.
    pub(super) taken: watch::Sender<String>,
    /// The upgrade of an earlier agent.
    left: OnceLock<String>,
    /// The traces of one that could not be read.
    unread: Mutex<Option<Unread>>,
    /// The record once it is decided, or that of an upgrade of this agent.
    pub(super) decided: watch::Sender<Option<Record>>,
}

/// The handle for the jobs part. What an earlier agent left goes on in a task of its own.
pub fn new(part: Part, found: Found) -> Handle {
    let unread = found.is_unread.then(|| Unread {
        found: found.clone(),
        looks: LOOKS,
    });
    let shared = Shared {
        part,
        boot: found.place.boot,
        macs: found.place.macs,
        release: found.release,
        places: found.places,
        hold: watch::Sender::new(Hold::Nothing),
        held: watch::Sender::new(false),
        taken: watch::Sender::new(String::new()),
        left: OnceLock::new(),
        unread: Mutex::new(unread),
        decided: watch::Sender::new(None),
    };
    let handle = Handle(Arc::new(shared));
    if let Some(record) = found.record {
        handle.go_on(record);
    }
    handle
}

impl Handle {
    /// Goes on with the upgrade of an earlier agent in a task of its own.
    fn go_on(&self, record: Record) {
        self.0.left.get_or_init(|| record.key.clone());
        let (shared, ends) = (Arc::clone(&self.0), self.0.part.ends.clone());
        tasks::spawn(async move {
            ends.cut_short(vec![Box::pin(shared.go_on(record))]).await;
        });
    }
}

impl Shared {
    pub(super) fn settings(&self) -> watch::Ref<'_, Settings> {
        self.part.settings.borrow()
    }

    fn unread(&self) -> MutexGuard<'_, Option<Unread>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True as long as a look that failed is better made again than the ledger begun that is not in place.
    async fn looks_again(&self) -> bool {
        let ledger = self.places.state_dir.join(store::JOBS);
        if on_disk(move || ledger.try_exists()).await == Ok(true) {
            // Nothing would take its place.
            return false;
        }
        let mut unread = self.unread();
        let looks = unread.as_mut().map(|unread| &mut unread.looks);
        looks.is_some_and(|looks| {
            let may_look = *looks > 0;
            *looks = looks.saturating_sub(1);
            may_look
        })
    }

    /// The upgrade of the job `id` is in this state now.
    pub(super) fn tell(&self, state: &'static str, id: &str) {
        self.part.facts.send_modify(|facts| {
            *facts = Facts {
                state,
                id: Some(id.to_owned()).filter(|_| state != "idle"),
                since: Some(epoch_seconds()).filter(|_| state != "idle"),
                ..Facts::default()
            };
        });
    }

    /// Nothing has to wait any more.
    pub(super) fn set_free(&self) {
        self.hold.send_replace(Hold::Nothing);
        self.part.busy.send_replace(false);
        self.part.trial.send_replace(false);
        self.tell("idle", "");
    }
}

impl Upgrades for Handle {
    fn check(&self, msg: &str) -> Result<(), String> {
        Request::read(msg, self.0.settings().api.insecure).map(drop)
    }

    fn due(&self, msg: &str, clock: Reading, waited: Duration) -> Due {
        // One that cannot be read any more is refused when it starts.
        let request = Request::read(msg, self.0.settings().api.insecure).ok();
        let Some(window) = request.and_then(|request| request.window) else {
            return Due::Now;
        };
        let part = &self.0.part;
        let zone = Zone::look(&self.0.places.root, &part.uci);
        window.due(&zone, &part.mac.borrow().digits(), clock, waited)
    }

    fn waits(&self, next: Option<(&str, Duration)>) {
        let begins = next.map(|(_, time)| epoch_seconds() + time.as_secs());
        self.0.part.facts.send_if_modified(|facts| {
            if !matches!(facts.state, "idle" | "waiting") {
                return false;
            }
            let before = facts.clone();
            let id = next.map(|(id, _)| id.to_owned());
            if facts.id != id {
                *facts = Facts {
                    state: if id.is_some() { "waiting" } else { "idle" },
                    since: id.is_some().then(epoch_seconds),
                    id,
                    ..Facts::default()
                };
            }
            // By a second more or less it is the same.
            let differs = facts.begins.unwrap_or(0).abs_diff(begins.unwrap_or(0)) > 1;
            if differs {
                facts.begins = begins;
            }
            *facts != before
        });
    }

    fn run(&self, ticket: Ticket, msg: String, stopped: Doing<bool>) -> Doing<Option<Outcome>> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let began = Instant::now();
            let mut outcome = Box::pin(shared.run(ticket, msg, stopped)).await?;
            outcome.duration = Some(began.elapsed());
            Some(outcome)
        })
    }

    fn resume(&self, ticket: Ticket) -> Doing<Option<Outcome>> {
        let mut decided = self.0.decided.subscribe();
        let is_left = self.0.left.get() == Some(&ticket.key);
        let mut ends = self.0.part.ends.clone();
        Box::pin(async move {
            if !is_left {
                return Some(super::course::interrupted(
                    "the agent restarted before the upgrade began",
                ));
            }
            let is_it = |record: &Option<Record>| {
                let record = record.as_ref();
                record.is_some_and(|record| record.key == ticket.key)
            };
            tokio::select! {
                record = decided.wait_for(is_it) => record.ok()?.as_ref()?.outcome(),
                () = ends.requested() => None,
            }
        })
    }

    fn prepare(&self, state_dir: &Path) -> Doing<Result<(), String>> {
        let found = self.0.unread().clone().map(|unread| unread.found);
        let Some(found) = found.filter(|found| found.places.state_dir == state_dir) else {
            return Box::pin(ready(Ok(())));
        };
        let handle = self.clone();
        Box::pin(async move {
            match found.look_again().await {
                Ok(record) => {
                    *handle.0.unread() = None;
                    if let Some(record) = record {
                        handle.go_on(record);
                    }
                }
                // A directory that is open to others is refused again, until a person sees to it.
                Err(error)
                    if error.kind() != io::ErrorKind::PermissionDenied
                        && handle.0.looks_again().await =>
                {
                    return Err(format!("the last upgrade cannot be read: {error}"));
                }
                // Jobs go on without what cannot be read.
                Err(error) => log::warn!("upgrade: the last one still cannot be read: {error}"),
            }
            Ok(())
        })
    }

    fn left(&self) -> Option<String> {
        self.0.left.get().cloned()
    }

    fn recorded(&self, key: &str) {
        let is_left = self.0.left.get().is_some_and(|left| left == key);
        let record = self.0.decided.borrow().clone();
        let record = record.filter(|record| record.key == key);
        let places = self.0.places.clone();
        let clear = move || {
            let cleared = match record {
                Some(record) => places.clear(record.is_image()),
                // The ledger does not know of it: nobody asks what came of it.
                None if is_left => places.clear_decided(),
                None => Ok(()),
            };
            if let Err(error) = cleared {
                log::warn!("upgrade: what is left of it cannot be removed: {error}");
            }
        };
        let thread = std::thread::Builder::new().name("upgrade".to_owned());
        if let Err(error) = tasks::thread(thread, Box::new(clear)) {
            log::warn!("upgrade: {error}");
        }
    }

    fn taken(&self, key: &str) {
        self.0.taken.send_replace(key.to_owned());
    }

    fn hold(&self) -> watch::Receiver<Hold> {
        self.0.hold.subscribe()
    }

    fn held(&self) {
        self.0
            .held
            .send_if_modified(|held| !std::mem::replace(held, true));
    }
}

impl What {
    /// The board that it has to run on, if that was said.
    pub(super) fn board(&self) -> Option<&str> {
        match self {
            What::Image { board, .. } => Some(board),
            What::Package { board, .. } => board.as_deref(),
        }
    }
}
