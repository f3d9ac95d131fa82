//! A deadline that counts only the time in which this process runs.

use std::time::{Duration, Instant};

/// The longest time between two looks that counts: if more has passed, the process was stopped.
const STEP: Duration = Duration::from_secs(1);

/// Time that is left to wait. It has to be asked several times a second.
#[derive(Debug)]
pub struct Patience {
    left: Duration,
    last: Instant,
}

impl Patience {
    pub fn of(left: Duration) -> Self {
        Patience {
            left,
            last: Instant::now(),
        }
    }

    /// False once the time is used up.
    pub fn lasts(&mut self) -> bool {
        self.lasts_at(Instant::now())
    }

    fn lasts_at(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.last).min(STEP);
        self.last = now;
        self.left = self.left.saturating_sub(passed);
        !self.left.is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_was_stopped_for_an_hour_has_waited_for_a_second() {
        let mut patience = Patience::of(Duration::from_secs(3));
        let began = patience.last;
        assert!(patience.lasts_at(began + Duration::from_millis(500)));
        assert!(patience.lasts_at(began + Duration::from_secs(3600)));
        assert!(patience.lasts_at(began + Duration::from_secs(3601)));
        assert!(!patience.lasts_at(began + Duration::from_secs(3602)));
    }
}
