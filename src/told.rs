//! Counts of unit tests, printed past the test runner, which shows what is printed of failed tests only.

use std::fmt::Arguments;
use std::io::{self, Write};

/// Prints a line.
pub(crate) fn line(words: Arguments<'_>) {
    // A test does not fail because nobody reads what it says.
    let _ = io::stdout().write_all(format!("{words}\n").as_bytes());
}
