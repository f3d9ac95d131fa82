//! Upgrades: one at a time, without a worker, each at its time.

use std::time::Duration;

use tokio::time::Instant;

use super::Jobs;
use crate::jobs::guarded::Ticket;
use crate::jobs::message::Kind;
use crate::jobs::outcome::{End, Outcome};
use crate::jobs::recent::State;
use crate::jobs::run::Stop;
use crate::jobs::table::{Key, Number};
use crate::jobs::upgrades::{Due, Hold};
use crate::jobs::Source;

/// Longest time between two looks at the clock, which may be set meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

impl Jobs {
    /// The work that has to wait for an upgrade.
    pub(super) fn held(&self) -> Hold {
        *self.hold.borrow()
    }

    /// Says that the ledger stays as it is, if it has to and does.
    pub(super) fn keep_still(&self) {
        if let (Some(upgrades), Hold::Ledger) = (&self.upgrades, self.held()) {
            if self.table.is_settled() {
                upgrades.held();
            }
        }
    }

    pub(super) fn is_upgrade(&self, number: Number) -> bool {
        let job = self.table.job(number);
        job.is_some_and(|job| job.kind == Kind::Upgrade)
    }

    /// Starts the upgrade whose time has come, unless one is under way.
    pub(super) fn start_upgrade(&mut self) {
        let Some(upgrades) = self.upgrades.clone() else {
            return;
        };
        let is_busy = self.table.is_upgrading() || self.held() != Hold::Nothing;
        let waiting = match self.closing || is_busy || !self.can_record() {
            true => Vec::new(),
            false => self.table.waiting_upgrades(),
        };
        self.upgrade_at = None;
        let mut next: Option<(Number, Duration)> = None;
        for number in waiting {
            let Some(job) = self.table.job(number) else {
                continue;
            };
            let since = self.live.get(&number).map(|live| live.since);
            let waited = since.map_or(Duration::ZERO, |since| since.elapsed());
            let clock = self.gate.now();
            let due = upgrades.due(&job.msg, clock, waited);
            let is_signed = self.table.source(number) == Some(Source::Mqtt);
            let judged = match due {
                _ if !is_signed => Ok(()),
                Due::Now => self.gate.again(job),
                Due::In(_) | Due::Never(_) => self.gate.in_time(job),
            };
            if let Err(refusal) = judged {
                let reason = Some(refusal.to_string());
                self.finish(number, Outcome::without_command(End::Rejected, "", reason));
                continue;
            }
            match due {
                Due::Now => {
                    let start = self.start_now();
                    self.table.start(number, start);
                    next = None;
                    break;
                }
                Due::In(time) if next.is_none_or(|(_, least)| time < least) => {
                    next = Some((number, time));
                }
                Due::In(_) => {}
                Due::Never(reason) => {
                    let reason = Some(reason);
                    self.finish(number, Outcome::without_command(End::Processed, "", reason));
                }
            }
        }
        let pace = self.options.borrow().pace;
        self.upgrade_at = next.map(|(_, time)| Instant::now() + time.min(pace.of(LOOK_AGAIN)));
        let id = |number| self.table.id(number).cloned();
        let next = next.and_then(|(number, time)| Some((id(number)?, time)));
        upgrades.waits(next.as_ref().map(|(id, time)| (&**id, *time)));
    }

    fn ticket(&self, number: Number) -> Option<Ticket> {
        let source = self.table.source(number)?;
        let id = self.table.id(number)?;
        Some(Ticket {
            key: Key::new(source, id).to_string(),
            id: id.to_string(),
            detach: false,
        })
    }

    pub(super) fn run_upgrade(&mut self, number: Number) {
        let msg = self.table.take_command(number).unwrap_or_default();
        let stopped = self.stoppable(number, None);
        let (Some(upgrades), Some(ticket)) = (&self.upgrades, self.ticket(number)) else {
            return;
        };
        let stopped = Box::pin(async move { matches!(stopped.await, Ok(Stop::Cancel)) });
        let run = upgrades.run(ticket, msg, stopped);
        self.workers.start(number, async { (run.await, None) });
        self.tell(number, State::Running);
    }

    /// Waits for the outcome of an upgrade that an earlier agent has begun.
    pub(super) fn resume_upgrade(&mut self, number: Number) {
        let (Some(upgrades), Some(ticket)) = (&self.upgrades, self.ticket(number)) else {
            return;
        };
        let resumed = upgrades.resume(ticket);
        self.workers.start(number, async { (resumed.await, None) });
    }

    pub(super) fn upgrade_recorded(&self, number: Number) {
        if let (Some(upgrades), Some(key)) = (&self.upgrades, self.key_of_upgrade(number)) {
            upgrades.recorded(&key);
        }
    }

    pub(super) fn upgrade_taken(&self, number: Number) {
        if let (Some(upgrades), Some(key)) = (&self.upgrades, self.key_of_upgrade(number)) {
            upgrades.taken(&key);
        }
    }

    fn key_of_upgrade(&self, number: Number) -> Option<String> {
        let outcome = self.table.outcome(number)?;
        let is_it = outcome.type_name == crate::jobs::UPGRADE;
        self.ticket(number)
            .filter(|_| is_it)
            .map(|ticket| ticket.key)
    }

    /// Has the upgrade of an earlier agent forgotten for which the ledger does not wait.
    pub(super) fn forget_unknown_upgrade(&self) {
        if let Some(upgrades) = &self.upgrades {
            if let Some(left) = upgrades.left().filter(|left| !self.has_started(left)) {
                upgrades.recorded(&left);
            }
        }
    }
}
