//! Time, as the agent sees it: the system clock for time stamps, the monotonic clock for waits, and
//! the lab's pace.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{interval_at, Instant, Interval, MissedTickBehavior};

/// Seconds since the epoch by the system clock; 0 if it stands before 1970.
pub fn epoch_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// How much faster than real time waits pass. 1 on a device; the lab raises it (`--time-scale N`).
///
/// It divides intervals and waits between attempts, never time stamps nor the time-outs of the bus,
/// of HTTP, of MQTT keepalive or of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace(u32);

impl Pace {
    /// Real time.
    pub const REAL: Pace = Pace(1);

    /// `n` times faster than real time; 0 counts as 1.
    pub fn faster(n: u32) -> Self {
        Pace(n.max(1))
    }

    /// The wait that stands for `wait` at this pace.
    pub fn of(self, wait: Duration) -> Duration {
        wait / self.0
    }

    /// Ticks once every `every` at this pace, the first time after one of them; a tick that comes late
    /// puts off those behind it.
    pub fn interval(self, every: Duration) -> Interval {
        let every = self.of(every).max(Duration::from_millis(1));
        let mut interval = interval_at(Instant::now() + every, every);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval
    }
}

impl Default for Pace {
    fn default() -> Self {
        Pace::REAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_divides_waits_and_zero_counts_as_real_time() {
        assert_eq!(
            Pace::faster(30).of(Duration::from_secs(15)),
            Duration::from_millis(500)
        );
        assert_eq!(
            Pace::faster(0).of(Duration::from_secs(15)),
            Duration::from_secs(15)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_interval_ticks_at_its_pace_and_makes_up_for_nothing() {
        let start = Instant::now();
        let mut ticks = Pace::faster(10).interval(Duration::from_secs(30));
        ticks.tick().await;
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        tokio::time::sleep(Duration::from_secs(10)).await;
        ticks.tick().await;
        ticks.tick().await;
        assert_eq!(start.elapsed(), Duration::from_secs(16));
    }
}
