//! Recovery: what is done when the device does not reach the world.
//!
//! ```text
//!  health ─verdict, proof─┐
//!  guard ─armed───────────┤                        ┌─► actions: interface, network, dnsmasq
//!  starts ─hold───────────┼─► sight ─► ladder ─step┤
//!  settings, boot ─budget─┘                        └─► boot: reboot, recorded first
//! ```
//!
//! * [`ladder`]: from how long the device is offline, and why, to the next step; pure
//! * `sight`: what it looks at
//! * `last_look`: just before the reboot
//! * `lowered`: the interface that has to come up again
//! * [`radio`]: restarts a radio that is dead, alone; no step of the ladder
//! * [`facts`](Facts): what there is to tell

mod facts;
pub mod ladder;
mod last_look;
mod lowered;
pub mod radio;
mod sight;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep_until, Instant};

use crate::actions::{Action, ActionError, Actions, Service};
use crate::boot::{Budget, Change, Reboot, Records, Why};
use crate::collect::{DeviceEvents, Event};
use crate::config;
use crate::health::{self, Verdict};
use crate::process::clock::{epoch_seconds, Pace};
use crate::process::facts::changed;
use crate::process::shutdown::Shutdown;
use crate::process::starts::Hold;
use crate::terminal::safe;
use durable::Directory;
use facts::TRIED_MAX;
use ladder::{Hindrance, Ladder, News, Next, Sight, Step};
use lowered::Lowered;

pub use facts::{Coming, Facts, Tried};
pub use last_look::last_look;

/// Time between two attempts to bring up an interface that was left down.
const UP_AGAIN: Duration = Duration::from_secs(10);

/// Time until the end of an outage is noted again, if it could not be.
const NOTE_AGAIN: Duration = Duration::from_secs(600);

/// The belongings of the part.
pub struct Part {
    pub settings: watch::Receiver<config::Recovery>,
    pub pace: Pace,
    pub health: watch::Receiver<health::Facts>,
    /// A network change is watched, and may be undone.
    pub guarded: watch::Receiver<bool>,
    pub hold: Hold,
    pub actions: Arc<dyn Actions>,
    pub reboot: Reboot,
    pub records: Records,
    /// Where an interface is noted that is down for a moment; in RAM.
    pub notes: io::Result<Directory>,
    pub events: DeviceEvents,
    pub facts: watch::Sender<Facts>,
}

/// Watches over the device until `shutdown`. A step under way is left where it is, but an interface that
/// was taken down is brought up.
pub async fn run(part: Part, shutdown: Shutdown) {
    let recovery = Recovery {
        settings: part.settings,
        health: part.health,
        guarded: part.guarded,
        hold: part.hold,
        actions: part.actions,
        reboot: part.reboot,
        budget: part.records.budget(),
        records: part.records,
        lowered: Lowered::open(part.notes),
        events: part.events,
        facts: part.facts,
        pace: part.pace,
        ladder: Ladder::default(),
        hindered: true,
        observed: Instant::now(),
        told: None,
        note_again: None,
    };
    recovery.work(shutdown).await;
}

struct Recovery {
    settings: watch::Receiver<config::Recovery>,
    health: watch::Receiver<health::Facts>,
    guarded: watch::Receiver<bool>,
    hold: Hold,
    actions: Arc<dyn Actions>,
    reboot: Reboot,
    records: Records,
    budget: watch::Receiver<Budget>,
    lowered: Lowered,
    events: DeviceEvents,
    facts: watch::Sender<Facts>,
    pace: Pace,
    ladder: Ladder,
    /// The ladder could not act, by what was seen last.
    hindered: bool,
    /// Up to when the ladder knows the time.
    observed: Instant,
    /// The hindrance that was logged last.
    told: Option<Hindrance>,
    /// The end of an outage is to be noted then, which failed before.
    note_again: Option<Instant>,
}

/// The end of a step: without an error, or with one in words.
type Ended = Result<(), String>;

impl Recovery {
    async fn work(mut self, mut shutdown: Shutdown) {
        loop {
            if shutdown.is_requested() {
                return;
            }
            self.raise().await;
            let sight = self.observe().await;
            let next = self.ladder.next(&sight);
            self.show(&sight, next);
            if let Next::Take(step) = next {
                self.take(step, &sight, &mut shutdown).await;
                continue;
            }
            let wait = self.wait(next);
            tokio::select! {
                () = shutdown.requested() => return,
                () = changed(&mut self.health) => {}
                () = changed(&mut self.settings) => {}
                () = changed(&mut self.guarded) => {}
                () = changed(&mut self.budget) => {}
                () = wait => {}
            }
        }
    }

