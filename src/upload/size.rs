//! The size of a request, and the time it may take.

use std::time::Duration;

use tokio::time::Instant;

use super::BATCH_MAX;
use crate::process::clock::Pace;

/// A size that failed is tried again after this time at first.
const RETRY: Duration = Duration::from_secs(600);

/// And after this time at last.
const RETRY_MAX: Duration = Duration::from_secs(4 * 3600);

/// A report alone is waited for no longer than this, unless its size needs more.
const PATIENCE_MAX: Duration = Duration::from_secs(600);

/// Bytes of reports in a request.
///
/// A size that is too large for the server or for the line is a wall: sizes below it grow again as
/// fast as requests are quick, and the wall itself is tried again after 10 min, then 20, up to 4 h.
#[derive(Debug)]
pub(super) struct Size {
    pace: Pace,
    max: u64,
    wall: Option<Wall>,
    /// Time for which the next wall stands.
    stands: Duration,
    /// Something was accepted since the last failure.
    works: bool,
}

#[derive(Debug)]
struct Wall {
    at: u64,
    until: Instant,
}

impl Size {
    pub(super) fn new(pace: Pace) -> Self {
        Size {
            pace,
            max: BATCH_MAX,
            wall: None,
            stands: RETRY,
            works: true,
        }
    }

    /// Bytes of reports, packed, in the next request.
    pub(super) fn max(&self) -> u64 {
        self.max
    }

    /// A request with `len` bytes of reports was too large.
    pub(super) fn failed(&mut self, len: u64, now: Instant) {
        // A server that takes nothing says nothing about sizes.
        let stands = match std::mem::take(&mut self.works) {
            true => self.stands,
            false => RETRY,
        };
        self.wall = Some(Wall {
            at: len,
            until: now + self.pace.of(stands),
        });
        self.stands = (2 * stands).min(RETRY_MAX);
        self.max = self.max.min(len / 2);
    }

    /// A request with `len` bytes of reports was accepted after `took` of the time it had.
    pub(super) fn accepted(&mut self, len: u64, took: Duration, had: Duration, now: Instant) {
        self.works = true;
        let is_quick = 4 * took <= had;
        let is_full = 2 * len > self.max;
        if !is_quick || !is_full {
            return;
        }
        if self.max >= BATCH_MAX {
            (self.wall, self.stands) = (None, RETRY);
            return;
        }
        let next = (2 * self.max.max(1)).min(BATCH_MAX);
        let stands = |wall: &Wall| wall.at <= next && now < wall.until;
        if !self.wall.as_ref().is_some_and(stands) {
            self.max = next;
        }
    }
}

/// Patience with a report alone, which cannot be halved: twice as much after each time that was not
/// enough.
#[derive(Debug)]
pub(super) struct Patience(u32);

impl Patience {
    pub(super) fn new() -> Self {
        Patience(1)
    }

    /// Time for a request that has `usual` by its size.
    pub(super) fn time(&self, usual: Duration) -> Duration {
        usual.max(PATIENCE_MAX.min(usual * self.0))
    }

    /// Notes that the time was not enough.
    pub(super) fn failed(&mut self, usual: Duration) {
        if self.time(usual) < PATIENCE_MAX {
            self.0 *= 2;
        }
    }

    /// A request was accepted after `took` of the `usual` time by its size: no more than twice that is
    /// needed.
    pub(super) fn accepted(&mut self, usual: Duration, took: Duration) {
        while self.0 > 1 && usual * (self.0 / 2) >= 2 * took {
            self.0 /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn had(len: u64) -> Duration {
        30 * S + S * (len / 512) as u32
    }

    /// Delivers full batches for `time` over a line of so many bytes a second; returns how many came too
    /// late, and the bytes that arrived.
    async fn deliver(size: &mut Size, rate: u64, time: Duration) -> (usize, u64) {
        let (mut late, mut arrived) = (0, 0);
        let end = Instant::now() + time;
        while Instant::now() < end {
            let len = size.max().max(300);
            let took = Duration::from_millis(100 + 1000 * len / rate);
            advance(took.min(had(len))).await;
            if took > had(len) {
                size.failed(len, Instant::now());
                late += 1;
            } else {
                size.accepted(len, took, had(len), Instant::now());
                arrived += len;
            }
            advance(took.min(30 * S)).await;
        }
        (late, arrived)
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_line_is_not_run_into_the_same_wall_again_and_again() {
        for rate in [20, 50, 100, 200, 400] {
            let mut size = Size::new(Pace::REAL);
            let (late, arrived) = deliver(&mut size, rate, 24 * 3600 * S).await;
            assert!(late <= 20, "{rate} B/s: {late} too late");
            let possible = 24 * 3600 * rate;
            assert!(
                arrived > possible / 4,
                "{rate} B/s: {arrived} of {possible}"
            );
        }
        let mut size = Size::new(Pace::REAL);
        assert_eq!(deliver(&mut size, 600, 3600 * S).await.0, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_server_that_answered_nothing_the_full_size_is_back_within_minutes() {
        let mut size = Size::new(Pace::REAL);
        for _ in 0..50 {
            size.failed(size.max().max(300), Instant::now());
            advance(200 * S).await;
        }
        assert!(size.max() < 300);
        deliver(&mut size, 1 << 20, 700 * S).await;
        assert_eq!(size.max(), BATCH_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_of_the_server_is_tried_again_less_and_less_often() {
        let mut size = Size::new(Pace::REAL);
        let mut refused = 0;
        for _ in 0..24 * 60 {
            while size.max() > 5000 {
                size.failed(size.max(), Instant::now());
                refused += 1;
            }
            size.accepted(size.max(), S / 10, had(5000), Instant::now());
            advance(60 * S).await;
        }
        assert!((6..20).contains(&refused), "{refused}");
        // It is gone.
        for _ in 0..6 * 60 {
            size.accepted(size.max(), S / 10, had(5000), Instant::now());
            advance(60 * S).await;
        }
        assert_eq!(size.max(), BATCH_MAX);
    }

    #[test]
    fn patience_with_one_report_doubles_up_to_ten_minutes_and_goes_when_it_is_not_needed() {
        let mut patience = Patience::new();
        let usual = 40 * S;
        let mut times = Vec::new();
        for _ in 0..7 {
            times.push(patience.time(usual).as_secs());
            patience.failed(usual);
        }
        assert_eq!(times, [40, 80, 160, 320, 600, 600, 600]);
        assert_eq!(patience.time(900 * S), 900 * S, "a large one has more");
        patience.accepted(usual, 150 * S);
        assert_eq!(patience.time(usual), 320 * S);
        patience.accepted(usual, S);
        assert_eq!(patience.time(usual), usual);
    }
}
