//! Reports that the server refuses one by one, and the evidence that they are at fault.
//!
//! ```text
//!  refused alone ──► suspect ──another accepted──► set aside ──2 h──► sent again ─┐
//!                       │                             ▲                           │
//!                       └──anything fails──► back     └───────refused alone───────┘
//! ```
//!
//! A refusal counts when the server that refused the report accepts another one after it, before
//! anything fails. What it accepted earlier says nothing: it may have become wrong since. A report is
//! given up when [`TIMES`] refusals over [`OVER`] count; until then it is kept, and a restart of the part
//! begins to count again.

use std::time::Duration;

use spool::ReportId;
use tokio::time::Instant;

use crate::process::clock::Pace;

/// Time until a report that was refused is sent again.
const AGAIN: Duration = Duration::from_secs(2 * 3600);

/// Refusals that have to count before a report is given up.
const TIMES: u32 = 3;

/// Least time between the first and the last of them.
const OVER: Duration = Duration::from_secs(6 * 3600);

/// Reports that are set aside at once; with more the server refuses the format in general.
const MAX: usize = 256;

/// Reports that were refused alone, and how often that counts.
#[derive(Debug)]
pub(super) struct Refusals {
    pace: Pace,
    cases: Vec<Case>,
}

#[derive(Debug)]
struct Case {
    report: ReportId,
    /// Host that refused it.
    by: String,
    /// Refusals that count, and when the first of them was.
    counted: u32,
    first: Option<Instant>,
    /// The newest refusal.
    last: Instant,
    /// Nothing was accepted after the newest refusal, and nothing failed.
    is_open: bool,
    /// When it is sent again.
    due: Instant,
}

/// Changes that an accepted report brings about.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Judged {
    /// Reports whose first refusal counts now.
    pub(super) set_aside: usize,
    pub(super) given_up: Vec<ReportId>,
}

impl Refusals {
    pub(super) fn new(pace: Pace) -> Self {
        Refusals {
            pace,
            cases: Vec::new(),
        }
    }

    /// Notes that `by` refused `report` alone.
    pub(super) fn refused(&mut self, report: &ReportId, by: &str, now: Instant) {
        let due = now + self.pace.of(AGAIN);
        let known = self.cases.iter_mut().find(|case| case.report == *report);
        match known {
            Some(case) => {
                if case.by != by {
                    // One server is no witness for another.
                    by.clone_into(&mut case.by);
                    (case.counted, case.first) = (0, None);
                }
                (case.last, case.due, case.is_open) = (now, due, true);
            }
            None => self.cases.push(Case {
                report: report.clone(),
                by: by.to_owned(),
                counted: 0,
                first: None,
                last: now,
                is_open: true,
                due,
            }),
        }
    }

    /// Reports that were refused while nothing else has been accepted since, and never counted before.
    pub(super) fn suspects(&self) -> usize {
        self.cases.iter().filter(|case| case.is_suspect()).count()
    }

    /// True if no more reports can be set aside.
    pub(super) fn is_full(&self) -> bool {
        self.cases.len() >= MAX
    }

    /// `by` accepted a batch that begins with `report`.
    pub(super) fn accepted(&mut self, report: &ReportId, by: &str, now: Instant) -> Judged {
        let before = self.cases.len();
        self.cases.retain(|case| case.report != *report);
        if self.cases.len() < before {
            // The server takes what it refused: the others may be accepted too.
            self.cases.iter_mut().for_each(|case| case.due = now);
        }
        let mut judged = Judged::default();
        let over = self.pace.of(OVER);
        self.cases.retain_mut(|case| {
            if !case.is_open || case.by != by {
                return true;
            }
            case.is_open = false;
            case.counted += 1;
            judged.set_aside += usize::from(case.counted == 1);
            let first = *case.first.get_or_insert(case.last);
            let is_proven = case.counted >= TIMES && case.last - first >= over;
            if is_proven {
                judged.given_up.push(case.report.clone());
            }
            !is_proven
        });
        judged
    }

    /// Something failed: no refusal without an acceptance after it counts. Returns the suspects, which
    /// are forgotten and have to go back to their place.
    pub(super) fn failed(&mut self) -> Vec<ReportId> {
        let mut suspects = Vec::new();
        self.cases.retain_mut(|case| {
            let is_suspect = case.is_suspect();
            if is_suspect {
                suspects.push(case.report.clone());
            }
            case.is_open = false;
            !is_suspect
        });
        suspects
    }

