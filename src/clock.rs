//! Time, as the agent sees it: the system clock for time stamps, the monotonic clock for waits, and
//! the lab's pace.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
}
