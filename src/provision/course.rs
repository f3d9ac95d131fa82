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

use std::time::Duration;

use tokio::time::Instant;

use super::reach::{Reach, Reached};
use crate::backoff::Backoff;
use crate::clock::Pace;

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
        let not_before = self.not_before.unwrap_or(now);
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

    /// The init server gave nothing that can be used.
    pub(super) fn failed(&mut self, need: Need, now: Instant) {
        let is_first = need == Need::Credentials && self.trial.is_none();
        let wait = match is_first {
            true => self.backoff.next_wait(),
            false => pause(self.pace),
        };
        self.ask_at = Some(now + wait);
    }

    /// The settings that it gives are those there are.
    pub(super) fn nothing_new(&mut self, now: Instant) {
        self.denials = Denials::default();
        self.ask_at = self.trial.map(|_| now + pause(self.pace));
        self.not_before = Some(now + pause(self.pace));
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

    /// The trial is over, whatever came of it.
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

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const BOTH: Reached = Reached {
        broker: true,
        api: true,
    };
    const BROKER: Reached = Reached {
        broker: true,
        api: false,
    };
    const NONE: Reached = Reached {
        broker: false,
        api: false,
    };

    fn course() -> Course {
        Course::new(Duration::from_secs(10), Pace::REAL)
    }

    fn session(number: u64) -> Reach {
        Reach {
            session: Some(number),
            ..Reach::default()
        }
    }

    /// Asks of a course that waits, however long; returns how long that was.
    fn asked(course: &mut Course, need: Need, now: &mut Instant) -> Duration {
        let begun = *now;
        loop {
            match course.next(need, BOTH, *now) {
                Next::Until(at) => *now = at,
                Next::Ask => return *now - begun,
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_device_without_credentials_asks_by_the_one_retry_rule_for_ever() {
        let (mut course, mut now) = (course(), Instant::now());
        for n in 0..100 {
            let wait = asked(&mut course, Need::Credentials, &mut now);
            let bound = 300.min(10.max(1 << n.min(9)));
            assert!(wait <= Duration::from_secs(bound), "{n}: {wait:?}");
            course.failed(Need::Credentials, now);
        }
        assert_eq!(course.next(Need::Nothing, BOTH, now), Next::Rest);
    }

    #[tokio::test(start_paused = true)]
    async fn a_denial_counts_after_three_answers_over_a_quarter_of_an_hour() {
        let start = Instant::now();
        // Answers in minutes, and whether that is enough.
        for (answers, expected) in [
            (&[0, 15][..], false),
            (&[0, 1, 2, 3, 4, 14], false),
            (&[0, 7, 15], true),
            (&[0, 0, 0, 0, 15], true),
        ] {
            let mut course = course();
            let mut reach = Reach::default();
            let mut now = start;
            for minute in answers {
                now = start + *minute * MINUTE;
                reach.denied = reach.denied.wrapping_add(1);
                course.hear(&reach, now);
            }
            let is_due = course.next(Need::Others, BOTH, now) != Next::Rest;
            assert_eq!(is_due, expected, "{answers:?}");
            // What it accepts afterwards clears it.
            reach.accepted = Some(now);
            course.hear(&reach, now);
            assert_eq!(course.next(Need::Others, BOTH, now), Next::Rest);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_storm_of_denials_asks_once_an_hour_at_most_and_never_together() {
        let (mut course, mut now) = (course(), Instant::now());
        let mut reach = Reach::default();
        let end = now + 24 * 60 * MINUTE;
        let mut asked: Vec<Instant> = Vec::new();
        while now < end {
            reach.denied = reach.denied.wrapping_add(1);
            course.hear(&reach, now);
            if course.next(Need::Others, BOTH, now) == Next::Ask {
                asked.push(now);
                course.failed(Need::Others, now);
            }
            now += MINUTE / 2;
        }
        assert!((19..=24).contains(&asked.len()), "{}", asked.len());
        let gaps: Vec<_> = asked.windows(2).map(|two| two[1] - two[0]).collect();
        assert!(gaps.iter().all(|gap| *gap >= 60 * MINUTE), "{gaps:?}");
        assert!(gaps.iter().any(|gap| *gap != gaps[0]), "no jitter");
    }

    #[tokio::test(start_paused = true)]
    async fn settings_hold_when_they_reach_what_those_before_reached() {
        let start = Instant::now();
        let with_api = |reach: Reach, at| Reach {
            accepted: Some(at),
            ..reach
        };
        let later = start + MINUTE;
        for (old, configured, reach, expected) in [
            (BOTH, BOTH, session(2), false),
            (BOTH, BOTH, with_api(session(2), later), true),
            // A report that the settings before brought there.
            (BOTH, BOTH, with_api(session(2), start), false),
            // A session of the settings before.
            (BROKER, BOTH, session(1), false),
            (BROKER, BOTH, session(2), true),
            (BROKER, BOTH, with_api(Reach::default(), later), false),
            // No broker any more: the API has to do.
            (
                BROKER,
                Reached {
                    broker: false,
                    api: true,
                },
                with_api(Reach::default(), later),
                true,
            ),
            (NONE, BOTH, session(2), true),
            (NONE, BOTH, with_api(Reach::default(), later), true),
            (NONE, BOTH, Reach::default(), false),
        ] {
            let mut course = course();
            course.hear(&session(1), start);
            course.begun(old, false, start);
            course.hear(&reach, later);
            let kept = course.next(Need::Others, configured, later) == Next::Keep;
            assert_eq!(kept, expected, "{old:?} {configured:?} {reach:?}");
        }
        let mut course = course();
        course.hear(&session(1), start);
        course.begun(BROKER, true, start);
        assert_eq!(course.next(Need::Others, BOTH, start), Next::Keep);
    }

    #[tokio::test(start_paused = true)]
    async fn settings_that_reach_less_go_after_ten_minutes_if_those_before_worked() {
        let start = Instant::now();
        let end = start + 10 * MINUTE;
        let mut course = course();
        course.hear(&session(1), start);
        let old = course.reached(start);
        assert_eq!(old, BROKER);
        course.begun(old, false, start);
        course.hear(&Reach::default(), start);
        assert!(course.is_trial());
        assert_eq!(course.next(Need::Others, BOTH, start), Next::Until(end));
        assert_eq!(course.next(Need::Others, BOTH, end), Next::Undo);
        course.settled(end);
        // A device without credentials is not thrown from one to the other.
        let mut now = end;
        let wait = asked(&mut course, Need::Credentials, &mut now);
        assert!(wait >= 60 * MINUTE, "{wait:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn settings_that_reach_nothing_stay_if_nothing_was_reached_before_and_are_asked_for_again(
    ) {
        let start = Instant::now();
        let mut course = course();
        course.begun(NONE, false, start);
        let mut now = start + 10 * MINUTE;
        assert!(matches!(
            course.next(Need::Others, BOTH, now),
            Next::Until(_)
        ));
        assert!(course.is_doubtful() && !course.is_trial());
        for _ in 0..3 {
            let wait = asked(&mut course, Need::Others, &mut now);
            assert!((60 * MINUTE..=75 * MINUTE).contains(&wait), "{wait:?}");
            course.failed(Need::Others, now);
        }
        course.hear(&session(1), now);
        assert_eq!(course.next(Need::Others, BOTH, now), Next::Keep);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_was_reached_if_that_was_within_ten_minutes() {
        let start = Instant::now();
        let mut course = course();
        assert_eq!(course.reached(start), NONE);
        course.hear(&session(1), start);
        // It lasted an hour.
        let lost = start + 60 * MINUTE;
        course.hear(&Reach::default(), lost);
        assert_eq!(course.reached(lost + 10 * MINUTE), BROKER);
        assert_eq!(course.reached(lost + 11 * MINUTE), NONE);
    }
}
