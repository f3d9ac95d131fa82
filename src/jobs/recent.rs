//! The jobs a person may look at.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Serialize;

use super::ledger::BRIEF;
use super::outcome::{cut_streams, End, FloorCharBoundary, Outcome};
use super::reply::millis;

/// Jobs remembered.
const RECENT_MAX: usize = 50;

/// Of a command, bytes.
const COMMAND_MAX: usize = 200;

/// Output kept for them, bytes; beyond it the older ones keep their first 4 KiB.
const OUTPUT_MAX: usize = 1024 * 1024;

/// Where a job came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    Mqtt,
    Ubus,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Queued,
    Running,
    /// Ended with success.
    Done,
    /// Ended without success.
    Failed,
    /// Refused after it was accepted.
    Rejected,
    /// The agent ended first.
    Interrupted,
}

impl State {
    pub(crate) fn of(outcome: &Outcome) -> Self {
        match outcome.end {
            End::Processed if outcome.success => State::Done,
            End::Processed => State::Failed,
            End::Rejected => State::Rejected,
            End::Interrupted => State::Interrupted,
        }
    }
}

/// The beginning of a command, as people are shown it: 200 bytes at most, and `…` if there are more.
pub(super) fn beginning(command: &str) -> String {
    let cut = command.floor_char_boundary_at(COMMAND_MAX);
    let more = if cut < command.len() { "…" } else { "" };
    format!("{}{more}", &command[..cut])
}

/// One job without its output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub id: String,
    #[serde(rename = "type")]
    pub type_name: String,
    pub state: State,
    /// Seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success: Option<bool>,
    pub source: Source,
}

/// One job with its output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Detail {
    #[serde(flatten)]
    pub summary: Summary,
    /// The first 200 bytes of `msg`; `…` follows if there are more.
    pub command: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub output: String,
    pub stderr: String,
    pub truncated: bool,
}

impl Detail {
    /// Keeps at most `max` bytes of output, both streams together.
    pub fn cut(&mut self, max: usize) {
        self.truncated |= cut_streams(&mut self.output, &mut self.stderr, max);
    }
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: Arc<str>,
    pub(super) type_name: String,
    /// As [`beginning`] shows it.
    pub(super) command: String,
    pub(super) source: Source,
    pub(super) started: Option<u64>,
    pub(super) outcome: Option<Arc<Outcome>>,
}

impl Entry {
    pub(super) fn summary(&self) -> Summary {
        let outcome = self.outcome.as_deref();
        Summary {
            id: self.id.to_string(),
            type_name: self.type_name.clone(),
            state: match outcome {
                Some(outcome) => State::of(outcome),
                None if self.started.is_some() => State::Running,
                None => State::Queued,
            },
            started: self.started,
            duration_ms: outcome.map(|outcome| millis(outcome.duration)),
            exit_code: outcome.and_then(|outcome| outcome.exit_code),
            success: outcome.map(|outcome| outcome.success),
            source: self.source,
        }
    }

    pub(super) fn detail(&self) -> Detail {
        let outcome = self.outcome.as_deref();
        Detail {
            summary: self.summary(),
            command: self.command.clone(),
            signal: outcome.and_then(|outcome| outcome.signal),
            reason: outcome.and_then(|outcome| outcome.reason.clone()),
            output: outcome.map_or_else(String::new, |outcome| outcome.stdout.clone()),
            stderr: outcome.map_or_else(String::new, |outcome| outcome.stderr.clone()),
            truncated: outcome.is_some_and(|outcome| outcome.truncated),
        }
    }
}

/// The last jobs accepted, oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<Entry>);

impl Recent {
    pub(super) fn add(&mut self, entry: Entry) {
        if self.0.len() >= RECENT_MAX {
            self.0.pop_front();
        }
        self.0.push_back(entry);
    }

    pub(super) fn get(&self, id: &str) -> Option<&Entry> {
        self.0.iter().rev().find(|entry| &*entry.id == id)
    }

    pub(super) fn started(&mut self, id: &str, at: u64) {
        if let Some(entry) = self.find(id) {
            entry.started = Some(at);
        }
    }

    pub(super) fn finished(&mut self, id: &str, outcome: Arc<Outcome>) {
        let Some(entry) = self.find(id) else {
            return;
        };
        entry.outcome = Some(outcome);
        let mut room = OUTPUT_MAX;
        for outcome in self.0.iter_mut().rev().filter_map(|e| e.outcome.as_mut()) {
            if outcome.output_len() > room.max(BRIEF) {
                *outcome = Arc::new(outcome.brief(BRIEF));
            }
            room = room.saturating_sub(outcome.output_len());
        }
    }

    /// Newest first.
    pub(super) fn summaries(&self) -> Vec<Summary> {
        self.0.iter().rev().map(Entry::summary).collect()
    }

    fn find(&mut self, id: &str) -> Option<&mut Entry> {
        self.0.iter_mut().rev().find(|entry| &*entry.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(recent: &mut Recent, id: &str, bytes: usize) {
        recent.add(Entry {
            id: id.into(),
            type_name: String::new(),
            command: String::new(),
            source: Source::Ubus,
            started: None,
            outcome: None,
        });
        recent.started(id, 7);
        let outcome = Outcome {
            stdout: "x".repeat(bytes),
            ..Outcome::without_command(End::Processed, "", None)
        };
        recent.finished(id, Arc::new(outcome));
    }

    #[test]
    fn the_last_fifty_are_shown_newest_first() {
        let mut recent = Recent::default();
        for n in 0..60 {
            add(&mut recent, &n.to_string(), 0);
        }
        let summaries = recent.summaries();
        assert_eq!(summaries.len(), 50);
        assert_eq!((&*summaries[0].id, &*summaries[49].id), ("59", "10"));
        assert_eq!(summaries[0].state, State::Done);
    }

    #[test]
    fn output_beyond_the_bound_is_cut_from_the_oldest() {
        let mut recent = Recent::default();
        for n in 0..4 {
            add(&mut recent, &n.to_string(), OUTPUT_MAX / 2);
        }
        let kept = |id| recent.get(id).unwrap().detail().output.len();
        assert_eq!(
            [kept("3"), kept("2"), kept("1"), kept("0")],
            [OUTPUT_MAX / 2, OUTPUT_MAX / 2, BRIEF, BRIEF]
        );
    }

    #[test]
    fn a_summary_reads_as_the_bus_shows_it() {
        let mut recent = Recent::default();
        add(&mut recent, "a", 1);
        assert_eq!(
            serde_json::to_string(&recent.summaries()).unwrap(),
            r#"[{"id":"a","type":"","state":"done","started":7,"duration_ms":0,"success":true,"source":"ubus"}]"#
        );
    }
}
