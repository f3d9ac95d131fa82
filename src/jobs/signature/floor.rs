//! The earliest time that it can be.

use crate::process::clock::Reading;

/// A server's clock that is further than this from a synchronised one is wrong, s.
const DAY: u64 = 24 * 3600;

/// A bound on the time from below, seconds since the epoch. Signed jobs are judged by it where the clock
/// cannot be believed, for a job that has expired must not run because the clock stands still or was set
/// back.
///
/// It knows the time this program was built, the `timestamp` of signed jobs that were accepted, and the
/// `Date` of answers over verified TLS. It never takes the system clock's word: who can set that forward
/// for a moment could lock out every job for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// Holds for good.
    kept: u64,
    /// Holds for this boot, by servers that no synchronised clock confirmed; 0 without one.
    heard: u64,
}

impl Floor {
    /// The floor of a program built at `built`, with what an earlier one kept; 0 if nothing.
    pub fn new(built: u64, persisted: u64) -> Self {
        Floor {
            kept: built.max(persisted),
            heard: 0,
        }
    }

    /// A signed job of this `timestamp` was accepted.
    pub fn job(&mut self, timestamp: u64) {
        self.kept = self.kept.max(timestamp);
    }

    /// An earlier floor was found.
    pub fn recalled(&mut self, kept: u64) {
        self.kept = self.kept.max(kept);
    }

    /// A server whose certificate was verified has said that it is `date`. While the clock is not
    /// synchronised that counts until the restart, and nothing of it is kept; if it contradicts a
    /// synchronised clock by more than a day it does not count.
    pub fn date(&mut self, reading: Reading, date: u64) {
        if !reading.synced {
            self.heard = self.heard.max(date);
        } else if date.abs_diff(reading.epoch) <= DAY {
            self.kept = self.kept.max(date);
        }
    }

    /// The time that a job is judged by: the clock's while it is synchronised, and never less than the
    /// floor.
    pub fn now(&self, reading: Reading) -> u64 {
        let floor = self.kept.max(self.heard);
        match reading.synced {
            true => floor.max(reading.epoch),
            false => floor,
        }
    }

    /// The part that has to outlive a restart. An id of a signed job may be forgotten once this, as it is
    /// on flash, has reached the job's `expires`: what holds for this boot alone would let the job run
    /// again after the next one.
    pub fn persisted(&self) -> u64 {
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT: u64 = 1_790_000_000;

    fn synced(epoch: u64) -> Reading {
        Reading {
            epoch,
            mono: 0,
            synced: true,
        }
    }

    fn unsynced(epoch: u64) -> Reading {
        Reading {
            synced: false,
            ..synced(epoch)
        }
    }

    #[test]
    fn a_clock_that_nobody_keeps_has_no_say() {
        let floor = Floor::new(BUILT, 0);
        assert_eq!(floor.now(unsynced(0)), BUILT);
        assert_eq!(floor.now(unsynced(BUILT * 2)), BUILT);
    }

    #[test]
    fn a_clock_that_is_kept_counts_where_it_is_ahead_and_leaves_nothing_behind() {
        let floor = Floor::new(BUILT, 0);
        assert_eq!(floor.now(synced(BUILT + 5)), BUILT + 5);
        assert_eq!(floor.now(synced(BUILT - 5)), BUILT);
        assert_eq!(floor.persisted(), BUILT);
    }

    #[test]
    fn the_timestamp_of_an_accepted_job_is_kept() {
        let mut floor = Floor::new(BUILT, 0);
        floor.job(BUILT + 10);
        floor.job(BUILT + 5);
        assert_eq!(floor.persisted(), BUILT + 10);
        let after_restart = Floor::new(BUILT, floor.persisted());
        assert_eq!(after_restart.now(unsynced(0)), BUILT + 10);
    }

    #[test]
    fn a_newer_program_raises_the_floor_and_an_older_one_does_not_lower_it() {
        assert_eq!(Floor::new(BUILT, BUILT - 1).persisted(), BUILT);
        assert_eq!(Floor::new(BUILT - 1, BUILT).persisted(), BUILT);
    }

    #[test]
    fn a_servers_date_is_kept_only_if_a_kept_clock_agrees_within_a_day() {
        let mut floor = Floor::new(BUILT, 0);
        floor.date(synced(BUILT), BUILT + DAY + 1);
        assert_eq!(floor.now(synced(BUILT)), BUILT);
        floor.date(synced(BUILT), BUILT + DAY);
        assert_eq!(floor.persisted(), BUILT + DAY);
        floor.date(synced(u64::MAX), u64::MAX);
        assert_eq!(floor.persisted(), u64::MAX);
    }

    #[test]
    fn a_servers_date_beside_a_clock_that_nobody_keeps_counts_until_the_restart() {
        let mut floor = Floor::new(BUILT, 0);
        floor.date(unsynced(0), BUILT + 100);
        assert_eq!(floor.now(unsynced(0)), BUILT + 100);
        assert_eq!(floor.persisted(), BUILT);
        let after_restart = Floor::new(BUILT, floor.persisted());
        assert_eq!(after_restart.now(unsynced(0)), BUILT);
    }
}
