//! The pace at which a backlog leaves the devices of a fleet.
//!
//! Devices that lost their server together come back to it together, each with a backlog. If each sent it at once, the
//! server would get hours of reports in minutes. So a backlog leaves in turns: one every [`TURN`] heartbeats, with as many
//! reports as are collected in [`SHARE`] heartbeats, the first at a random moment of the first turn. In between the
//! newest report goes ahead, once a heartbeat.
//!
//! ```text
//! heartbeat  │     1     │     2     │     3     │     4     │     5     │
//! normal     │ ████      │ ████      │ ████      │ ████      │ ████      │
//! behind     │ █         │ █ ██ … ██ │ █         │ █         │ █         │
//! ```
//!
//! That is five requests where four are normal, and 1.75 times the reports: the four newest, and the turn's. The backlog of
//! an outage is gone after 4/3 of the outage's time, or sooner if it was thinned.
//!
//! A fleet is where `spread` is a heartbeat or more. With less, and when a person asks for a delivery, all goes at once.

use std::time::Duration;

use tokio::time::Instant;

use super::Settings;

/// Heartbeats between two turns of a backlog.
const TURN: u32 = 4;

/// Heartbeats whose reports go in a turn.
const SHARE: usize = 6;

/// Heartbeats whose reports are no backlog: they go at once.
const AT_ONCE: usize = 2;

/// Decides when a backlog goes, and how much of it.
#[derive(Debug)]
pub(super) struct Drain {
    /// `None` if all goes at once.
    turn: Option<Duration>,
    /// Reports collected in a heartbeat.
    usual: usize,
    /// When the next turn begins; `None` without a backlog, or while the server takes nothing.
    due: Option<Instant>,
    /// Reports that may still go in this turn.
    left: usize,
    /// All goes at once in this round.
    is_open: bool,
    /// A turn was used up in this round.
    is_spent: bool,
}

impl Drain {
    pub(super) fn new(settings: &Settings) -> Self {
        let (heartbeat, monitor) = (settings.upload.heartbeat, settings.monitor);
        let usual = heartbeat.as_millis().div_ceil(monitor.as_millis().max(1));
        let is_fleet = settings.spread >= heartbeat;
        Drain {
            turn: is_fleet.then(|| settings.pace.of(heartbeat) * TURN),
            usual: usize::try_from(usual).unwrap_or(usize::MAX / SHARE).max(1),
            due: None,
            left: 0,
            is_open: false,
            is_spent: false,
        }
    }

    /// A round begins; all goes at once in it if a person asked for it.
    pub(super) fn begin(&mut self, asked: bool) {
        (self.is_open, self.is_spent) = (asked, false);
    }

    /// Reports in the next request at most: what is more is a backlog.
    pub(super) fn most(&self, now: Instant) -> usize {
        if self.turn.is_none() || self.is_open {
            return usize::MAX;
        }
        let is_turn = self.due.is_some_and(|due| due <= now);
        match self.left {
            0 if is_turn => SHARE * self.usual,
            left => left.max(AT_ONCE * self.usual),
        }
    }

    /// True if some of the backlog goes now.
    pub(super) fn may_go(&mut self, now: Instant) -> bool {
        let Some(turn) = self.turn.filter(|_| !self.is_open) else {
            return true;
        };
        let due = *self
            .due
            .get_or_insert_with(|| now + turn.mul_f64(fastrand::f64()));
        if self.left == 0 && due <= now {
            self.left = SHARE * self.usual;
            // Turns that were missed are not made up for.
            self.due = Some(now.max(due + turn));
        }
        self.left > 0
    }

    /// So many reports of the backlog were accepted.
    pub(super) fn sent(&mut self, reports: u64) {
        let had = self.left;
        self.left = had.saturating_sub(usize::try_from(reports).unwrap_or(usize::MAX));
        self.is_spent |= had > 0 && self.left == 0;
    }

    /// True if no more of the backlog goes in this round, not even a small rest: a fleet's devices come to the end of
    /// theirs at about the same time.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// There is no backlog, or the server takes nothing: the next turn is drawn again.
    pub(super) fn over(&mut self) {
        (self.due, self.left) = (None, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const BEAT: Duration = Duration::from_secs(60);

    fn drain(spread: u64) -> Drain {
        Drain::new(&Settings::from(&Config::default().with(|config| {
            config.upload.heartbeat = BEAT;
            config.collect.monitor = Duration::from_secs(15);
            config.spread = Duration::from_secs(spread);
        })))
    }

    #[test]
    fn a_backlog_leaves_a_device_of_a_fleet_in_turns_of_six_heartbeats_every_four() {
        let begin = Instant::now();
        let mut drain = drain(240);
        let mut turns = Vec::new();
        for beat in 0..40 {
            let now = begin + beat * BEAT;
            drain.begin(false);
            let most = drain.most(now);
            if drain.may_go(now) {
                assert_eq!(most, 24, "beat {beat}");
                turns.push(beat);
                // In two requests.
                drain.sent(20);
                assert!(drain.may_go(now));
                assert!(!drain.is_spent());
                drain.sent(4);
                assert!(drain.is_spent());
            } else {
                assert_eq!(most, 8, "beat {beat}");
            }
            assert!(!drain.may_go(now));
        }
        assert!(turns[0] <= 4, "{turns:?}");
        assert!(
            turns.windows(2).all(|two| two[1] - two[0] == 4),
            "{turns:?}"
        );
    }

    #[test]
    fn after_an_outage_the_turns_of_a_fleet_are_spread_over_four_heartbeats() {
        let begin = Instant::now();
        let mut per_beat = [0; 4];
        for _ in 0..4000 {
            let mut drain = drain(240);
            // Turns of before the outage say nothing.
            drain.may_go(begin);
            drain.over();
            let beat = (0..5)
                .find(|beat| drain.may_go(begin + *beat * BEAT))
                .unwrap();
            per_beat[beat.max(1) as usize - 1] += 1;
        }
        assert!(
            per_beat.iter().all(|count| (850..1150).contains(count)),
            "{per_beat:?}"
        );
    }

    #[test]
    fn all_goes_at_once_where_there_is_no_fleet_and_when_a_person_asks() {
        let now = Instant::now();
        let mut alone = drain(59);
        assert!(alone.may_go(now));
        assert_eq!(alone.most(now), usize::MAX);
        let mut asked = drain(240);
        asked.begin(true);
        assert!(asked.may_go(now));
        assert_eq!(asked.most(now), usize::MAX);
        asked.begin(false);
        assert_eq!(asked.most(now), 8);
    }
}
