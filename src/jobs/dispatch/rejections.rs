//! A bound on the rate at which rejections are reported, and the memory of those that the ledger does not know of.

use std::time::Duration;

use tokio::time::Instant;

use crate::jobs::table::Key;
use crate::jobs::Source;

/// Time between two rejection answers, and between two log lines about them.
const REJECTION_EVERY: Duration = Duration::from_secs(1);

/// When a rejection was last told, and how many were not since.
#[derive(Debug, Default)]
pub(super) struct Rejections {
    last: Option<Instant>,
    untold: u64,
}

impl Rejections {
    /// Counts a rejection; if it may be told, says how many were not since the last one that was.
    pub(super) fn may_tell(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now < last + REJECTION_EVERY) {
            self.untold += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

/// The most keys of refused jobs of one source that are remembered.
const REFUSED_MAX: usize = 4096;

/// Jobs that were refused while the ledger was not open: they may wait in it. Neither source can use up the room of the
/// other.
#[derive(Debug, Default)]
pub(super) struct Refused {
    broker: Vec<Key>,
    bus: Vec<Key>,
}

impl Refused {
    pub(super) fn add(&mut self, source: Source, key: Key) {
        let keys = match source {
            Source::Mqtt => &mut self.broker,
            Source::Ubus => &mut self.bus,
        };
        if keys.len() < REFUSED_MAX && !keys.contains(&key) {
            keys.push(key);
        }
    }

    /// True if this job was refused, or may have been: more were than are remembered.
    pub(super) fn has(&self, source: Source, key: Key) -> bool {
        let keys = match source {
            Source::Mqtt => &self.broker,
            Source::Ubus => &self.bus,
        };
        keys.len() == REFUSED_MAX || keys.contains(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_may_have_been_refused_counts_as_refused() {
        let key = |n: usize| Key::new(Source::Mqtt, &n.to_string());
        let mut refused = Refused::default();
        for n in (0..REFUSED_MAX - 1).chain(0..9) {
            refused.add(Source::Mqtt, key(n));
        }
        assert!(refused.has(Source::Mqtt, key(7)) && !refused.has(Source::Mqtt, key(REFUSED_MAX)));
        for n in 0..3 {
            refused.add(Source::Mqtt, key(REFUSED_MAX + n));
        }
        assert!(refused.has(Source::Mqtt, key(REFUSED_MAX + 2)));
        assert_eq!(refused.broker.len(), REFUSED_MAX);
        let of_bus = |n: usize| Key::new(Source::Ubus, &n.to_string());
        refused.add(Source::Ubus, of_bus(1));
        assert!(refused.has(Source::Ubus, of_bus(1)) && !refused.has(Source::Ubus, of_bus(2)));
    }

    #[test]
    fn one_rejection_a_second_is_told_with_the_number_of_the_silent_ones() {
        let mut rejections = Rejections::default();
        let start = Instant::now();
        let mut told_at = |ms| rejections.may_tell(start + Duration::from_millis(ms));
        assert_eq!(told_at(0), Some(0));
        assert_eq!((told_at(1), told_at(999)), (None, None));
        assert_eq!(told_at(1000), Some(2));
        assert_eq!(told_at(1001), None);
        assert_eq!(told_at(5000), Some(1));
    }
}
