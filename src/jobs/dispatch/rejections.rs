//! A bound on the rate at which rejections are reported.

use std::time::Duration;

use tokio::time::Instant;

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

#[cfg(test)]
mod tests {
    use super::*;

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
