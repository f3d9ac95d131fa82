//! All that the lives on one medium have said, and what must be true of it.

use crate::power::word::{Found, Word};
use crate::power::{cell, jobs, records, reports, trial};

/// The accounts of all stores of a medium.
#[derive(Debug, Clone, Default)]
pub struct Account {
    cell: cell::Account,
    records: records::Account,
    reports: reports::Account,
    jobs: jobs::Account,
    trial: trial::Account,
    /// Words heard.
    pub heard: u64,
}

impl Account {
    /// # Errors
    ///
    /// A life that has failed, or contradicts itself.
    pub fn hear(&mut self, word: &Word) -> Result<(), String> {
        self.heard += 1;
        match word {
            Word::Cell(said) => self.cell.hear(*said),
            Word::Records(said) => self.records.hear(*said),
            Word::Reports(said) => self.reports.hear(said)?,
            Word::Jobs(said) => self.jobs.hear(said)?,
            Word::Trial(said) => self.trial.hear(*said),
            Word::Failed(words) => return Err(words.clone()),
            Word::Ready | Word::Found(_) | Word::Stopped => {}
        }
        Ok(())
    }

    /// Jobs to ask for at the next start.
    pub fn jobs(&self) -> Vec<String> {
        self.jobs.asked()
    }

    /// Judges what a start has found after so many power cuts in a row.
    ///
    /// # Errors
    ///
    /// Something certain is gone, or something gone is not declared: a line for each store.
    pub fn judge(&self, found: &Found, cuts: u64) -> Result<(), String> {
        let verdicts = [
            self.cell.judge(found.cell),
            self.records.judge(&found.records),
            self.jobs.judge(&found.jobs),
            self.trial.judge(&found.trial, cuts > 1),
            self.reports.judge(&found.reports, cuts),
        ];
        let wrong: Vec<String> = verdicts.into_iter().filter_map(Result::err).collect();
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(wrong.join("\n")),
        }
    }

    /// A life goes on from what it has found.
    ///
    /// # Errors
    ///
    /// It contradicts what was said before.
    pub fn go_on(&mut self, found: &Found) -> Result<(), String> {
        self.cell.go_on(found.cell);
        self.records.go_on(&found.records);
        self.jobs.go_on(&found.jobs);
        self.trial.go_on(&found.trial);
        self.reports.go_on(&found.reports)
    }
}
