//! Replies that are offered again later, so that they hold nothing up.
//!
//! A reply that the API refused alone waits for a fixed time. A reply that the broker passed over, answering
//! others and not this one, ends a connection each time it is sent: it waits twice as long after each.
//! It is not suspected for that: it is never cut nor given up.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::Item;
use crate::jobs::FEW;

/// Doublings of the wait of a reply that was passed over, until it is the longest.
const DOUBLINGS: u32 = 4;

/// Replies put aside.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// Each with when it is offered again; the soonest first.
    waiting: VecDeque<(Instant, Item)>,
    /// The number of times each was passed over.
    passed: HashMap<Item, u32>,
}

impl Aside {
    /// The other side does not want it: it comes again at `again`.
    pub(super) fn refused(&mut self, item: Item, again: Instant) {
        self.put(item, again);
    }

    /// The broker passed it over once more: it comes again at `latest` or before.
    pub(super) fn passed_over(&mut self, item: Item, now: Instant, latest: Instant) {
        let passed = self.passed.entry(item.clone()).or_default();
        let longest = latest.saturating_duration_since(now);
        let wait: Duration = longest / (1 << DOUBLINGS.saturating_sub(*passed));
        *passed = passed.saturating_add(1);
        self.put(item, now + wait);
    }

    fn put(&mut self, item: Item, again: Instant) {
        let at = self.waiting.partition_point(|(at, _)| *at <= again);
        self.waiting.insert(at, (again, item));
    }

    /// When the next one is to be offered again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.waiting.front().map(|(at, _)| *at)
    }

    /// The next one whose time has come.
    pub(super) fn take(&mut self, now: Instant) -> Option<Item> {
        if self.next()? > now {
            return None;
        }
        let next = self.waiting.pop_front();
        if self.waiting.is_empty() {
            self.waiting.shrink_to(FEW);
        }
        next.map(|(_, item)| item)
    }

    /// All of them, for another way out.
    pub(super) fn take_all(&mut self) -> Vec<Item> {
        self.passed.clear();
        self.waiting.drain(..).map(|(_, item)| item).collect()
    }

    /// The reply is out of the outbox.
    pub(super) fn forget(&mut self, item: &Item) {
        self.passed.remove(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(id: &str) -> Item {
        Item::Result(id.into())
    }

    #[test]
    fn who_is_passed_over_waits_twice_as_long_each_time_up_to_the_longest() {
        let (mut aside, now) = (Aside::default(), Instant::now());
        let latest = now + Duration::from_secs(320);
        let mut waits = Vec::new();
        for _ in 0..7 {
            aside.passed_over(result("a"), now, latest);
            let again = aside.next().unwrap();
            waits.push((again - now).as_secs());
            assert_eq!(aside.take(again), Some(result("a")));
        }
        assert_eq!(waits, [20, 40, 80, 160, 320, 320, 320]);
        aside.forget(&result("a"));
        aside.passed_over(result("a"), now, latest);
        assert_eq!(aside.next(), Some(now + Duration::from_secs(20)));
    }

    #[test]
    fn the_soonest_comes_first_and_none_before_its_time() {
        let (mut aside, now) = (Aside::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        for (id, seconds) in [("c", 30), ("a", 10), ("b", 20), ("d", 30)] {
            aside.refused(result(id), after(seconds));
        }
        assert_eq!(aside.take(after(9)), None);
        for id in ["a", "b", "c", "d"] {
            assert_eq!(aside.take(after(30)), Some(result(id)));
        }
        assert_eq!(aside.take(after(1000)), None);
    }
}
