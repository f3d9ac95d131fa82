//! A log: every record that was certain is there, once and in order.

use std::collections::BTreeSet;

use durable::Log;
use serde::{Deserialize, Serialize};

use super::ensure;
use super::medium::Medium;

/// A log longer than this is replaced by its last record, bytes.
const LONG: u64 = 64 << 10;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Said {
    /// The record may be there from now on.
    Begins(u64),
    /// All up to this one are there.
    Certain(u64),
    /// The log may begin with this one from now on, …
    Replaces(u64),
    /// … and does.
    Replaced(u64),
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Found {
    /// First and last of records without one missing between them.
    pub ranges: Vec<(u64, u64)>,
    /// Records with other bytes than were written.
    pub wrong: u64,
}

impl Found {
    fn has(&self, sequence: u64) -> bool {
        let mut ranges = self.ranges.iter();
        ranges.any(|(first, last)| (*first..=*last).contains(&sequence))
    }
}

/// The log in the machine.
#[derive(Debug)]
pub struct Records {
    disk: Medium,
    log: Log,
}

impl Records {
    /// Opens the log.
    ///
    /// # Errors
    ///
    /// It cannot be read or synced.
    pub fn open(mut disk: Medium) -> Result<(Self, Found), String> {
        let mut found = Found::default();
        let mut visit = |sequence: u64, bytes: &[u8]| {
            match found.ranges.last_mut() {
                Some((_, last)) if *last + 1 == sequence => *last = sequence,
                _ => found.ranges.push((sequence, sequence)),
            }
            found.wrong += u64::from(payload(sequence) != bytes);
        };
        let failed = |error| format!("log: {error}");
        let (mut log, _) = Log::open(&mut disk, "log", &mut visit).map_err(failed)?;
        log.sync(&mut disk).map_err(failed)?;
        Ok((Records { disk, log }, found))
    }

    pub fn act(&mut self, rng: &mut fastrand::Rng, say: &mut dyn FnMut(Said)) {
        for _ in 0..rng.u8(1..8) {
            let next = self.log.next_sequence();
            say(Said::Begins(next));
            if self.log.append(&mut self.disk, &payload(next)).is_err() {
                return;
            }
        }
        if rng.u8(..4) == 0 {
            return;
        }
        let last = self.log.next_sequence() - 1;
        if self.log.sync(&mut self.disk).is_ok() {
            say(Said::Certain(last));
        }
        if self.log.size() > LONG {
            self.replace(say);
        }
    }

    fn replace(&mut self, say: &mut dyn FnMut(Said)) {
        let next = self.log.next_sequence();
        say(Said::Begins(next));
        say(Said::Replaces(next));
        let mut one = std::iter::once(payload(next));
        if self.log.replace(&mut self.disk, &mut one).is_ok() {
            say(Said::Replaced(next));
            say(Said::Certain(next));
        }
    }
}

/// The bytes of a record: up to 3 KiB.
fn payload(sequence: u64) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(sequence);
    let mut bytes = vec![0; rng.usize(1..3000)];
    rng.fill(&mut bytes);
    bytes
}

/// The log as the host knows it.
#[derive(Debug, Clone)]
pub struct Account {
    begun: u64,
    certain: u64,
    /// Sequences with which the log may begin.
    firsts: BTreeSet<u64>,
    /// Sequences between others that were lost before they were certain.
    lost: BTreeSet<u64>,
}

impl Default for Account {
    fn default() -> Self {
        Account {
            begun: 0,
            certain: 0,
            firsts: [1].into(),
            lost: BTreeSet::new(),
        }
    }
}

impl Account {
    pub fn hear(&mut self, said: Said) {
        match said {
            Said::Begins(sequence) => self.begun = self.begun.max(sequence),
            Said::Certain(sequence) => self.certain = self.certain.max(sequence),
            Said::Replaces(first) => drop(self.firsts.insert(first)),
            Said::Replaced(first) => self.firsts = [first].into(),
        }
    }

    /// # Errors
    ///
    /// Records are missing that were certain, or there are some that nobody wrote.
    pub fn judge(&self, found: &Found) -> Result<(), String> {
        let say = || format!("log: {found:?}, and {self:?}");
        ensure(found.wrong == 0, say)?;
        let (Some(&(first, _)), Some(&(_, last))) = (found.ranges.first(), found.ranges.last())
        else {
            return ensure(self.certain == 0, say);
        };
        ensure(self.firsts.contains(&first) && last <= self.begun, say)?;
        let mut certain = (first..=self.certain).filter(|sequence| !self.lost.contains(sequence));
        ensure(certain.all(|sequence| found.has(sequence)), say)
    }

    /// Goes on from a start whose findings were right.
    pub fn go_on(&mut self, found: &Found) {
        if let (Some((first, _)), Some((_, last))) = (found.ranges.first(), found.ranges.last()) {
            self.firsts = [*first].into();
            self.certain = *last;
            self.lost = (*first..*last)
                .filter(|sequence| !found.has(*sequence))
                .collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(said: &[Said]) -> Account {
        let mut account = Account::default();
        said.iter().for_each(|said| account.hear(*said));
        account
    }

    fn found(ranges: &[(u64, u64)]) -> Found {
        Found {
            ranges: ranges.to_vec(),
            wrong: 0,
        }
    }

    #[test]
    fn a_record_that_was_certain_may_not_be_missing_and_one_that_was_not_may() {
        let account = account(&[Said::Begins(1), Said::Begins(3), Said::Certain(2)]);
        assert!(account.judge(&found(&[(1, 3)])).is_ok());
        assert!(account.judge(&found(&[(1, 2)])).is_ok());
        for lost in [&[][..], &[(1, 1)], &[(2, 3)], &[(1, 1), (3, 3)], &[(1, 4)]] {
            assert!(account.judge(&found(lost)).is_err(), "{lost:?}");
        }
    }

    #[test]
    fn a_log_begins_where_it_was_replaced_for_certain_or_about_to() {
        let mut account = account(&[Said::Begins(9), Said::Certain(8), Said::Replaces(9)]);
        assert!(account.judge(&found(&[(1, 8)])).is_ok());
        assert!(account.judge(&found(&[(9, 9)])).is_ok());
        account.hear(Said::Replaced(9));
        account.hear(Said::Certain(9));
        assert!(account.judge(&found(&[(1, 8)])).is_err());
    }
}
