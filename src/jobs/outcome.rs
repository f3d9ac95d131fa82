//! Outcomes of jobs.

use std::sync::Arc;
use std::time::Duration;

/// The end of a job, and so the `event_type` of its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It ran, or was stopped while running or waiting.
    Processed,
    /// It was accepted but may not run any more.
    Rejected,
    /// The agent ended before the job did.
    Interrupted,
}

/// The results that a job left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub end: End,
    /// `meta.type` of the job.
    pub type_name: String,
    pub success: bool,
    /// Exit code of the shell, if it exited.
    pub exit_code: Option<i32>,
    /// Signal that ended the shell, if one did.
    pub signal: Option<i32>,
    /// Of the command; `None` for a job that ended so long ago that nobody knows it any more.
    pub duration: Option<Duration>,
    /// Output, invalid UTF-8 replaced.
    pub stdout: String,
    pub stderr: String,
    /// Output was dropped.
    pub truncated: bool,
    /// Its change was undone.
    pub rolled_back: bool,
    /// Why it did not end by itself.
    pub reason: Option<String>,
}

impl Outcome {
    /// An outcome without a command.
    pub fn without_command(end: End, type_name: &str, reason: Option<String>) -> Self {
        Outcome {
            end,
            type_name: type_name.to_string(),
            success: end == End::Processed && reason.is_none(),
            exit_code: None,
            signal: None,
            duration: Some(Duration::ZERO),
            stdout: String::new(),
            stderr: String::new(),
            truncated: false,
            rolled_back: false,
            reason,
        }
    }

    /// Bytes of output it holds.
    pub fn output_len(&self) -> usize {
        self.stdout.len() + self.stderr.len()
    }

    /// Keeps at most `max` bytes of output, both streams together, cut on character boundaries.
    pub fn cut(&mut self, max: usize) {
        self.truncated |= cut_streams(&mut self.stdout, &mut self.stderr, max);
    }

    /// A copy with at most `max` bytes of output.
    /// The outcome itself if its output has at most `max` bytes, or one that does.
    pub fn brief_of(self: &Arc<Self>, max: usize) -> Arc<Self> {
        match self.output_len() <= max {
            true => Arc::clone(self),
            false => Arc::new(self.brief(max)),
        }
    }

    pub fn brief(&self, max: usize) -> Self {
        let mut brief = self.clone();
        brief.cut(max);
        brief
    }
}

/// Cuts both streams to `max` bytes together, on character boundaries; true if something was cut.
pub(super) fn cut_streams(stdout: &mut String, stderr: &mut String, max: usize) -> bool {
    if stdout.len() + stderr.len() <= max {
        return false;
    }
    let (first, second) = share(max, stdout.len(), stderr.len());
    for (stream, room) in [(stdout, first), (stderr, second)] {
        stream.truncate(stream.floor_char_boundary_at(room));
        stream.shrink_to_fit();
    }
    true
}

/// Divides `room` between two streams: each gets what it needs up to half, and what the other
/// leaves.
pub(super) fn share(room: usize, stdout: usize, stderr: usize) -> (usize, usize) {
    let half = room / 2;
    if stdout <= half {
        (stdout, stderr.min(room - stdout))
    } else if stderr <= half {
        (stdout.min(room - stderr), stderr)
    } else {
        (room - half, half)
    }
}

/// `str::floor_char_boundary` is younger than the oldest compiler we build with.
pub(super) trait FloorCharBoundary {
    fn floor_char_boundary_at(&self, at: usize) -> usize;
}

impl FloorCharBoundary for str {
    fn floor_char_boundary_at(&self, at: usize) -> usize {
        if at >= self.len() {
            return self.len();
        }
        (0..=at)
            .rev()
            .find(|at| self.is_char_boundary(*at))
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(stdout: &str, stderr: &str) -> Outcome {
        Outcome {
            stdout: stdout.into(),
            stderr: stderr.into(),
            ..Outcome::without_command(End::Processed, "", None)
        }
    }

    #[test]
    fn a_cut_falls_between_characters_and_says_so() {
        let brief = outcome("ééé", "").brief(3);
        assert_eq!((brief.stdout.as_str(), brief.truncated), ("é", true));
        let whole = outcome("ééé", "x").brief(7);
        assert_eq!((whole.stdout.as_str(), whole.truncated), ("ééé", false));
    }

    #[test]
    fn each_stream_keeps_half_and_what_the_other_leaves() {
        assert_eq!(share(10, 100, 100), (5, 5));
        assert_eq!(share(10, 2, 100), (2, 8));
        assert_eq!(share(10, 100, 3), (7, 3));
        assert_eq!(share(0, 1, 1), (0, 0));
    }
}
