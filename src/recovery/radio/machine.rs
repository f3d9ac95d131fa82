//! The restarts of radios: when, and in which order. Pure: no I/O, no clock of its own.
//!
//! ```text
//!          fault for 120 s, allowed        noted            still so         done          done
//!   idle ──────────────────────────► save ───────► look ─────────────► down ──────► up ──────────► save ─► idle
//!    │                                                └─ not any more ───────────────── │ ─────────►┘
//!    └─ an intent of the agent before ─────────────────────────────────────────────────►┘ fails: again, later
//! ```

use std::time::Duration;

use super::ledger::Ledger;
use crate::actions::Action;
use crate::process::clock::Pace;

/// Time of a fault before the radio is restarted.
const HOLD: Duration = Duration::from_secs(120);

/// From one restart of a radio to the next; doubles with each.
const COOLDOWN: Duration = Duration::from_secs(5 * 60);
const COOLDOWN_MAX: Duration = Duration::from_secs(60 * 60);

/// Restarts of one radio within [`DAY`].
pub const RESTARTS_MAX: usize = 6;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Time between two saves of the time that has passed, while restarts are remembered.
const SAVE_EVERY: Duration = Duration::from_secs(60 * 60);

/// First and longest wait after a failure.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// The periods above, at the pace of the agent.
#[derive(Debug, Clone, Copy)]
struct Limits {
    hold: Duration,
    cooldown: Duration,
    cooldown_max: Duration,
    day: Duration,
    save_every: Duration,
    retry: Duration,
    retry_max: Duration,
}

/// A radio, as far as a restart depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub name: String,
    /// The time for which it has had a fault that a restart may end.
    pub faulty: Option<Duration>,
    /// True if the radio carries the uplink, or proof of life may go over it.
    pub bears: bool,
}

/// The input of a decision.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    pub radios: &'a [Candidate],
    /// netifd has answered the newest look: there are no other radios.
    pub complete: bool,
    /// No guard is armed, and the settings allow it.
    pub allowed: bool,
}

/// The next thing to do; [`Machine::done`] takes its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write [`Machine::ledger`], and wait until it is on the medium.
    Save,
    /// Look at the radios again.
    Look,
    Perform(Action),
    /// Nothing, until this time, or until the scene changes.
    Rest(Option<Duration>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Idle,
    /// The intent is being written.
    Note(String),
    Look(String),
    /// The radio has been looked at, or could not be.
    Looked(String, bool),
    Down(String),
    Up(String),
    /// The intent is being taken back.
    Settle,
    /// The time is being written.
    Refresh,
}

/// Decides on restarts of radios.
#[derive(Debug, Clone)]
pub struct Machine {
    limits: Limits,
    ledger: Ledger,
    phase: Phase,
    saved: Duration,
    failures: u32,
    /// After a failure nothing is done before this.
    not_before: Duration,
}

