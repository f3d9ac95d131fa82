//! The course of first contact: when to ask the init server, and what becomes of the settings it gave. Pure: no I/O, no clock of its own.
//!
//! ```text
//!            no credentials: at once, then by the one retry rule
//!            denied by the API: 3 answers over 15 min; once an hour
//!   idle ──────────────────────────────► ask ──settings──► trial ──reached──► idle (done)
//!    ▲                                    │ ▲                │
//!    └──────────── no settings ───────────┘ │                ├─ 10 min, the old ones worked ──► undo ──► idle
//!                                           │                │
//!                                           └── an hour ── doubtful: 10 min, nothing worked before either
//! ```

#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;

use super::reach::{Reach, Reached};
use crate::process::backoff::Backoff;
use crate::process::clock::Pace;

/// Time in which new settings have to reach the servers that the old ones reached, and in which those must have been
/// reached.
const TRIAL: Duration = Duration::from_secs(600);

/// An API has denied us if it said so this often …
const DENIALS: u32 = 3;

/// … over this time at least.
const DENIED_FOR: Duration = Duration::from_secs(900);

/// After a denial, and after settings that failed, the init server is asked no sooner than this.
const PAUSE: Duration = Duration::from_secs(3600);

/// Why the init server is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// The server is not asked, or cannot be.
    Nothing,
    /// The device has no credentials.
    Credentials,
    /// The device has credentials; others are needed if the API denies it.
    Others,
}

/// The next thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing until something changes.
    Rest,
    /// Nothing until then.
    Until(Instant),
    Ask,
    /// The settings hold.
    Keep,
    /// The settings before are to be put back.
    Undo,
}

/// Settings that have to prove themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trial {
    /// The servers that the settings before reached.
    old: Reached,
    since: Instant,
    /// A session with the broker that was made with the settings before, and proves nothing.
    stale: Option<u64>,
    /// Nothing was reached in time, nor before.
    is_doubtful: bool,
}

/// The state of the matter.
#[derive(Debug)]
pub(super) struct Course {
    pace: Pace,
    backoff: Backoff,
    trial: Option<Trial>,
    /// When the server is asked next.
    ask_at: Option<Instant>,
    not_before: Option<Instant>,
    /// The same for a device that has credentials.
    others_not_before: Option<Instant>,
    /// That of the newest look.
    need: Need,
    denials: Denials,
    heard: Reach,
    /// When the servers were last reached with the settings of now.
    broker_at: Option<Instant>,
    api_at: Option<Instant>,
}

