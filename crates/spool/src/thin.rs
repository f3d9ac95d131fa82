//! Thinning: the choice of reports that go when there is no room for all. A pure function.
//!
//! Oldest first, from every sample to one per minute, per 5 minutes, per hour; only when nothing is
//! left but one an hour, the oldest go altogether.

use super::gap::Reason;

/// Intervals of thinning, s: the first report of each is kept. Each divides the next, so that a report
/// kept by a coarser one was kept by every finer one.
pub(crate) const SLOTS: [u64; 3] = [60, 300, 3600];

/// The ways to treat a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nobody else has it.
    Only,
    /// Nothing is lost with it: it has arrived, or another store has it too.
    Free,
    /// Must stay: it is on its way.
    Spared,
}

/// A report, as far as this matters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    /// Boots are compared for being the same only.
    pub(crate) boot: u32,
    /// Seconds since the epoch.
    pub(crate) at: u64,
    pub(crate) bytes: u64,
    pub(crate) kind: Kind,
}

/// Why a report goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Going {
    Free,
    Lost(Reason),
}

/// Chooses what of `items`, oldest first, goes so that `need` bytes get free, or all that can. The
/// newest always stays. `slots` are the steps of [`SLOTS`] to take before anything is dropped.
pub(crate) fn plan(items: &[Item], need: u64, slots: &[u64]) -> Vec<Option<Going>> {
    let mut plan = Plan {
        items,
        going: vec![None; items.len()],
        missing: need,
    };
    let older = 0..items.len().saturating_sub(1);
    for at in older.clone() {
        if items[at].kind == Kind::Free {
            plan.take(at, Going::Free);
        }
    }
    for &slot in slots {
        let mut last = None;
        for at in older.clone() {
            if plan.going[at].is_some() {
                continue;
            }
            let this = (items[at].boot, items[at].at / slot);
            if last == Some(this) && items[at].kind == Kind::Only {
                plan.take(at, Going::Lost(Reason::Thinned));
            }
            if plan.going[at].is_none() {
                last = Some(this);
            }
        }
    }
    for at in older {
        if plan.going[at].is_none() && items[at].kind == Kind::Only {
            plan.take(at, Going::Lost(Reason::Full));
        }
    }
    plan.going
}

struct Plan<'a> {
    items: &'a [Item],
    going: Vec<Option<Going>>,
    /// Bytes still to be freed.
    missing: u64,
}

impl Plan<'_> {
    /// Lets a report go, unless enough do.
    fn take(&mut self, at: usize, why: Going) {
        if self.missing > 0 {
            self.going[at] = Some(why);
            self.missing = self.missing.saturating_sub(self.items[at].bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples every 15 s, 10 bytes each.
    fn samples(count: u64) -> Vec<Item> {
        (0..count)
            .map(|n| Item {
                boot: 0,
                at: 36_000 + n * 15,
                bytes: 10,
                kind: Kind::Only,
            })
            .collect()
    }

    fn left(items: &[Item], going: &[Option<Going>]) -> Vec<Item> {
        let left = items.iter().zip(going).filter(|(_, going)| going.is_none());
        left.map(|(item, _)| *item).collect()
    }

    fn lost(going: &[Option<Going>], reason: Reason) -> usize {
        let lost = |going: &&Option<Going>| **going == Some(Going::Lost(reason));
        going.iter().filter(lost).count()
    }

    #[test]
    fn nothing_goes_while_there_is_room() {
        assert!(plan(&samples(9), 0, &SLOTS).iter().all(Option::is_none));
        assert_eq!(plan(&[], 7, &SLOTS), []);
    }

    #[test]
    fn the_oldest_samples_become_one_a_minute_and_the_rest_is_left_alone() {
        let items = samples(40);
        let going = plan(&items, 60, &SLOTS);
        let gone: Vec<usize> = (0..40).filter(|at| going[*at].is_some()).collect();
        assert_eq!(gone, [1, 2, 3, 5, 6, 7]);
        assert_eq!(lost(&going, Reason::Thinned), 6);
    }

    #[test]
    fn everything_becomes_coarser_before_anything_is_dropped() {
        // A day: 5760 samples, 1440 minutes, 288 five minutes, 24 hours.
        let items = samples(5760);
        for (need, kept) in [(43_200, 1440), (54_720, 288), (57_350, 24)] {
            let going = plan(&items, need, &SLOTS);
            let left = left(&items, &going);
            // The newest stays beside the first of its slot.
            assert!((kept..=kept + 1).contains(&left.len()), "{}", left.len());
            assert_eq!(lost(&going, Reason::Full), 0);
        }
        let going = plan(&items, 57_500, &SLOTS);
        let left = left(&items, &going);
        assert_eq!(lost(&going, Reason::Full), 15);
        assert!(left[0].at > items[0].at + 14 * 3600, "the oldest hours go");
    }

    #[test]
    fn what_is_kept_elsewhere_goes_first_and_what_is_on_its_way_never() {
        let mut items = samples(8);
        items[6].kind = Kind::Free;
        (0..6).for_each(|at| items[at].kind = Kind::Spared);
        let going = plan(&items, 10, &SLOTS);
        assert_eq!(going.iter().flatten().collect::<Vec<_>>(), [&Going::Free]);
        let going = plan(&items, 10_000, &SLOTS);
        assert_eq!(
            left(&items, &going).len(),
            7,
            "on their way, and the newest"
        );
    }

    #[test]
    fn a_clock_that_jumps_and_another_boot_are_other_slots() {
        let mut items = samples(4);
        items[1].at = 5;
        items[2].boot = 1;
        let going = plan(&items, 10_000, &SLOTS[..1]);
        assert_eq!(lost(&going, Reason::Thinned), 0);
        assert_eq!(lost(&going, Reason::Full), 3);
    }
}
