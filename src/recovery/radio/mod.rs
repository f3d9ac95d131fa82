//! Restarts a radio that has been dead for two minutes, alone and with care.
//!
//! ```text
//!  health::radio ─verdicts─► Scene ─► Machine ─Step─┬─► cell `radios` in state_dir
//!  health ─uplink─► bears? ──┘           ▲          ├─► a look
//!  guard ─armed?─────────────────────────┘          └─► Actions: down, up ─► netifd
//! ```
//!
//! * [`machine`](Machine): when, and what comes after what. Pure
//! * [`ledger`](Ledger): how often, and what is under way, in a cell that outlives the agent
//! * [`bearing`](bears): which radios are left alone because the uplink goes over them
//!
//! `down` clears netifd's `autostart`: a radio that is not brought up again stays down until a reboot. So the
//! intent is on the medium before `down`, `up` is repeated until netifd has taken it, and a start that finds
//! an intent begins with `up`. What is under way when the agent ends is finished first.

mod bearing;
mod ledger;
mod machine;
mod store;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep_until, timeout, Instant};

use crate::actions::{Action, Actions};
use crate::collect::{DeviceEvents, Event};
use crate::config::{self, Recover};
use crate::health;
use crate::health::radio::{Handle, RadioFacts, Restarted};
use crate::process::clock::{epoch_seconds, Clock, Pace};
use crate::process::facts::changed;
use crate::process::shutdown::Shutdown;
use store::Keeper;

pub use bearing::{bears, Below};
pub use ledger::{Boot, Ledger};
pub use machine::{Candidate, Machine, Scene, Step, RESTARTS_MAX};
pub use store::NAME;

/// Time that a restart under way gets to end when the agent ends.
const GRACE: Duration = Duration::from_secs(2);

/// Longest wait for netifd to take an action up.
const ACTION_WITHIN: Duration = Duration::from_secs(60);

/// The belongings of the task that restarts radios.
pub struct Part {
    pub settings: watch::Receiver<config::Recovery>,
    pub pace: Pace,
    /// The state directory that is in use until the agent ends.
    pub state_dir: PathBuf,
    /// Prefix of /sys.
    pub root: PathBuf,
    /// The kernel's id of this boot.
    pub boot_id: String,
    pub clock: Clock,
    pub radios: Handle,
    pub health: watch::Receiver<health::Facts>,
    /// True while a guard is armed.
    pub armed: watch::Receiver<bool>,
    pub actions: Arc<dyn Actions>,
    pub events: DeviceEvents,
    /// The restarts, for the part that watches over radios.
    pub restarts: watch::Sender<Vec<Restarted>>,
}

/// Restarts radios until `shutdown`.
pub async fn run(part: Part, mut shutdown: Shutdown) {
    let mut ends = shutdown.clone();
    let ended = async {
        ends.requested().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = part.keep_alive(&mut shutdown) => {}
        () = ended => {}
    }
}

/// The task at work.
struct Restarter {
    part: Part,
    machine: Machine,
    keeper: Keeper,
    /// The time of the ledger when the task began, and when that was.
    base: Duration,
    start: Instant,
    /// When each radio was restarted last, since the task began.
    last: Vec<(String, Instant)>,
}

impl Part {
    async fn keep_alive(self, shutdown: &mut Shutdown) {
        let keeper = Keeper::of(&self.state_dir);
        let boot = Boot {
            id: &self.boot_id,
            mono: self.clock.read().mono,
        };
        let (ledger, base) = keeper.read(boot);
        if let Some(radio) = ledger.intent() {
            log::warn!("{radio}: its restart was not finished; bringing it up");
        }
        let mut restarter = Restarter {
            machine: Machine::new(ledger, base, self.pace),
            keeper,
            base,
            start: Instant::now(),
            last: Vec::new(),
            part: self,
        };
        restarter.tell();
        restarter.run(shutdown).await;
    }
}

impl Restarter {
    /// The time of the ledger.
    fn now(&self) -> Duration {
        self.base + self.start.elapsed()
    }

