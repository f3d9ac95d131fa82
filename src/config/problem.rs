//! Problems of a configuration, in words for people.

use std::fmt;

use serde::Serialize;

/// A fault of the configuration, or a value that was changed in it. Never holds the value
/// of a secret option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Name of the option, or the unknown key; none when it is the file as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub option: Option<String>,
    /// A file, or `command line`.
    pub source: String,
    /// Counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        match &self.option {
            Some(option) => write!(f, ": option '{option}': {}", self.reason),
            None => write!(f, ": {}", self.reason),
        }
    }
}

/// Most problems kept per list; what comes after them is counted.
pub const MAX_PROBLEMS: usize = 64;

/// Problems in the order they were found, bounded.
#[derive(Debug, Default)]
pub(super) struct Problems {
    kept: Vec<Problem>,
    more: usize,
}

impl Problems {
    /// Adds a problem, and says where it stands if there was room for it.
    pub(super) fn push(&mut self, problem: Problem) -> Option<usize> {
        if self.kept.len() == MAX_PROBLEMS {
            self.more += 1;
            return None;
        }
        self.kept.push(problem);
        Some(self.kept.len() - 1)
    }

    /// Adds words to the reason of the problem that `push` put there.
    pub(super) fn amend(&mut self, at: Option<usize>, words: &str) {
        if let Some(problem) = at.and_then(|at| self.kept.get_mut(at)) {
            problem.reason += words;
        }
    }

    /// The list, with a last entry that says how many were left out.
    pub(super) fn finish(mut self, source: &str) -> Vec<Problem> {
        if self.more > 0 {
            self.kept.push(Problem {
                option: None,
                source: source.into(),
                line: None,
                reason: format!("{} more like these", self.more),
            });
        }
        self.kept
    }
}
