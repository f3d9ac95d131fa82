//! The last requests that a disk has answered, and the words that the machine had said by then: for a verdict on a cut
//! that is wrong.

use std::collections::VecDeque;
use std::fmt;

/// Requests that are kept.
const KEPT: usize = 600;

/// A change of a disk, in sectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Into the cache.
    Write { first: u64, sectors: u64 },
    /// To the medium.
    WriteThrough { first: u64, sectors: u64 },
    /// The cache, of so many writes, to the medium.
    Flush { cached: usize },
    /// The power was cut: of the cache these were kept, and these lost, oldest first.
    Cut { kept: Vec<u64>, lost: Vec<u64> },
}

/// The last requests, oldest first, with the bytes on the [`Board`](crate::power::board::Board) before the answer.
#[derive(Debug, Clone, Default)]
pub struct Trace(VecDeque<(u64, Act)>);

impl Trace {
    pub fn push(&mut self, said: u64, act: Act) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back((said, act));
    }

    /// The requests among `words`, each with the bytes on the board when it was there: a word stands before the first
    /// request that was answered after it.
    pub fn beside(&self, words: &[(u64, String)]) -> String {
        let mut words = words.iter().peekable();
        let mut lines = Vec::new();
        let first = self.0.front().map_or(0, |(said, _)| *said);
        for (said, act) in &self.0 {
            while let Some((end, word)) = words.next_if(|(end, _)| end <= said) {
                if *end > first {
                    lines.push(format!("{end:9}  {word}"));
                }
            }
            lines.push(format!("{said:9}    {act}"));
        }
        lines.extend(words.map(|(end, word)| format!("{end:9}  {word}")));
        lines.join("\n")
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Act::Write { first, sectors } => write!(f, "write {first}+{sectors}"),
            Act::WriteThrough { first, sectors } => write!(f, "write through {first}+{sectors}"),
            Act::Flush { cached } => write!(f, "flush of {cached}"),
            Act::Cut { kept, lost } => write!(f, "cut: kept {kept:?}, lost {lost:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stands_before_the_first_request_that_was_answered_after_it() {
        let mut trace = Trace::default();
        for (said, cached) in [(10, 1), (20, 2), (30, 3)] {
            trace.push(said, Act::Flush { cached });
        }
        let words = [(5, "old"), (20, "two"), (25, "three"), (40, "last")];
        let words = words.map(|(end, word)| (end, word.to_owned()));
        let text = trace.beside(&words);
        let shown: Vec<&str> = text.split_whitespace().collect();
        let expected = "10 flush of 1 20 two 20 flush of 2 25 three 30 flush of 3 40 last";
        assert_eq!(shown.join(" "), expected);
    }

    #[test]
    fn old_requests_are_forgotten() {
        let mut trace = Trace::default();
        for said in 0..2 * KEPT as u64 {
            trace.push(said, Act::Flush { cached: 0 });
        }
        assert_eq!(trace.beside(&[]).lines().count(), KEPT);
    }
}
