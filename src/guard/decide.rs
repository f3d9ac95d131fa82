//! Keep or undo, and what follows: decisions from evidence and time alone.
//!
//! ```text
//!  ended ─► Verify ─ reached ─► Keep
//!              └ time over ─► Undo ─► Told ─ reached ────────────────► Back
//!                                      └ 30 s ─► Restart ─ reached ──► Back
//!                                                   └ 60 s ─► Reboot ─ 180 s ─► Lost
//! ```

use std::time::Duration;

use tokio::time::Instant;

use crate::process::clock::Pace;

/// Evidence counts from this long after a change on: programs take it up a moment later, and the way out
/// works until then.
const SETTLE: Duration = Duration::from_secs(10);

/// After the files are back, until services are restarted.
const TOLD: Duration = Duration::from_secs(30);

/// After they were restarted, until the reboot.
const RESTARTED: Duration = Duration::from_secs(60);

/// Longest wait for a reboot that was asked for.
const REBOOTED: Duration = Duration::from_secs(180);

/// The reach of the device before the command, which it has to regain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// The code of health.
    pub code: u8,
    pub broker: bool,
}

/// Signs that the device reaches others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evidence {
    /// When the newest question was sent that the broker has answered, in a session that lives.
    pub broker: Option<Instant>,
    /// When the API last accepted something.
    pub api: Option<Instant>,
    /// When the newest full probe that has ended began, and its code.
    pub probe: Option<(Instant, u8)>,
}

impl Needs {
    /// Is everything reached again, by evidence from `since` on?
    pub fn are_met(&self, evidence: &Evidence, since: Instant) -> bool {
        let is_new = |at: Option<Instant>| at.is_some_and(|at| at >= since);
        let probe = evidence.probe;
        let reaches = |(_, code): (Instant, u8)| code >= self.code;
        match is_new(evidence.broker) {
            true => true,
            false if self.broker => false,
            false => {
                is_new(evidence.api) || probe.is_some_and(reaches) && is_new(probe.map(|p| p.0))
            }
        }
    }
}

/// The next action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Look again when there is new evidence, at this time at the latest.
    Wait(Instant),
    Keep,
    Undo,
    /// Restart network, firewall and dnsmasq.
    Restart,
    Reboot,
    /// Undone, and the device is back.
    Back,
    /// Undone, and nothing brought it back.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Verify,
    Told,
    Restarted,
    Rebooting,
}

/// A change on trial.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    needs: Needs,
    pace: Pace,
    stage: Stage,
    since: Instant,
    until: Instant,
}

impl Trial {
    /// The command has ended; everything has to be reached again within `timeout`.
    pub fn verify(needs: Needs, timeout: Duration, pace: Pace, now: Instant) -> Self {
        let mut trial = Trial {
            needs,
            pace,
            stage: Stage::Verify,
            since: now,
            until: now,
        };
        trial.enter(Stage::Verify, timeout, now);
        trial
    }

    /// The files are back, and the services have reloaded.
    pub fn told(needs: Needs, pace: Pace, now: Instant) -> Self {
        let mut trial = Trial::verify(needs, TOLD, pace, now);
        trial.stage = Stage::Told;
        trial
    }

    /// The services were restarted.
    pub fn restarted(&mut self, now: Instant) {
        self.enter(Stage::Restarted, RESTARTED, now);
    }

    /// A reboot was asked for.
    pub fn rebooting(&mut self, now: Instant) {
        self.enter(Stage::Rebooting, REBOOTED, now);
    }

    fn enter(&mut self, stage: Stage, lasts: Duration, now: Instant) {
        self.stage = stage;
        self.since = now + self.pace.of(SETTLE);
        self.until = now + self.pace.of(lasts);
    }

    /// From when on evidence counts.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// When the stage is over.
    pub fn until(&self) -> Instant {
        self.until
    }

