//! Two clients with one id: the broker closes the session of one when the other connects (MQTT 3.1.1,
//! section 3.1.4), without a word.

use std::time::Duration;

/// Sessions closed in a row, each with nothing under way, that make another client likely. A broker that
/// restarts closes one.
const TIMES: u32 = 3;

/// A session that held so long was not ended by another client, which would have come back sooner.
const SOON: Duration = Duration::from_secs(60);

/// Sessions in a row that the broker closed soon and without a reason we know of.
#[derive(Debug, Default)]
pub(super) struct Takeover(u32);

impl Takeover {
    /// A session ended after `held`; `closed` says that the broker closed it while nothing was under way.
    /// Returns whether another client with our id is the likely reason.
    pub(super) fn ended(&mut self, held: Duration, closed: bool) -> bool {
        match closed && !held.is_zero() && held < SOON {
            true => self.0 = self.0.saturating_add(1),
            false => self.0 = 0,
        }
        self.0 >= TIMES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sessions_that_are_closed_soon_again_and_again_point_at_another_client() {
        let mut takeover = Takeover::default();
        let second = Duration::from_secs(1);
        assert!(!takeover.ended(second, true) && !takeover.ended(second, true));
        assert!(takeover.ended(second, true) && takeover.ended(second, true));
        for (held, closed) in [(SOON, true), (second, false), (Duration::ZERO, true)] {
            assert!(!takeover.ended(held, closed));
            assert!(!takeover.ended(second, true) && !takeover.ended(second, true));
            assert!(takeover.ended(second, true));
        }
    }
}