    /// A report to send again now.
    pub(super) fn due(&self, now: Instant) -> Option<ReportId> {
        let due = self.cases.iter().filter(|case| !case.is_open);
        let due = due
            .filter(|case| case.due <= now)
            .min_by_key(|case| case.due);
        due.map(|case| case.report.clone())
    }

    /// Sending `report` again told nothing about it: it waits for its next turn.
    pub(super) fn put_off(&mut self, report: &ReportId, now: Instant) {
        let due = now + self.pace.of(AGAIN);
        let mut cases = self.cases.iter_mut();
        if let Some(case) = cases.find(|case| case.report == *report) {
            case.due = due;
        }
    }

    /// Forgets a report that has left the spool.
    pub(super) fn forget(&mut self, report: &ReportId) {
        self.cases.retain(|case| case.report != *report);
    }
}

impl Case {
    fn is_suspect(&self) -> bool {
        self.is_open && self.counted == 0
    }
}

/// A search for the report that is at fault.
pub(super) struct Narrow {
    pub(super) bytes: u64,
    /// The first half was accepted, so the other has it.
    pub(super) is_second: bool,
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn report(seq: u64) -> ReportId {
        ReportId::new("boot", seq)
    }

    fn refusals() -> Refusals {
        Refusals::new(Pace::REAL)
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_is_given_up_after_refusals_over_six_hours_each_before_an_acceptance() {
        let mut refusals = refusals();
        for turn in 0..4 {
            refusals.refused(&report(1), "a", Instant::now());
            assert_eq!(refusals.suspects(), usize::from(turn == 0));
            let judged = refusals.accepted(&report(100 + turn), "a", Instant::now());
            assert_eq!(judged.set_aside, usize::from(turn == 0));
            let given_up: &[ReportId] = if turn == 3 { &[report(1)] } else { &[] };
            assert_eq!(judged.given_up, given_up);
            advance(2 * HOUR - Duration::from_secs(1)).await;
            assert_eq!(refusals.due(Instant::now()), None, "turn {turn}");
            advance(Duration::from_secs(1)).await;
            assert_eq!(refusals.due(Instant::now()), (turn < 3).then(|| report(1)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_that_nothing_accepted_follows_count_for_nothing() {
        let mut refusals = refusals();
        for _ in 0..100 {
            refusals.refused(&report(1), "a", Instant::now());
            assert_eq!(refusals.failed(), [report(1)]);
            let judged = refusals.accepted(&report(2), "a", Instant::now());
            assert_eq!(judged, Judged::default());
            advance(2 * HOUR).await;
        }
        // One that was set aside before stays aside.
        refusals.refused(&report(1), "a", Instant::now());
        refusals.accepted(&report(2), "a", Instant::now());
        for _ in 0..100 {
            advance(2 * HOUR).await;
            assert_eq!(refusals.due(Instant::now()), Some(report(1)));
            refusals.refused(&report(1), "a", Instant::now());
            assert_eq!(refusals.failed(), []);
            assert_eq!(
                refusals.accepted(&report(2), "a", Instant::now()),
                Judged::default()
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_server_is_no_witness_for_another() {
        let mut refusals = refusals();
        for turn in 0..20 {
            let by = ["a", "b"][turn % 2];
            refusals.refused(&report(1), by, Instant::now());
            let other = ["b", "a"][turn % 2];
            assert_eq!(
                refusals.accepted(&report(2), other, Instant::now()),
                Judged::default()
            );
            assert_eq!(
                refusals.accepted(&report(3), by, Instant::now()).given_up,
                []
            );
            advance(2 * HOUR).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_accepted_after_all_brings_the_others_forward() {
        let mut refusals = refusals();
        for seq in [1, 2, 3] {
            refusals.refused(&report(seq), "a", Instant::now());
        }
        assert_eq!(
            refusals.accepted(&report(9), "a", Instant::now()).set_aside,
            3
        );
        assert_eq!(refusals.due(Instant::now()), None);
        refusals.accepted(&report(2), "a", Instant::now());
        assert_eq!(refusals.due(Instant::now()), Some(report(1)));
        refusals.put_off(&report(1), Instant::now());
        assert_eq!(refusals.due(Instant::now()), Some(report(3)));
        refusals.forget(&report(3));
        assert_eq!(refusals.due(Instant::now()), None);
    }
}
