//! The jobs a person may look at.

use serde::Serialize;

use super::outcome::{cut_streams, End, FloorCharBoundary, Outcome};
use super::source::Source;

/// Of a command, bytes.
const COMMAND_MAX: usize = 200;

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

/// A job without its output.
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

/// A job with its output.
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
    /// Its change was undone.
    #[serde(skip_serializing_if = "is_false")]
    pub rolled_back: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Detail {
    /// Keeps at most `max` bytes of output, both streams together.
    pub fn cut(&mut self, max: usize) {
        self.truncated |= cut_streams(&mut self.output, &mut self.stderr, max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_reads_as_the_bus_shows_it() {
        let summary = Summary {
            id: "a".into(),
            type_name: String::new(),
            state: State::Done,
            started: Some(7),
            duration_ms: Some(0),
            exit_code: None,
            success: Some(true),
            source: Source::Ubus,
        };
        assert_eq!(
            serde_json::to_string(&[summary]).unwrap(),
            r#"[{"id":"a","type":"","state":"done","started":7,"duration_ms":0,"success":true,"source":"ubus"}]"#
        );
    }

    #[test]
    fn a_long_command_is_shown_by_its_beginning() {
        assert_eq!(beginning("true"), "true");
        let shown = beginning(&"é".repeat(200));
        assert_eq!(shown, "é".repeat(100) + "…");
    }
}