impl Machine {
    /// Goes on where the agent before stopped, at `now`.
    pub fn new(ledger: Ledger, now: Duration, pace: Pace) -> Self {
        let phase = match &ledger.intent {
            Some(radio) => Phase::Up(radio.clone()),
            None => Phase::Idle,
        };
        Machine {
            limits: Limits {
                hold: pace.of(HOLD),
                cooldown: pace.of(COOLDOWN),
                cooldown_max: pace.of(COOLDOWN_MAX),
                day: pace.of(DAY),
                save_every: pace.of(SAVE_EVERY),
                retry: pace.of(RETRY),
                retry_max: pace.of(RETRY_MAX),
            },
            ledger,
            phase,
            saved: now,
            failures: 0,
            not_before: Duration::ZERO,
        }
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Is a radio down, or a note of one on the medium? That is finished before the agent ends.
    pub fn is_under_way(&self) -> bool {
        matches!(self.phase, Phase::Down(_) | Phase::Up(_) | Phase::Settle)
    }

    /// The thing to do at `now`, by the time of the ledger.
    pub fn next(&mut self, now: Duration, scene: &Scene<'_>) -> Step {
        if let Phase::Looked(radio, ok) = &self.phase {
            let (radio, ok) = (radio.clone(), *ok);
            let still = scene.radios.iter().find(|of| of.name == radio);
            self.phase = match ok && still.is_some_and(|of| self.is_wanted(of, scene)) {
                true => Phase::Down(radio),
                false => {
                    self.take_back(&radio);
                    Phase::Settle
                }
            };
        }
        if let Phase::Up(radio) = &self.phase {
            let listed = scene.radios.iter().any(|of| of.name == *radio);
            if self.failures > 0 && scene.complete && !listed {
                // It is not configured any more.
                self.ledger.intent = None;
                self.phase = Phase::Settle;
                self.not_before = Duration::ZERO;
            }
        }
        if now < self.not_before {
            return Step::Rest(Some(self.not_before));
        }
        match &self.phase {
            Phase::Idle => self.begin(now, scene),
            Phase::Note(_) | Phase::Settle | Phase::Refresh => Step::Save,
            Phase::Look(_) | Phase::Looked(..) => Step::Look,
            Phase::Down(radio) => Step::Perform(Action::RadioDown(radio.clone())),
            Phase::Up(radio) => Step::Perform(Action::RadioUp(radio.clone())),
        }
    }

    fn begin(&mut self, now: Duration, scene: &Scene<'_>) -> Step {
        self.ledger.forget(now, self.limits.day);
        let due =
            |radio: &&Candidate| self.is_wanted(radio, scene) && self.ready(&radio.name) <= now;
        if let Some(radio) = scene.radios.iter().find(due) {
            let radio = radio.name.clone();
            self.ledger.add(&radio, now);
            self.ledger.intent = Some(radio.clone());
            self.phase = Phase::Note(radio);
            return Step::Save;
        }
        let mut until = None;
        if !self.ledger.is_empty() {
            let refresh = self.saved + self.limits.save_every;
            if now >= refresh {
                self.phase = Phase::Refresh;
                return Step::Save;
            }
            until = Some(refresh);
        }
        for radio in scene.radios.iter().filter(|_| scene.allowed) {
            let Some(faulty) = radio.faulty.filter(|_| !radio.bears) else {
                continue;
            };
            let held = now + self.limits.hold.saturating_sub(faulty);
            let at = held.max(self.ready(&radio.name));
            until = Some(until.map_or(at, |until: Duration| until.min(at)));
        }
        Step::Rest(until)
    }

    /// Does it need a restart, and may it have one?
    fn is_wanted(&self, radio: &Candidate, scene: &Scene<'_>) -> bool {
        let is_faulty = radio
            .faulty
            .is_some_and(|lasting| lasting >= self.limits.hold);
        scene.allowed && is_faulty && !radio.bears
    }

    /// When the budget of a radio allows its next restart.
    fn ready(&self, radio: &str) -> Duration {
        let times = self.ledger.of(radio);
        let Some(last) = times.last() else {
            return Duration::ZERO;
        };
        let doubled = self.limits.cooldown * (1 << (times.len() - 1).min(10));
        let cooled = *last + doubled.min(self.limits.cooldown_max);
        match times.len().checked_sub(RESTARTS_MAX) {
            Some(at) => cooled.max(times[at] + self.limits.day),
            None => cooled,
        }
    }

    /// The restart that was noted is not made.
    fn take_back(&mut self, radio: &str) {
        self.ledger.intent = None;
        self.ledger.take_back(radio);
    }

    /// The step that [`Machine::next`] named is over, well or not.
    pub fn done(&mut self, now: Duration, ok: bool) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Idle => Phase::Idle,
            Phase::Note(radio) if ok => {
                self.saved = now;
                Phase::Look(radio)
            }
            // Without a note nothing would bring it up should the agent end: it stays as it is.
            Phase::Note(radio) => {
                self.take_back(&radio);
                self.fail(now);
                Phase::Settle
            }
            Phase::Look(radio) | Phase::Looked(radio, _) => Phase::Looked(radio, ok),
            // It may have had its effect all the same.
            Phase::Down(radio) => Phase::Up(radio),
            Phase::Up(_) if ok => {
                self.ledger.intent = None;
                Phase::Settle
            }
            Phase::Up(radio) => {
                self.fail(now);
                return self.phase = Phase::Up(radio);
            }
            Phase::Settle | Phase::Refresh if ok => {
                self.saved = now;
                Phase::Idle
            }
            writing @ (Phase::Settle | Phase::Refresh) => {
                self.fail(now);
                return self.phase = writing;
            }
        };
        if ok {
            self.failures = 0;
            self.not_before = Duration::ZERO;
        }
    }

    fn fail(&mut self, now: Duration) {
        let wait = self.limits.retry * (1 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        self.not_before = now + wait.min(self.limits.retry_max);
    }
}
