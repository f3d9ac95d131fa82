//! The commands of handles.

use super::Jobs;
use crate::jobs::{Command, Decision, Detail, RunError, Source, State};

impl Jobs {
    pub(super) fn obey(&mut self, command: Command) {
        // An asker that has gone misses no answer.
        match command {
            Command::Submit { decision, .. } if self.closing => {
                drop(decision.send(Decision::Closed));
            }
            Command::Submit {
                payload,
                source,
                decision,
            } => self.submit(&payload, source, decision),
            Command::Run { answer, .. } if self.closing => {
                let stopping = RunError::Rejected("the agent is stopping".into());
                drop(answer.send(Err(stopping)));
            }
            Command::Run { request, answer } => self.run_local(request, answer),
            Command::Recent { answer } => drop(answer.send(self.table.recent())),
            Command::Job { id, answer } => drop(answer.send(self.detail(&id))),
        }
    }

    /// A job of the bus, or else of the broker.
    fn detail(&self, id: &str) -> Option<Detail> {
        let of = |source| self.table.number(source, id);
        let number = of(Source::Ubus).or_else(|| of(Source::Mqtt))?;
        let mut detail = self.table.detail(number)?;
        let live = self.live.get(&number);
        if let Some(output) = live.and_then(|live| live.output.as_ref()) {
            if detail.summary.state == State::Running {
                (detail.output, detail.stderr, detail.truncated) = output.snapshot();
            }
        }
        Some(detail)
    }
}