    async fn run(&mut self, shutdown: &mut Shutdown) {
        loop {
            let (candidates, complete) = self.candidates();
            let scene = Scene {
                radios: &candidates,
                complete,
                allowed: !*self.part.armed.borrow()
                    && self.part.settings.borrow().recover != Recover::Nothing,
            };
            let now = self.now();
            let step = self.machine.next(now, &scene);
            if shutdown.is_requested() && !self.machine.is_under_way() {
                return;
            }
            let ok = match step {
                Step::Rest(until) => {
                    self.rest(until, shutdown).await;
                    continue;
                }
                Step::Save => {
                    let boot = Boot {
                        id: &self.part.boot_id,
                        mono: self.part.clock.read().mono,
                    };
                    let bytes = self.machine.ledger().encode(boot, now);
                    self.keeper.write(bytes).await
                }
                Step::Look => self.part.radios.look().await.is_some(),
                Step::Perform(action) => self.perform(&action).await,
            };
            self.machine.done(self.now(), ok);
            self.tell();
        }
    }

    /// Waits until `until`, or until what decisions depend on changes.
    async fn rest(&mut self, until: Option<Duration>, shutdown: &mut Shutdown) {
        let due = until.map(|until| self.start + until.saturating_sub(self.base));
        let mut radios = self.part.radios.facts();
        radios.borrow_and_update();
        let part = &mut self.part;
        let ending = shutdown.is_requested();
        tokio::select! {
            () = sleep_until(due.unwrap_or(self.start)), if due.is_some() => {}
            () = changed(&mut radios) => {}
            () = changed(&mut part.health) => {}
            () = changed(&mut part.armed) => {}
            () = changed(&mut part.settings) => {}
            () = shutdown.requested(), if !ending => {}
        }
    }

    async fn perform(&mut self, action: &Action) -> bool {
        let performed = timeout(ACTION_WITHIN, self.part.actions.perform(action)).await;
        let failed = match performed {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("not taken up in time".to_owned()),
        };
        match (action, &failed) {
            (Action::RadioDown(radio), None) => self.announce(radio),
            (Action::RadioUp(radio), None) => {
                log::info!("{radio}: brought up");
                self.last.retain(|(known, _)| known != radio);
                self.last.push((radio.clone(), Instant::now()));
            }
            (action, Some(error)) => log::warn!("{action}: {error}"),
            (_, None) => {}
        }
        failed.is_none()
    }

    fn announce(&self, radio: &str) {
        let facts = self.part.radios.facts();
        let facts = facts.borrow();
        let known = facts.radios.iter().find(|known| known.name == radio);
        let why = known.map_or("", |known| known.why);
        log::warn!("{radio}: restarting it: {why}");
        self.part.events.tell(Event {
            at: epoch_seconds(),
            kind: "recovery",
            step: Some("radio"),
            radio: Some(radio.to_owned()),
            why: Some(why.to_owned()),
            ..Event::default()
        });
    }

    /// The radios as decisions see them, and whether there are no others.
    fn candidates(&self) -> (Vec<Candidate>, bool) {
        let facts = self.part.radios.facts();
        let facts = facts.borrow();
        let uplink = self.part.health.borrow().uplink.clone();
        let now = Instant::now();
        let candidate = |radio: &RadioFacts| Candidate {
            name: radio.name.clone(),
            faulty: radio
                .faulty
                .map(|since| now.saturating_duration_since(since)),
            // The kernel is asked about radios that need it only.
            bears: radio.faulty.is_some() && {
                let device = uplink.as_ref().and_then(|uplink| uplink.device.as_deref());
                let below = device.map(|device| Below::read(&self.part.root, device));
                bears(&radio.vifs, uplink.as_ref(), below.as_ref())
            },
        };
        (facts.radios.iter().map(candidate).collect(), facts.complete)
    }

    /// Tells how often each radio was restarted, and when last.
    fn tell(&self) {
        let ledger = self.machine.ledger();
        let restarts = ledger.radios().map(|(radio, count)| Restarted {
            radio: radio.to_owned(),
            at: self
                .last
                .iter()
                .find(|(known, _)| known == radio)
                .map(|(_, at)| *at),
            count: u32::try_from(count).unwrap_or(u32::MAX),
        });
        let restarts: Vec<Restarted> = restarts.collect();
        self.part.restarts.send_if_modified(|known| {
            let is_new = *known != restarts;
            *known = restarts;
            is_new
        });
    }
}
