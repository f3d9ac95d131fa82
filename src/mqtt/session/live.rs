//! Output of running jobs on a session: it goes when nothing else does, and never holds anything up.
//!
//! A message goes only when the broker has answered everything that was sent, with a PINGREQ behind it; so one
//! at most is on its way, and a result waits for that one at most. That is more than TCP's acknowledgement,
//! which comes from the kernel of a broker that does not read, or from a proxy.

use std::time::Duration;

use tokio::time::Instant;

use super::Session;

/// Time between two questions whether the broker has everything, while other messages go to and fro.
const ASK_AGAIN: Duration = Duration::from_millis(50);

impl Session<'_> {
    /// True if output of running jobs may go or be asked for, with from when on: everything else comes first.
    pub(super) fn may_go_live(&self) -> (bool, Instant) {
        let supply = &self.around.supply;
        let now = Instant::now();
        let (idle, quiet) = (supply.replies.is_empty(), self.link.is_quiet());
        let open = self.ready && supply.live.is_on() && idle;
        let from = if quiet { now } else { self.ask_from };
        (open && (quiet || !self.link.is_asking()), from)
    }

    /// Sends output of a running job if the broker has everything that was sent before, else asks it whether it
    /// has.
    pub(super) fn go_live(&mut self) {
        let now = Instant::now();
        let supply = &mut *self.around.supply;
        if !supply.replies.is_empty() {
            return;
        }
        if !self.link.is_quiet() {
            self.ask_from = now + ASK_AGAIN;
            self.link.ask();
        } else if let Some(payload) = supply.live.take(self.link.room()) {
            self.link.say(&self.around.topics.live, &payload);
            supply.trust.said(now);
        }
    }

    /// The connection ended: a live message may have been the reason.
    pub(super) fn blame_live(&mut self) {
        let supply = &mut *self.around.supply;
        if supply.trust.lost(Instant::now()) && supply.live.is_on() {
            log::warn!(
                "broker: no live output of jobs until the agent starts again: two connections ended \
                 within 5 s of it (is its topic forbidden?)"
            );
            supply.live.switch_off();
            self.around.facts.send_modify(|facts| facts.live_off = true);
        }
    }
}
