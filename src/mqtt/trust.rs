//! Trust in a broker that it takes live output. MQTT 3.1.1 has no answer to a message that a broker does not
//! want: it closes the connection.

use std::time::Duration;

use tokio::time::Instant;

/// A connection that ends so soon after a live message may have ended for it.
const SOON: Duration = Duration::from_secs(5);

/// Such ends in a row after which nothing live is sent any more.
const TIMES: u8 = 2;

/// Ends of connections that came soon after a live message, since a connection outlived one. Kept over connections.
#[derive(Debug, Default)]
pub(super) struct Trust {
    /// When the first and the last live message were sent on this connection.
    said: Option<(Instant, Instant)>,
    ends: u8,
}

impl Trust {
    /// A live message was sent.
    pub(super) fn said(&mut self, now: Instant) {
        let first = self.said.map_or(now, |(first, _)| first);
        self.said = Some((first, now));
    }

    /// The connection ended, and not by ourselves. Returns whether that was once too often.
    pub(super) fn lost(&mut self, now: Instant) -> bool {
        if let Some((first, last)) = self.said.take() {
            if now > first + SOON {
                self.ends = 0;
            }
            if now <= last + SOON {
                self.ends = self.ends.saturating_add(1);
            }
        }
        self.ends >= TIMES
    }

    /// We ended the connection.
    pub(super) fn ended(&mut self) {
        self.said = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_connections_that_end_within_5_s_of_a_live_message_are_enough() {
        let (mut trust, now) = (Trust::default(), Instant::now());
        let after = |ms| now + Duration::from_millis(ms);
        assert!(!trust.lost(now));
        trust.said(now);
        assert!(!trust.lost(after(5001)));
        trust.said(now);
        trust.ended();
        assert!(!trust.lost(now));
        trust.said(now);
        assert!(!trust.lost(after(5000)));
        // Nothing was said on this one.
        assert!(!trust.lost(after(5000)));
        trust.said(after(9000));
        assert!(trust.lost(after(9000)));
    }
    #[test]
    fn a_broker_that_has_outlived_a_live_message_is_trusted_again() {
        let (mut trust, now) = (Trust::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        for hour in (0..40).map(|hour| 3600 * hour) {
            // It restarts in the middle of much output.
            for second in 0..8 {
                trust.said(after(hour + second));
            }
            assert!(!trust.lost(after(hour + 8)));
        }
        trust.said(after(3600 * 40));
        assert!(trust.lost(after(3600 * 40 + 1)));
    }
}
