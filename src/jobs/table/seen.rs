//! Ids of jobs that were reported some time ago, by key: 10,000 of them fit in 180 KB.

use std::ops::Range;
use std::sync::Arc;

use super::id::{Id, Kept};
use super::key::Key;

/// Some of the ids of a [`Seen`], as they were. They cost no memory of their own until it changes.
#[derive(Debug, Clone)]
pub struct Ids {
    all: Arc<Vec<Kept>>,
    range: Range<usize>,
}

impl Ids {
    /// Reads ids to the end.
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

/// Most ids that come while others are shared, before these are copied.
const LATE_MAX: usize = 512;

/// Ids by key.
#[derive(Debug)]
pub(super) struct Seen {
    /// Sorted by key. Room for all of them is taken at once, so that they never move. [`Ids`] share it.
    ids: Arc<Vec<Kept>>,
    /// Ids that came while the others were shared, in the order in which they came: a copy of all that a job
    /// needs to add one would stay in the heap as a gap.
    late: Vec<Kept>,
    max: usize,
    has_room: bool,
}

impl Seen {
    /// None yet, with room for `max`.
    pub(super) fn of_at_most(max: usize) -> Self {
        Seen {
            ids: Arc::default(),
            late: Vec::new(),
            max,
            has_room: false,
        }
    }

    /// Takes the memory that `max` ids need, and writes to it: the kernel gives it with the first job, and not
    /// page by page with thousands of later ones.
    pub(super) fn take_room(&mut self) {
        if std::mem::replace(&mut self.has_room, true) {
            return;
        }
        let max = self.max;
        let ids = self.own();
        let len = ids.len();
        ids.reserve_exact(max.saturating_sub(len));
        ids.resize(max.max(len), Kept::NONE);
        ids.truncate(len);
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len() + self.late.len()
    }

    pub(super) fn get(&self, key: Key) -> Option<Id> {
        let late = || self.late.iter().find(|id| id.id().key == key);
        match find(&self.ids, key) {
            Ok(at) => self.ids.get(at),
            Err(_) => late(),
        }
        .map(|id| id.id())
    }

    /// All ids, to be changed: a copy of them while others share them.
    fn own(&mut self) -> &mut Vec<Kept> {
        if Arc::get_mut(&mut self.ids).is_none() {
            let mut copy = Vec::with_capacity(self.max.max(self.len()));
            copy.extend_from_slice(&self.ids);
            self.ids = Arc::new(copy);
        }
        let ids = Arc::make_mut(&mut self.ids);
        if ids.capacity() == 0 {
            ids.reserve_exact(self.max);
        }
        for id in self.late.drain(..) {
            add(ids, id);
        }
        ids
    }

    /// Adds an id; one that is there already stays as it is.
    pub(super) fn insert(&mut self, id: Id) {
        if self.get(id.key).is_some() {
            return;
        }
        let is_shared = Arc::get_mut(&mut self.ids).is_none();
        match is_shared && self.late.len() < LATE_MAX {
            true => self.late.push(Kept::of(&id)),
            false => add(self.own(), Kept::of(&id)),
        }
    }

    /// Adds an id in the place of the one that is there; `None` if there is no room for another.
    pub(super) fn put(&mut self, id: Id) -> Option<()> {
        let max = self.max;
        let ids = self.own();
        match find(ids, id.key) {
            Ok(at) => *ids.get_mut(at)? = Kept::of(&id),
            Err(_) if ids.len() >= max => return None,
            Err(at) => ids.insert(at, Kept::of(&id)),
        }
        Some(())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Id> + '_ {
        self.ids.iter().chain(&self.late).map(|id| id.id())
    }

    /// Makes every id look as if it had been reported so much later, s.
    pub(super) fn shift(&mut self, by: u32) {
        if self.len() > 0 {
            for id in self.own() {
                id.age = id.age.saturating_add(by);
            }
        }
    }

    /// Forgets the id that was reported first of those that may go; false if none may.
    pub(super) fn forget_one(&mut self, age: u32, keep: u32, floor: u64) -> bool {
        let may_go = self.iter().filter(|id| id.may_go(age, keep, floor));
        let Some(oldest) = may_go.min_by_key(|id| id.age) else {
            return false;
        };
        let ids = self.own();
        if let Ok(at) = find(ids, oldest.key) {
            ids.remove(at);
        }
        true
    }

    /// All of them, in pieces of so many.
    pub(super) fn pieces(&mut self, of: usize) -> impl Iterator<Item = Ids> + '_ {
        if !self.late.is_empty() {
            self.own();
        }
        let starts = (0..self.ids.len()).step_by(of);
        starts.map(move |from| Ids {
            all: Arc::clone(&self.ids),
            range: from..self.ids.len().min(from + of),
        })
    }
}

fn find(ids: &[Kept], key: Key) -> Result<usize, usize> {
    ids.binary_search_by_key(&key, |id| id.key)
}

/// Adds an id to sorted ones; one that is there already stays as it is.
fn add(ids: &mut Vec<Kept>, id: Kept) {
    if let Err(at) = find(ids, id.key) {
        ids.insert(at, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::outcome::{End, Outcome};

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
    fn ids_that_come_while_others_are_shared_are_known_at_once_and_move_no_memory() {
        let mut seen = Seen::of_at_most(1000);
        let mut rng = fastrand::Rng::with_seed(7);
        let mut known = std::collections::BTreeMap::new();
        seen.take_room();
        let room = seen.ids.as_ptr();
        for round in 0..20 {
            let pieces: Vec<_> = seen.pieces(7).collect();
            let before: Vec<_> = known.values().copied().collect();
            for _ in 0..40 {
                let id = id(rng.u64(0..300), round, 0);
                known.entry(id.key.0).or_insert(id);
                seen.insert(id);
                assert_eq!(seen.get(id.key), known.get(&id.key.0).copied());
            }
            let shared: Vec<_> = pieces.iter().flat_map(Ids::iter).collect();
            assert_eq!(shared, before);
            assert_eq!(seen.len(), known.len());
            drop((pieces, shared));
            let all: Vec<_> = seen.pieces(7).collect();
            let all: Vec<_> = all.iter().flat_map(Ids::iter).collect();
            assert_eq!(all, known.values().copied().collect::<Vec<_>>());
            assert_eq!(seen.ids.as_ptr(), room);
        }
    }

    #[test]
    fn ids_that_are_made_younger_go_later() {
        let mut seen = Seen::of_at_most(3);
        for (key, age) in [(1, 5), (2, u32::MAX - 10)] {
            seen.insert(id(key, age, 0));
        }
        seen.shift(20);
        let ages: Vec<u32> = seen.iter().map(|id| id.age).collect();
        assert_eq!(ages, [25, u32::MAX]);
        assert!(!seen.forget_one(124, 100, 0));
        assert!(seen.forget_one(125, 100, 0));
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
}
