//! Counts of the schedules that a suite has tried.

use std::io::{self, Write};

/// The least a suite tries.
pub const LEAST: u64 = 20_000;

/// Schedules that suites by chance try in the long form, which takes minutes.
pub const LONG: u64 = 1_000_000;

/// The environment variable that asks for the long form; `tests/run --long` sets it.
pub const VARIABLE: &str = "SOCKETMAN_TESTS_LONG";

/// The seeds of a suite by chance: [`LEAST`], or [`LONG`].
pub fn seeds() -> std::ops::Range<u64> {
    match std::env::var_os(VARIABLE) {
        Some(_) => 0..LONG,
        None => 0..LEAST,
    }
}

/// Counts the schedules of a suite.
#[derive(Debug)]
pub struct Schedules {
    suite: &'static str,
    count: u64,
}

impl Schedules {
    pub fn of(suite: &'static str) -> Self {
        Schedules { suite, count: 0 }
    }

    pub fn add(&mut self, count: u64) {
        self.count += count;
    }

    /// Says how many there were, and that there are no others.
    ///
    /// # Panics
    ///
    /// Without a minimum.
    pub fn report_all(self) {
        self.say();
        assert!(self.count > 0, "no schedule was tried");
    }

    /// Says how many there were.
    ///
    /// # Panics
    ///
    /// If they were fewer than [`LEAST`].
    pub fn report(self) {
        self.say();
        let count = self.count;
        assert!(
            count >= LEAST,
            "{count} schedules, and no fewer than {LEAST}"
        );
    }

    fn say(&self) {
        // Past the test runner, which shows what is printed of failed tests only.
        let line = format!("{}: {} schedules\n", self.suite, self.count);
        let _ = io::stdout().write_all(line.as_bytes());
    }
}