    /// The sight of this moment.
    fn look(&mut self) -> Sight {
        let held = self.hold.is_held();
        let guarded = *self.guarded.borrow_and_update();
        let budget = *self.budget.borrow_and_update();
        let settings = self.settings.borrow_and_update().clone();
        let health = self.health.borrow_and_update();
        sight::sight(&health, &settings, budget, guarded, held)
    }

    /// Whole seconds since the last call, as this agent's pace counts them.
    fn passed(&mut self) -> u32 {
        let ms = self.observed.elapsed().as_millis();
        let ms = self.pace.passed(u64::try_from(ms).unwrap_or(u64::MAX));
        let seconds = ms / 1000;
        // The rest counts the next time.
        self.observed += self.pace.of(Duration::from_secs(seconds));
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    async fn observe(&mut self) -> Sight {
        let passed = self.passed();
        // Seconds in which the ladder could not act do not count, with any sight now.
        let passed = match self.hindered {
            true => 0,
            false => passed,
        };
        let sight = self.look();
        self.hindered = sight.hindrance().is_some();
        match self.ladder.observe(&sight, passed) {
            News::Nothing => {}
            News::Began => {
                self.observed = Instant::now();
                log::warn!("recovery: offline: {}", self.fault());
            }
            News::Over(seconds) => {
                self.told = None;
                let steps = self.facts.borrow().tried.len();
                log::info!("recovery: online again; {seconds} s and {steps} steps");
                self.facts.send_modify(|facts| {
                    (facts.step, facts.since, facts.why) = (None, None, None);
                    facts.tried.clear();
                });
            }
        }
        let is_over = self.ladder.is_idle() && sight.world == ladder::World::Online;
        if is_over && self.budget.borrow().outage {
            self.note_end().await;
        }
        sight
    }

    /// Writes down that the outage in which we rebooted is over.
    async fn note_end(&mut self) {
        if self.note_again.is_some_and(|at| at > Instant::now()) {
            return;
        }
        self.note_again = None;
        if let Err(error) = self.records.change(Change::Online).await {
            log::warn!("recovery: the end of an outage is not recorded: {error}");
            self.note_again = Some(Instant::now() + self.pace.of(NOTE_AGAIN));
        }
    }

    fn fault(&self) -> &'static str {
        let verdict = self.health.borrow().verdict;
        verdict.map_or("nothing is known", Verdict::words)
    }

    /// Publishes what comes next, and logs a hindrance that is news.
    fn show(&mut self, sight: &Sight, next: Next) {
        let fault = self.fault();
        let (why, hindrance) = match next {
            Next::Idle => (None, None),
            Next::Wait(hindrance) => (Some(sight::words(hindrance, sight, fault)), Some(hindrance)),
            Next::In(..) | Next::Take(_) => (Some(fault.to_owned()), None),
        };
        if hindrance != self.told {
            if let (Some(why), Some(_)) = (&why, hindrance) {
                log::info!("recovery: {why}");
            }
            self.told = hindrance;
        }
        let next = match next {
            Next::In(seconds, step) => {
                let wait = self.pace.of(Duration::from_secs(seconds.into()));
                let at = epoch_seconds() + wait.as_secs_f64().ceil() as u64;
                Some(Coming { step, at })
            }
            _ => None,
        };
        let budget = *self.budget.borrow();
        self.facts.send_if_modified(|facts| {
            // The same moment, computed twice, may differ by the second that has begun.
            let is_same = |a: &Coming, b: &Coming| a.step == b.step && a.at.abs_diff(b.at) <= 1;
            let next = match (facts.next, next) {
                (Some(old), Some(new)) if is_same(&old, &new) => Some(old),
                _ => next,
            };
            let new = Facts {
                why,
                reboots_24h: budget.used,
                reboots_left: budget.left,
                next,
                ..facts.clone()
            };
            let is_news = *facts != new;
            *facts = new;
            is_news
        });
    }