    pub fn next(&self, evidence: &Evidence, now: Instant) -> Next {
        let is_met = self.needs.are_met(evidence, self.since);
        match (self.stage, is_met, now >= self.until) {
            (Stage::Rebooting, _, true) => Next::Lost,
            (Stage::Rebooting, _, false) => Next::Wait(self.until),
            (Stage::Verify, true, _) => Next::Keep,
            (Stage::Told | Stage::Restarted, true, _) => Next::Back,
            (Stage::Verify, false, true) => Next::Undo,
            (Stage::Told, false, true) => Next::Restart,
            (Stage::Restarted, false, true) => Next::Reboot,
            (_, false, false) => Next::Wait(self.until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);
    const TIMEOUT: Duration = Duration::from_secs(120);

    fn needs(code: u8, broker: bool) -> Needs {
        Needs { code, broker }
    }

    #[tokio::test(start_paused = true)]
    async fn only_evidence_that_is_newer_than_the_command_counts() {
        let end = Instant::now() + 100 * S;
        let since = end + SETTLE;
        for (at, counts) in [(end, false), (end + 9 * S, false), (since, true)] {
            let broker = Evidence {
                broker: Some(at),
                ..Evidence::default()
            };
            let api = Evidence {
                api: Some(at),
                ..Evidence::default()
            };
            let probe = |code| Evidence {
                probe: Some((at, code)),
                ..Evidence::default()
            };
            assert_eq!(needs(9, true).are_met(&broker, since), counts);
            assert_eq!(needs(9, false).are_met(&broker, since), counts);
            // The broker was there, nothing else makes up for it.
            assert!(!needs(9, true).are_met(&api, since));
            assert!(!needs(4, true).are_met(&probe(9), since));
            assert_eq!(needs(9, false).are_met(&api, since), counts);
            assert_eq!(needs(4, false).are_met(&probe(4), since), counts);
            assert!(!needs(6, false).are_met(&probe(4), since));
            assert_eq!(needs(0, false).are_met(&probe(0), since), counts);
        }
        assert!(!needs(0, false).are_met(&Evidence::default(), since));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_reached_in_time_is_undone_restarted_and_rebooted_once() {
        let start = Instant::now();
        let none = Evidence::default();
        let trial = Trial::verify(needs(9, true), TIMEOUT, Pace::REAL, start);
        let end = start + TIMEOUT;
        assert_eq!(trial.next(&none, end - S), Next::Wait(end));
        assert_eq!(trial.next(&none, end), Next::Undo);
        let mut trial = Trial::told(needs(9, true), Pace::REAL, end);
        assert_eq!(trial.next(&none, end), Next::Wait(end + TOLD));
        assert_eq!(trial.next(&none, end + TOLD), Next::Restart);
        let restarted = end + TOLD;
        trial.restarted(restarted);
        assert_eq!(
            trial.next(&none, restarted + 59 * S),
            Next::Wait(restarted + RESTARTED)
        );
        assert_eq!(trial.next(&none, restarted + 60 * S), Next::Reboot);
        let rebooting = restarted + RESTARTED;
        trial.rebooting(rebooting);
        assert_eq!(
            trial.next(&none, rebooting),
            Next::Wait(rebooting + REBOOTED)
        );
        assert_eq!(trial.next(&none, rebooting + REBOOTED), Next::Lost);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_reached_is_kept_or_back_at_once() {
        let start = Instant::now();
        let there = |at| Evidence {
            broker: Some(at),
            ..Evidence::default()
        };
        let mut trial = Trial::verify(needs(9, true), TIMEOUT, Pace::REAL, start);
        let later = start + 11 * S;
        assert_eq!(
            trial.next(&there(start), later),
            Next::Wait(start + TIMEOUT)
        );
        assert_eq!(trial.next(&there(later), later), Next::Keep);
        // At the last moment, too.
        assert_eq!(trial.next(&there(later), start + TIMEOUT), Next::Keep);
        trial = Trial::told(needs(9, true), Pace::REAL, start);
        assert_eq!(trial.next(&there(later), later), Next::Back);
        trial.restarted(later);
        assert_eq!(
            trial.next(&there(later), later + S),
            Next::Wait(later + RESTARTED)
        );
        assert_eq!(
            trial.next(&there(later + 12 * S), later + 12 * S),
            Next::Back
        );
    }
}
