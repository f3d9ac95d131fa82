//! Which job ids were seen and what became of them.
//!
//! A state machine without I/O and without a clock: `now` is time since the agent's start.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::outcome::Outcome;

/// Ids the ledger holds.
pub const IDS_MAX: usize = 10_000;

/// How long an id is kept at least after its result was taken.
pub const KEEP: Duration = Duration::from_secs(24 * 3600);

/// Output kept of an outcome that was reported, bytes.
pub const BRIEF: usize = 4096;

/// Output of all outcomes not yet reported, bytes.
pub const UNREPORTED_MAX: usize = 1024 * 1024;

/// Output of all reported outcomes, bytes; beyond it the oldest lose theirs.
const REPORTED_MAX: usize = 1024 * 1024;

/// The ledger can take no more ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no space to record the job")]
pub struct Full;

/// What the ledger knows of an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Never seen.
    New,
    /// Accepted or started; the outcome is still to come.
    Unfinished,
    Finished(Arc<Outcome>),
}

#[derive(Debug)]
enum Phase {
    Accepted,
    Started,
    Unreported(Arc<Outcome>),
    Reported(Arc<Outcome>),
}

/// Ids and outcomes. Every id starts at most once.
#[derive(Debug)]
pub struct Ledger {
    capacity: usize,
    phases: HashMap<Arc<str>, Phase>,
    /// Reported ids, oldest first, with the time they may go from.
    reported: VecDeque<(Duration, Arc<str>)>,
    /// How many at the front of `reported` have lost their output already.
    stripped: usize,
    unreported_bytes: usize,
    reported_bytes: usize,
}

impl Ledger {
    /// A ledger of at most `capacity` ids.
    pub fn new(capacity: usize) -> Self {
        Ledger {
            capacity,
            phases: HashMap::new(),
            reported: VecDeque::new(),
            stripped: 0,
            unreported_bytes: 0,
            reported_bytes: 0,
        }
    }

    pub fn known(&self, id: &str) -> Known {
        match self.phases.get(id) {
            None => Known::New,
            Some(Phase::Accepted | Phase::Started) => Known::Unfinished,
            Some(Phase::Unreported(outcome) | Phase::Reported(outcome)) => {
                Known::Finished(Arc::clone(outcome))
            }
        }
    }

    /// Records a new id. An id already recorded stays as it is.
    pub fn accept(&mut self, id: Arc<str>, now: Duration) -> Result<(), Full> {
        if self.phases.contains_key(&id) {
            return Ok(());
        }
        if self.phases.len() >= self.capacity && !self.forget_one(now) {
            return Err(Full);
        }
        self.phases.insert(id, Phase::Accepted);
        Ok(())
    }

    /// Records the start of an accepted job; false if it may not start (again).
    pub fn start(&mut self, id: &str) -> bool {
        match self.phases.get_mut(id) {
            Some(phase @ Phase::Accepted) => {
                *phase = Phase::Started;
                true
            }
            _ => false,
        }
    }

    /// Records the outcome of a job that was accepted or started, and returns it as recorded: its
    /// output is cut to what the bound on unreported output leaves. A second outcome is ignored.
    pub fn finish(&mut self, id: &str, mut outcome: Outcome) -> Option<Arc<Outcome>> {
        let phase = self.phases.get_mut(id)?;
        if !matches!(phase, Phase::Accepted | Phase::Started) {
            return None;
        }
        outcome.cut(UNREPORTED_MAX - self.unreported_bytes);
        self.unreported_bytes += outcome.output_len();
        let outcome = Arc::new(outcome);
        *phase = Phase::Unreported(Arc::clone(&outcome));
        Some(outcome)
    }

    /// Records that somebody took the outcome; from now on only its start is kept.
    pub fn reported(&mut self, id: &str, now: Duration) {
        let Some((id, _)) = self.phases.get_key_value(id) else {
            return;
        };
        let id = Arc::clone(id);
        let Some(phase) = self.phases.get_mut(&id) else {
            return;
        };
        let Phase::Unreported(outcome) = phase else {
            return;
        };
        self.unreported_bytes -= outcome.output_len();
        let brief = if outcome.output_len() > BRIEF {
            Arc::new(outcome.brief(BRIEF))
        } else {
            Arc::clone(outcome)
        };
        self.reported_bytes += brief.output_len();
        *phase = Phase::Reported(brief);
        self.reported.push_back((now.saturating_add(KEEP), id));
        while self.reported_bytes > REPORTED_MAX {
            self.strip_one();
        }
    }

    /// Takes the output of the oldest reported outcome that still has it.
    fn strip_one(&mut self) {
        let Some((_, id)) = self.reported.get(self.stripped) else {
            return;
        };
        if let Some(Phase::Reported(outcome)) = self.phases.get_mut(id) {
            self.reported_bytes -= outcome.output_len();
            *outcome = Arc::new(outcome.brief(0));
        }
        self.stripped += 1;
    }

