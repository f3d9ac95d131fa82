//! Ids of jobs that were reported some time ago: 18 bytes each, so that 10,000 of them fit in 180 KB.

use std::ops::Range;
use std::sync::Arc;

use super::key::Key;
use crate::jobs::outcome::{End, Outcome};

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
    pub(super) fn may_go(&self, age: u32, keep: u32, floor: u64) -> bool {
        age.saturating_sub(self.age) >= keep && floor >= u64::from(self.expires)
    }
}

/// An [`Id`] without gaps.
#[repr(C, packed(2))]
#[derive(Debug, Clone, Copy)]
struct Kept {
    key: Key,
    age: u32,
    expires: u32,
    verdict: Verdict,
    /// Exit codes and signals of processes are below 256.
    exit: u8,
}

impl Kept {
    fn of(id: &Id) -> Self {
        Kept {
            key: id.key,
            age: id.age,
            expires: id.expires,
            verdict: id.verdict,
            exit: u8::try_from(id.exit).unwrap_or(u8::MAX),
        }
    }

    fn id(self) -> Id {
        Id {
            key: self.key,
            age: self.age,
            expires: self.expires,
            verdict: self.verdict,
            exit: i32::from(self.exit),
        }
    }
}

/// Some of the ids of a [`Seen`], as they were. They cost no memory of their own until it changes.
#[derive(Debug, Clone)]
pub struct Ids {
    all: Arc<Vec<Kept>>,
    range: Range<usize>,
}

impl Ids {
    /// Reads ids until there are none.
    pub(super) fn read(mut next: impl FnMut() -> Option<Option<Id>>) -> Option<Self> {
        let mut all = Vec::new();
        while let Some(id) = next() {
            all.push(Kept::of(&id?));
        }
        let range = 0..all.len();
        let all = Arc::new(all);
        Some(Ids { all, range })
    }

    /// These ids.
    pub(super) fn of(ids: impl Iterator<Item = Id>) -> Self {
        let all: Vec<Kept> = ids.map(|id| Kept::of(&id)).collect();
        let range = 0..all.len();
        let all = Arc::new(all);
        Ids { all, range }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Id> + '_ {
        self.all[self.range.clone()].iter().map(|id| id.id())
    }
}

impl PartialEq for Ids {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

/// Ids by key.
#[derive(Debug)]
pub(super) struct Seen {
    /// Sorted by key. Room for all of them is taken with the first one, so that they never move; what is not
    /// used of it is not in memory. [`Ids`] share it.
    ids: Arc<Vec<Kept>>,
    max: usize,
}

impl Seen {
    /// None yet, with room for `max`.
    pub(super) fn of_at_most(max: usize) -> Self {
        Seen {
            ids: Arc::default(),
            max,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    fn find(&self, key: Key) -> Result<usize, usize> {
        self.ids.binary_search_by_key(&key, |id| id.key)
    }

    pub(super) fn get(&self, key: Key) -> Option<Id> {
        let at = self.find(key).ok()?;
        self.ids.get(at).map(|id| id.id())
    }

    /// The ids, to be changed: a copy of them while others share them.
    fn own(&mut self) -> &mut Vec<Kept> {
        if Arc::get_mut(&mut self.ids).is_none() {
            let mut copy = Vec::with_capacity(self.max.max(self.ids.len()));
            copy.extend_from_slice(&self.ids);
            self.ids = Arc::new(copy);
        }
        Arc::make_mut(&mut self.ids)
    }

    /// Adds an id; one that is there already stays as it is.
    pub(super) fn insert(&mut self, id: Id) {
        if let Err(at) = self.find(id.key) {
            let max = self.max;
            let ids = self.own();
            if ids.capacity() == 0 {
                ids.reserve_exact(max);
            }
            ids.insert(at, Kept::of(&id));
        }
    }

    /// Adds an id in the place of the one that is there; `None` if there is no room for another.
    pub(super) fn put(&mut self, id: Id) -> Option<()> {
        match self.find(id.key) {
            Ok(at) => *self.own().get_mut(at)? = Kept::of(&id),
            Err(_) if self.ids.len() >= self.max => return None,
            Err(_) => self.insert(id),
        }
        Some(())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Id> + '_ {
        self.ids.iter().map(|id| id.id())
    }

    /// Makes every id look as if it had been reported so much later, s.
    pub(super) fn shift(&mut self, by: u32) {
        if !self.ids.is_empty() {
            for id in self.own() {
                id.age = id.age.saturating_add(by);
            }
        }
    }

    /// Forgets the id that was reported first of those that may go; false if none may.
    pub(super) fn forget_one(&mut self, age: u32, keep: u32, floor: u64) -> bool {
        let may_go = self.ids.iter().enumerate();
        let may_go = may_go.filter(|(_, id)| id.id().may_go(age, keep, floor));
        let oldest = may_go.min_by_key(|(_, id)| id.age).map(|(at, _)| at);
        match oldest {
            Some(at) => {
                self.own().remove(at);
                true
            }
            None => false,
        }
    }

    /// All of them, in pieces of so many.
    pub(super) fn pieces(&self, of: usize) -> impl Iterator<Item = Ids> + '_ {
        let starts = (0..self.ids.len()).step_by(of);
        starts.map(move |from| Ids {
            all: Arc::clone(&self.ids),
            range: from..self.ids.len().min(from + of),
        })
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
        let mut seen = Seen::of_at_most(3);
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
    fn ids_stay_as_they_were_while_others_come_and_go() {
        let mut seen = Seen::of_at_most(3);
        for key in [1, 3, 5] {
            seen.insert(id(key, 0, 0));
        }
        let pieces: Vec<_> = seen.pieces(2).collect();
        assert!(seen.forget_one(0, 0, 0));
        seen.insert(id(4, 0, 0));
        let keys = |ids: &Ids| ids.iter().map(|id| id.key.0).collect::<Vec<_>>();
        assert_eq!(
            pieces.iter().map(keys).collect::<Vec<_>>(),
            [vec![1, 3], vec![5]]
        );
        drop(pieces);
        let now: Vec<_> = seen.pieces(9).map(|ids| keys(&ids)).collect();
        assert_eq!(now, [[3, 4, 5]]);
        assert!(seen.ids.capacity() >= 3);
    }

    #[test]
    fn an_id_takes_18_bytes_and_still_tells_how_its_job_ended() {
        assert_eq!(size_of::<Kept>(), 18);
        let mut outcome = Outcome::without_command(End::Processed, "", None);
        outcome.success = false;
        for (exit_code, signal) in [(Some(7), None), (None, Some(9)), (None, None)] {
            (outcome.exit_code, outcome.signal) = (exit_code, signal);
            let id = Id::new(Key(1), 0, 0, &outcome);
            let told = Kept::of(&id).id().outcome();
            assert_eq!((told.exit_code, told.signal), (exit_code, signal));
            assert!(!told.success && told.truncated && told.duration.is_none());
        }
        for end in [End::Rejected, End::Interrupted] {
            outcome.end = end;
            assert_eq!(Id::new(Key(1), 0, 0, &outcome).outcome().end, end);
        }
    }
}