    /// Waits until something is due by itself.
    fn wait(&self, next: Next) -> impl std::future::Future<Output = ()> {
        let now = Instant::now();
        let step = match next {
            Next::In(seconds, _) => {
                Some(self.observed + self.pace.of(Duration::from_secs(seconds.into())))
            }
            _ => None,
        };
        let up = self.lowered.name().map(|_| now + self.pace.of(UP_AGAIN));
        let hold = self.hold.until().filter(|until| *until > now);
        let times = [step, up, hold, self.note_again];
        let first = times.into_iter().flatten().min();
        async move {
            match first {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Takes a step, which counts as taken with any result.
    async fn take(&mut self, step: Step, sight: &Sight, shutdown: &mut Shutdown) {
        let why = format!("{}, {} s", self.fault(), self.ladder.seconds());
        log::warn!("recovery: {}: {why}", step.name());
        self.events.tell(Event {
            at: epoch_seconds(),
            kind: "recovery",
            step: Some(step.name()),
            why: Some(why),
            ..Event::default()
        });
        let at = epoch_seconds();
        self.facts.send_modify(|facts| {
            (facts.step, facts.since, facts.next) = (Some(step), Some(at), None);
            if facts.tried.len() == TRIED_MAX {
                facts.tried.remove(0);
            }
            let error = None;
            facts.tried.push(Tried { step, at, error });
        });
        let ended = match step {
            // An interface that is down must not stay so.
            Step::DownUp => self.perform(step, sight).await,
            _ => tokio::select! {
                ended = self.perform(step, sight) => ended,
                () = shutdown.requested() => return,
            },
        };
        if let Err(error) = ended {
            log::warn!("recovery: {}: {error}", step.name());
            let error = Some(safe(&error));
            self.facts.send_modify(|facts| {
                if let Some(last) = facts.tried.last_mut() {
                    last.error = error;
                }
            });
        }
        let passed = self.passed();
        self.ladder.took(step, passed);
    }

    async fn perform(&mut self, step: Step, sight: &Sight) -> Ended {
        let interface = sight::interface(&self.health.borrow()).map(str::to_owned);
        let interface = interface.unwrap_or_default();
        match step {
            Step::DnsmasqRestart => self.act(Action::Restart(Service::Dnsmasq)).await,
            Step::Renew => self.act(Action::Renew(interface)).await,
            Step::DownUp => self.down_up(interface).await,
            Step::NetworkRestart => {
                let network = self.act(Action::Restart(Service::Network)).await;
                if network.is_ok() {
                    // It brings every interface up that is not kept down by its settings.
                    self.lowered.is_up();
                }
                // Meanwhile the device may have come back, or a person may work on it.
                let now = self.look();
                if now.proof || now.guarded || now.recover != sight.recover {
                    return network;
                }
                let firewall = self.act(Action::Restart(Service::Firewall)).await;
                network.and(firewall)
            }
            Step::Reboot => (self.reboot)(Why::Recovery).await,
        }
    }

    async fn down_up(&mut self, name: String) -> Ended {
        let noted = self.lowered.goes_down(&name);
        noted
            .map_err(|error| format!("interface {name} is not taken down: note of it: {error}"))?;
        let down = self.act(Action::Down(name.clone())).await;
        let up = self.act(Action::Up(name)).await;
        if up.is_ok() {
            self.lowered.is_up();
        }
        down.and(up)
    }

    /// Brings an interface up that was taken down and did not come up since.
    async fn raise(&mut self) {
        let Some(name) = self.lowered.name().map(str::to_owned) else {
            return;
        };
        let up = Action::Up(name);
        match self.actions.perform(&up).await {
            Ok(()) => log::info!("recovery: {up}, where it was left down"),
            Err(error) if is_gone(&error) => log::info!("recovery: {up}: {error}; given up"),
            Err(error) => {
                log::warn!("recovery: {up}: {error}; tried again");
                return;
            }
        }
        self.lowered.is_up();
    }

    async fn act(&self, action: Action) -> Ended {
        let done = self.actions.perform(&action).await;
        done.map_err(|error| error.to_string())
    }
}

/// There is no such interface.
fn is_gone(error: &ActionError) -> bool {
    matches!(
        error,
        ActionError::Bus {
            error: ubus::Error::Status(ubus::Status::NOT_FOUND),
            ..
        }
    )
}