/// Answers 401 and 403 since the API last accepted something.
#[derive(Debug, Default)]
struct Denials {
    count: u32,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Course {
    pub(super) fn new(spread: Duration, pace: Pace) -> Self {
        Course {
            pace,
            backoff: Backoff::new(spread, pace),
            trial: None,
            ask_at: None,
            not_before: None,
            others_not_before: None,
            need: Need::Nothing,
            denials: Denials::default(),
            heard: Reach::default(),
            broker_at: None,
            api_at: None,
        }
    }

    /// Takes note of what the servers do.
    pub(super) fn hear(&mut self, reach: &Reach, now: Instant) {
        // Unchanged until now, a session lasted until now.
        if self.heard.session.or(reach.session).is_some() {
            self.broker_at = Some(now);
        }
        if reach.accepted.is_some() && reach.accepted != self.heard.accepted {
            self.api_at = reach.accepted;
            self.denials = Denials::default();
        }
        let denied = reach.denied.wrapping_sub(self.heard.denied);
        if denied > 0 {
            self.denials.count = self.denials.count.saturating_add(denied);
            self.denials.first.get_or_insert(now);
            self.denials.last = Some(now);
        }
        self.heard = reach.clone();
    }

    /// The servers that were reached with the settings of now, of late.
    pub(super) fn reached(&self, now: Instant) -> Reached {
        let within = self.pace.of(TRIAL);
        let is_recent = |at: Option<Instant>| at.is_some_and(|at| at + within >= now);
        Reached {
            broker: self.heard.session.is_some() || is_recent(self.broker_at),
            api: is_recent(self.api_at),
        }
    }

    /// The thing to do at `now`, if the settings name the servers `configured`.
    pub(super) fn next(&mut self, need: Need, configured: Reached, now: Instant) -> Next {
        let before = std::mem::replace(&mut self.need, need);
        let is_lost = (before, need) == (Need::Others, Need::Credentials);
        if is_lost && self.trial.is_none() {
            self.ask_at = None;
        }
        if let Some(trial) = &mut self.trial {
            let until = trial.since + self.pace.of(TRIAL);
            if trial.works(&self.heard, configured) {
                return Next::Keep;
            }
            if !trial.is_doubtful {
                if now < until {
                    return Next::Until(until);
                }
                if trial.old.any() {
                    return Next::Undo;
                }
                trial.is_doubtful = true;
                self.ask_at = Some(now + pause(self.pace));
            }
            if need == Need::Nothing {
                return Next::Rest;
            }
        } else if !self.is_due(need) {
            self.ask_at = None;
            return Next::Rest;
        }
        let of_others = self.others_not_before.filter(|_| need == Need::Others);
        let not_before = self.not_before.max(of_others).unwrap_or(now);
        let backoff = &mut self.backoff;
        let at = *self
            .ask_at
            .get_or_insert_with(|| not_before.max(now) + backoff.next_wait());
        match at <= now {
            true => Next::Ask,
            false => Next::Until(at),
        }
    }

    fn is_due(&self, need: Need) -> bool {
        match need {
            Need::Nothing => false,
            Need::Credentials => true,
            Need::Others => self.denials.are_enough(self.pace),
        }
    }

    /// The init server gave nothing that can be used, or nothing became of it.
    pub(super) fn failed(&mut self, need: Need, now: Instant) {
        let is_first = need == Need::Credentials && self.trial.is_none();
        if is_first {
            self.ask_at = Some(now + self.backoff.next_wait());
        } else {
            let at = now + pause(self.pace);
            self.ask_at = Some(at);
            // That holds if an answer of the API clears the denials and others follow.
            self.rest_until(at, need);
        }
    }

    /// Keeps a device with this `need` from asking before `at`. If it loses its credentials afterwards, it asks all the same.
    fn rest_until(&mut self, at: Instant, need: Need) {
        match need {
            Need::Others => self.others_not_before = Some(at),
            Need::Nothing | Need::Credentials => self.not_before = Some(at),
        }
    }

    /// The settings that it gives are those there are.
    pub(super) fn nothing_new(&mut self, now: Instant) {
        self.denials = Denials::default();
        self.ask_at = self.trial.map(|_| now + pause(self.pace));
        self.rest_until(now + pause(self.pace), self.need);
    }

    /// Notes that the server's settings are in force from `now` on. `old` is what those before reached, `keeps_session` whether a session
    /// with the broker lasts through the change.
    pub(super) fn begun(&mut self, old: Reached, keeps_session: bool, now: Instant) {
        let session = self.heard.session;
        self.trial = Some(Trial {
            old,
            since: now,
            stale: session.filter(|_| !keeps_session),
            is_doubtful: false,
        });
        self.ask_at = None;
        self.denials = Denials::default();
        (self.broker_at, self.api_at) = (None, None);
    }

    /// The trial is over, with any result.
    pub(super) fn settled(&mut self, now: Instant) {
        self.trial = None;
        self.ask_at = None;
        self.backoff.reset();
        self.wait_from(now);
    }

    /// Something was tried at `then`: the next time is an hour later.
    pub(super) fn wait_from(&mut self, then: Instant) {
        self.not_before = Some(then + pause(self.pace));
    }

    /// True while the broker is waited for.
    pub(super) fn is_trial(&self) -> bool {
        self.trial.is_some_and(|trial| !trial.is_doubtful)
    }

    /// True if the settings that were given reach nothing, and nothing better is known.
    pub(super) fn is_doubtful(&self) -> bool {
        self.trial.is_some_and(|trial| trial.is_doubtful)
    }
}

impl Trial {
    fn works(&self, reach: &Reach, configured: Reached) -> bool {
        let reached = Reached {
            broker: reach.session.is_some() && reach.session != self.stale,
            api: reach.accepted.is_some_and(|at| at > self.since),
        };
        let wanted = self.old.and(configured);
        match wanted.any() {
            true => wanted.is_within(reached),
            // Nothing to compare with: any server will do.
            false => reached.and(configured).any(),
        }
    }
}

impl Denials {
    fn are_enough(&self, pace: Pace) -> bool {
        let lasted = self.first.zip(self.last);
        let lasted = lasted.is_some_and(|(first, last)| last - first >= pace.of(DENIED_FOR));
        self.count >= DENIALS && lasted
    }
}

/// An hour, and up to a quarter of one.
fn pause(pace: Pace) -> Duration {
    pace.of(PAUSE.mul_f64(1.0 + fastrand::f64() / 4.0))
}
