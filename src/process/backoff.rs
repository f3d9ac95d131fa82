//! The one retry rule of the agent: jittered, bounded, and the same for broker and API.

use std::time::Duration;

use crate::process::clock::Pace;

/// Longest wait between two attempts.
pub const MAX_WAIT: Duration = Duration::from_secs(300);

/// A session that held this long starts again from the first wait.
pub const STABLE_AFTER: Duration = Duration::from_secs(60);

/// Draws the waits between attempts, so that a fleet that lost its server together does not come
/// back together.
///
/// The first attempt after a start or a lost session falls uniformly in `[0, spread]`; attempt `n`
/// (from 1) waits uniformly in `[0, min(300, max(spread, 2^n))]` seconds. All of it is divided by
/// the pace.
#[derive(Debug, Clone)]
pub struct Backoff {
    spread: Duration,
    pace: Pace,
    attempt: u32,
}

impl Backoff {
    pub fn new(spread: Duration, pace: Pace) -> Self {
        Backoff {
            spread,
            pace,
            attempt: 0,
        }
    }

    /// The longest wait [`Backoff::next_wait`] could draw now, unpaced.
    fn bound(&self) -> Duration {
        if self.attempt == 0 {
            return self.spread;
        }
        // 2^9 is above MAX_WAIT already; the cap keeps the shift in range for ever.
        let doubled = Duration::from_secs(1u64 << self.attempt.min(9));
        MAX_WAIT.min(self.spread.max(doubled))
    }

    /// Counts an attempt and returns the wait before it.
    pub fn next_wait(&mut self) -> Duration {
        let bound = self.pace.of(self.bound());
        self.attempt = self.attempt.saturating_add(1);
        bound.mul_f64(fastrand::f64())
    }

    /// The server accepted us for good: the next loss starts from the first wait again.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }

    /// A session that lasted `held` ended; resets if that was long enough to call it stable.
    pub fn session_ended(&mut self, held: Duration) {
        if held >= self.pace.of(STABLE_AFTER) {
            self.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(spread: u64, n: usize) -> Vec<u64> {
        let mut backoff = Backoff::new(Duration::from_secs(spread), Pace::REAL);
        (0..n)
            .map(|_| {
                let bound = backoff.bound();
                assert!(backoff.next_wait() <= bound);
                bound.as_secs()
            })
            .collect()
    }

    #[test]
    fn waits_double_from_the_spread_up_to_five_minutes() {
        assert_eq!(
            bounds(10, 11),
            [10, 10, 10, 10, 16, 32, 64, 128, 256, 300, 300]
        );
        assert_eq!(bounds(0, 4), [0, 2, 4, 8]);
        assert_eq!(bounds(600, 2), [600, 300]);
    }

    #[test]
    fn only_a_stable_session_starts_over() {
        let mut backoff = Backoff::new(Duration::from_secs(10), Pace::REAL);
        for _ in 0..8 {
            backoff.next_wait();
        }
        backoff.session_ended(Duration::from_secs(59));
        assert_eq!(backoff.bound(), Duration::from_secs(256));
        backoff.session_ended(Duration::from_secs(60));
        assert_eq!(backoff.bound(), Duration::from_secs(10));
    }
}
