//! Trust in a broker that it takes live output. MQTT 3.1.1 has no answer to a message that a broker does not
//! want: it closes the connection.

use std::time::Duration;

use tokio::time::Instant;

/// A connection that ends so soon after a live message may have ended for it.
const SOON: Duration = Duration::from_secs(5);

/// Such ends after which nothing live is sent any more.
const TIMES: u8 = 2;

/// Ends of connections that came soon after a live message. Kept over connections.
#[derive(Debug, Default)]
pub(super) struct Trust {
    /// When a live message was sent on this connection.
    said: Option<Instant>,
    ends: u8,
}

impl Trust {
    /// A live message was sent.
    pub(super) fn said(&mut self, now: Instant) {
        self.said = Some(now);
    }

    /// The connection ended, and not by ourselves. Returns whether that was once too often.
    pub(super) fn lost(&mut self, now: Instant) -> bool {
        if self.said.take().is_some_and(|said| now <= said + SOON) {
            self.ends = self.ends.saturating_add(1);
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
}
