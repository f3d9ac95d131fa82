//! Signs of life, deadlines, and what is answered.

use std::future::Future;
use std::io;
use std::task::Context;

use tokio::time::Instant;

use super::{End, Link};

const PINGREQ: [u8; 2] = [0xc0, 0];

impl Link {
    /// Asks for a sign of life in time, and ends the connection when one does not come.
    pub(super) fn keep_alive(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let now = Instant::now();
        if self.watch.state().paused {
            // It is we who do not listen.
            self.heard = now;
        }
        let silent = self.keepalive.mul_f64(1.5) + self.awaited.allowance();
        if now >= self.heard + silent {
            return Err(self.fail(End::Silent(silent)));
        }
        let answer = self.awaited.next_due();
        if let Some((due, asked, within)) = answer {
            if now >= due {
                return Err(self.fail(End::Unanswered(asked, within)));
            }
        }
        let due = self.ping_due();
        if due.is_some_and(|due| now >= due) {
            self.ping(now);
        }
        let dues = [self.ping_due(), answer.map(|(due, _, _)| due)];
        let next = dues
            .into_iter()
            .flatten()
            .fold(self.heard + silent, Instant::min);
        if self.timer.deadline() != next {
            self.timer.as_mut().reset(next);
        }
        if self.timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    /// Sends what the session wants between the packets of the library, with a PINGREQ behind it: its answer
    /// shows that the broker has everything.
    pub(super) fn say_what_is_wanted(&mut self) {
        let mut state = self.watch.state();
        if !self.accepted || !state.ask {
            return;
        }
        state.ask = false;
        let wanted = std::mem::take(&mut state.wanted);
        drop(state);
        if !wanted.is_empty() {
            self.owe(&wanted);
            self.said = Some(self.awaited.sent_so_far());
        }
        self.ping(Instant::now());
    }

    fn ping(&mut self, now: Instant) {
        (self.sent, self.pinged) = (now, now);
        self.owe(&PINGREQ);
        self.awaited.pinged(now);
        self.count();
    }

    /// Notes how much of what was sent is answered.
    pub(super) fn count(&mut self) {
        let quiet = self.awaited.is_quiet();
        if quiet {
            let sent = self.awaited.sent_so_far();
            self.room.all_answered(sent, Instant::now());
        }
        let said = self.said.take_if(|end| self.awaited.has_answer_to(*end));
        let mut state = self.watch.state();
        if said.is_some() {
            state.said = false;
        }
        state.unacknowledged = self.awaited.messages();
        state.room = self.room.bytes();
        state.proof = self.awaited.proof();
        state.asking = self.awaited.is_asking();
        state.quiet = quiet && state.wanted.is_empty();
    }

    /// When a PINGREQ is due, once the broker has accepted us. Both sides count: a broker ends a connection
    /// on which it hears nothing of us, and when we hear nothing of it, the rest of the 1.5 keepalives is
    /// left for its answer.
    fn ping_due(&self) -> Option<Instant> {
        let since = match self.pinged > self.heard {
            // Asked already.
            true => self.sent,
            false => self.sent.min(self.heard),
        };
        let due = since + self.keepalive.mul_f64(0.75);
        let due = self.awaited.doubt_due().map_or(due, |doubt| due.min(doubt));
        Some(due).filter(|_| self.accepted)
    }
}