    /// Drops the oldest reported id if its time has come.
    fn forget_one(&mut self, now: Duration) -> bool {
        if !matches!(self.reported.front(), Some((from, _)) if *from <= now) {
            return false;
        }
        let Some((_, id)) = self.reported.pop_front() else {
            return false;
        };
        self.stripped = self.stripped.saturating_sub(1);
        if let Some(Phase::Reported(outcome)) = self.phases.remove(&id) {
            self.reported_bytes -= outcome.output_len();
        }
        true
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger::new(IDS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::End;
    use super::*;

    const T0: Duration = Duration::ZERO;

    fn printed(bytes: usize) -> Outcome {
        Outcome {
            stdout: "x".repeat(bytes),
            ..Outcome::without_command(End::Processed, "", None)
        }
    }

    fn done(ledger: &mut Ledger, id: &str, bytes: usize) -> Arc<Outcome> {
        ledger.accept(id.into(), T0).unwrap();
        assert!(ledger.start(id));
        ledger.finish(id, printed(bytes)).unwrap()
    }

    #[test]
    fn an_id_starts_at_most_once() {
        let mut ledger = Ledger::default();
        assert!(!ledger.start("a"));
        ledger.accept("a".into(), T0).unwrap();
        assert_eq!(ledger.known("a"), Known::Unfinished);
        assert!(ledger.start("a"));
        assert!(!ledger.start("a"));
        ledger.accept("a".into(), T0).unwrap();
        assert!(!ledger.start("a"));
        ledger.finish("a", printed(1)).unwrap();
        assert!(!ledger.start("a"));
        assert!(ledger.finish("a", printed(2)).is_none());
        ledger.reported("a", T0);
        assert!(!ledger.start("a"));
        assert_eq!(ledger.known("a"), Known::Finished(Arc::new(printed(1))));
    }

    #[test]
    fn the_whole_outcome_is_kept_until_reported_then_its_start() {
        let mut ledger = Ledger::default();
        done(&mut ledger, "a", 10_000);
        let Known::Finished(outcome) = ledger.known("a") else {
            panic!("no outcome");
        };
        assert_eq!((outcome.stdout.len(), outcome.truncated), (10_000, false));
        ledger.reported("a", T0);
        let Known::Finished(outcome) = ledger.known("a") else {
            panic!("no outcome");
        };
        assert_eq!((outcome.stdout.len(), outcome.truncated), (BRIEF, true));
    }

    #[test]
    fn a_full_ledger_takes_an_id_again_24_hours_after_a_report() {
        let mut ledger = Ledger::new(2);
        done(&mut ledger, "a", 1);
        done(&mut ledger, "b", 1);
        assert_eq!(ledger.accept("c".into(), KEEP * 9), Err(Full));
        ledger.reported("a", T0);
        assert_eq!(
            ledger.accept("c".into(), KEEP - Duration::from_secs(1)),
            Err(Full)
        );
        ledger.accept("c".into(), KEEP).unwrap();
        assert_eq!(ledger.known("a"), Known::New);
        assert_eq!(ledger.known("c"), Known::Unfinished);
    }

    #[test]
    fn unreported_output_is_bounded_and_says_what_it_lost() {
        let mut ledger = Ledger::default();
        let first = done(&mut ledger, "a", UNREPORTED_MAX - 10);
        assert!(!first.truncated);
        let second = done(&mut ledger, "b", 100);
        assert_eq!((second.stdout.len(), second.truncated), (10, true));
        ledger.reported("a", T0);
        assert!(!done(&mut ledger, "c", 1000).truncated);
    }

    #[test]
    fn ten_thousand_outcomes_do_not_fill_the_memory() {
        let mut ledger = Ledger::default();
        for n in 0..IDS_MAX {
            let id = n.to_string();
            done(&mut ledger, &id, BRIEF);
            ledger.reported(&id, T0);
            assert!(ledger.reported_bytes <= REPORTED_MAX);
        }
        assert_eq!(ledger.unreported_bytes, 0);
        let Known::Finished(oldest) = ledger.known("0") else {
            panic!("no outcome");
        };
        assert!(oldest.success && oldest.truncated && oldest.stdout.is_empty());
        let Known::Finished(newest) = ledger.known("9999") else {
            panic!("no outcome");
        };
        assert_eq!(newest.stdout.len(), BRIEF);
    }

    proptest::proptest! {
        #[test]
        fn no_order_of_events_starts_an_id_twice(
            events in proptest::collection::vec((0u8..5, 0u8..4, 0u64..200_000), 0..300)
        ) {
            let mut ledger = Ledger::new(3);
            let mut starts = HashMap::new();
            let mut forgotten_from = HashMap::new();
            let mut now = T0;
            for (event, id, later) in events {
                now += Duration::from_secs(later);
                let name = id.to_string();
                match event {
                    0 => {
                        let new = ledger.known(&name) == Known::New;
                        if new && forgotten_from.get(&id).is_some_and(|from| *from <= now) {
                            starts.remove(&id);
                        }
                        let _ = ledger.accept(name.as_str().into(), now);
                    }
                    1 => {
                        if ledger.start(&name) {
                            let count = starts.entry(id).or_insert(0);
                            *count += 1;
                            assert_eq!(*count, 1);
                        }
                    }
                    2 => {
                        ledger.finish(&name, printed(usize::from(id) * 600_000));
                    }
                    _ => {
                        if let Some(Phase::Unreported(_)) = ledger.phases.get(name.as_str()) {
                            forgotten_from.insert(id, now + KEEP);
                        }
                        ledger.reported(&name, now);
                    }
                }
                assert!(ledger.phases.len() <= 3);
                assert!(ledger.unreported_bytes <= UNREPORTED_MAX);
                assert!(ledger.reported_bytes <= REPORTED_MAX);
            }
        }
    }
}
