//! Ids of jobs that were reported some time ago: 24 bytes each, so that 10,000 of them fit in 240 KB.

use super::key::Key;
use crate::jobs::outcome::{End, Outcome};

/// Ids for which room is made at once.
const GROWTH: usize = 512;

/// The end of a job, in a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Processed, and [`Id::exit`] is its exit code.
    Exited,
    /// Processed, and [`Id::exit`] is the signal that ended it.
    Killed,
    /// Processed with success without a command.
    Succeeded,
    /// Processed without success and without an exit code.
    Failed,
    Rejected,
    Interrupted,
}

const VERDICTS: [Verdict; 6] = [
    Verdict::Exited,
    Verdict::Killed,
    Verdict::Succeeded,
    Verdict::Failed,
    Verdict::Rejected,
    Verdict::Interrupted,
];

impl Verdict {
    /// The byte that stands for it in the ledger.
    pub(super) fn number(self) -> u8 {
        self as u8
    }

    pub(super) fn of_number(number: u8) -> Option<Self> {
        VERDICTS.get(usize::from(number)).copied()
    }
}

/// An id that may not run again, and what is left of its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id {
    pub key: Key,
    /// When its result was taken: seconds for which agents had run.
    pub age: u32,
    /// Seconds since the epoch before which it may not go; 0 if it may.
    pub expires: u32,
    pub verdict: Verdict,
    pub exit: i32,
}

impl Id {
    pub(super) fn new(key: Key, age: u32, expires: u32, outcome: &Outcome) -> Self {
        let (verdict, exit) = match (outcome.end, outcome.exit_code, outcome.signal) {
            (End::Rejected, ..) => (Verdict::Rejected, 0),
            (End::Interrupted, ..) => (Verdict::Interrupted, 0),
            (End::Processed, Some(0), _) if !outcome.success => (Verdict::Failed, 0),
            (End::Processed, Some(code), _) => (Verdict::Exited, code),
            (End::Processed, None, Some(signal)) => (Verdict::Killed, signal),
            (End::Processed, None, None) if outcome.success => (Verdict::Succeeded, 0),
            (End::Processed, None, None) => (Verdict::Failed, 0),
        };
        Id {
            key,
            age,
            expires,
            verdict,
            exit,
        }
    }

    /// The rest of the outcome that is still known.
    pub(super) fn outcome(&self) -> Outcome {
        let end = match self.verdict {
            Verdict::Rejected => End::Rejected,
            Verdict::Interrupted => End::Interrupted,
            _ => End::Processed,
        };
        let reason = "this job ended some time ago; its output is not kept any more";
        Outcome {
            success: match self.verdict {
                Verdict::Exited => self.exit == 0,
                verdict => verdict == Verdict::Succeeded,
            },
            exit_code: (self.verdict == Verdict::Exited).then_some(self.exit),
            signal: (self.verdict == Verdict::Killed).then_some(self.exit),
            duration: None,
            truncated: true,
            ..Outcome::without_command(end, "", Some(reason.to_owned()))
        }
    }

    /// True if it may go: 24 h after its report, and no signature can bring it back.
    fn may_go(&self, age: u32, keep: u32, floor: u64) -> bool {
        age.saturating_sub(self.age) >= keep && floor >= u64::from(self.expires)
    }
}

/// Ids by key.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Sorted by key.
    ids: Vec<Id>,
}

impl Seen {
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn get(&self, key: Key) -> Option<&Id> {
        let at = self.ids.binary_search_by_key(&key, |id| id.key).ok()?;
        self.ids.get(at)
    }

    /// Adds an id; one that is there already stays as it is.
    pub(super) fn insert(&mut self, id: Id) {
        if let Err(at) = self.ids.binary_search_by_key(&id.key, |id| id.key) {
            if self.ids.len() == self.ids.capacity() {
                self.ids.reserve_exact(GROWTH);
            }
            self.ids.insert(at, id);
        }
    }

    /// Forgets the id that was reported first of those that may go; false if none may.
    pub(super) fn forget_one(&mut self, age: u32, keep: u32, floor: u64) -> bool {
        let may_go = self.ids.iter().enumerate();
        let may_go = may_go.filter(|(_, id)| id.may_go(age, keep, floor));
        let oldest = may_go.min_by_key(|(_, id)| id.age).map(|(at, _)| at);
        match oldest {
            Some(at) => {
                self.ids.remove(at);
                true
            }
            None => false,
        }
    }

    pub(super) fn chunks(&self, of: usize) -> impl Iterator<Item = &[Id]> {
        self.ids.chunks(of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(key: u64, age: u32, expires: u32) -> Id {
        let outcome = Outcome::without_command(End::Processed, "", None);
        Id::new(Key(key), age, expires, &outcome)
    }

    #[test]
    fn the_oldest_goes_first_and_none_before_its_time() {
        let mut seen = Seen::default();
        for (key, age, expires) in [(3, 10, 0), (1, 5, 500), (2, 7, 0)] {
            seen.insert(id(key, age, expires));
        }
        // The first one is signed, the others are not old enough.
        assert!(!seen.forget_one(106, 100, 499));
        assert!(seen.forget_one(107, 100, 499));
        assert!(seen.get(Key(2)).is_none() && seen.get(Key(1)).is_some());
        assert!(seen.forget_one(107, 100, 500));
        assert!(seen.get(Key(1)).is_none());
        assert!(!seen.forget_one(109, 100, 500));
        assert_eq!(seen.len(), 1);
    }

    #[test]
    fn an_id_takes_24_bytes_and_still_tells_how_its_job_ended() {
        assert_eq!(size_of::<Id>(), 24);
        let mut outcome = Outcome::without_command(End::Processed, "", None);
        outcome.success = false;
        for (exit_code, signal) in [(Some(7), None), (None, Some(9)), (None, None)] {
            (outcome.exit_code, outcome.signal) = (exit_code, signal);
            let told = Id::new(Key(1), 0, 0, &outcome).outcome();
            assert_eq!((told.exit_code, told.signal), (exit_code, signal));
            assert!(!told.success && told.truncated && told.duration.is_none());
        }
        for end in [End::Rejected, End::Interrupted] {
            outcome.end = end;
            assert_eq!(Id::new(Key(1), 0, 0, &outcome).outcome().end, end);
        }
    }
}
