//! The host's account of a spool, and its judgement of what a start finds.

use std::collections::BTreeSet;
use std::panic::{catch_unwind, AssertUnwindSafe};

use super::{Found, Said, Taken};
use crate::power::ensure;
use crate::reports::ledger::{Collected, Id, Ledger};
use crate::reports::report;

/// The spool as the host knows it.
#[derive(Debug, Clone, Default)]
pub struct Account {
    ledger: Ledger,
    /// Reports that were on flash when the device last restarted in peace, and have not arrived.
    kept: BTreeSet<Id>,
    /// All that were on flash then: they cannot declare what is lost later.
    old: BTreeSet<Id>,
    /// Reports that have arrived since.
    since: BTreeSet<Id>,
}

impl Account {
    /// # Errors
    ///
    /// A line that is not what it was, or comes again for no reason.
    pub fn hear(&mut self, said: &Said) -> Result<(), String> {
        match said {
            Said::Collected(taken) => self.collected(taken),
            Said::Arrived(lines) => {
                for line in lines {
                    let id = carefully(|| self.ledger.send(line.as_bytes(), "arrived"))?;
                    let noted =
                        self.ledger.arrived.contains(&id) && !self.ledger.unnoticed.contains(&id);
                    ensure(!noted, || format!("spool: {id:?} comes again"))?;
                    self.ledger.arrived.insert(id);
                    self.kept.remove(&id);
                    self.since.insert(id);
                }
            }
            Said::Unnoticed(ids) => self.ledger.unnoticed.extend(ids),
            Said::Restarted(ids) => {
                self.ledger.power_cuts += 1;
                self.old = ids.iter().copied().collect();
                self.since.clear();
                let waits = ids.iter().copied();
                self.kept = waits
                    .filter(|id| !self.ledger.arrived.contains(id))
                    .collect();
                let back = ids.iter().filter(|id| self.ledger.arrived.contains(id));
                self.ledger.unnoticed.extend(back);
            }
        }
        Ok(())
    }

    fn collected(&mut self, taken: &Taken) {
        let collected = Collected {
            at: taken.at,
            clock: taken.at,
            synced: true,
        };
        self.ledger
            .collected
            .insert((taken.boot, taken.seq), collected);
    }

    /// # Errors
    ///
    /// After so many power cuts, something is neither there nor declared.
    pub fn judge(&self, found: &Found, cuts: u64) -> Result<(), String> {
        let mut after = self.clone();
        let ids = after.cut(found, cuts)?;
        after.ledger.arrived.extend(&ids);
        let mut new = self.since.union(&ids).filter(|id| !self.old.contains(id));
        let gaps = after.ledger.gaps_in(&mut new);
        let declared: u64 = gaps.iter().filter_map(|gap| gap.count).sum();
        let missing: Vec<_> = self.kept.difference(&ids).collect();
        ensure(missing.len() as u64 <= declared, || {
            format!("spool: {missing:?} were on flash; declared are {gaps:?}")
        })?;
        carefully(|| after.ledger.check("spool"))
    }

    /// The power was cut, and this is what waits.
    fn cut(&mut self, found: &Found, cuts: u64) -> Result<BTreeSet<Id>, String> {
        self.ledger.ends += cuts;
        self.ledger.power_cuts += cuts;
        found
            .collected
            .iter()
            .for_each(|taken| self.collected(taken));
        let lines = || found.lines.iter().map(|line| line.as_bytes());
        let ids: BTreeSet<Id> = carefully(|| lines().map(report::id).collect())?;
        let back = ids.iter().filter(|id| self.ledger.arrived.contains(id));
        self.ledger.unnoticed.extend(back);
        for line in lines() {
            carefully(|| self.ledger.send(line, "found"))?;
        }
        Ok(ids)
    }

    /// Goes on from a start whose findings were right.
    ///
    /// # Errors
    ///
    /// A line that is not what it was.
    pub fn go_on(&mut self, found: &Found) -> Result<(), String> {
        let ids = self.cut(found, 1)?;
        self.kept.retain(|id| ids.contains(id));
        Ok(())
    }
}

/// The words of an assertion that does not hold.
fn carefully<T>(check: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(check)).map_err(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        words.unwrap_or_else(|| "an assertion failed".to_owned())
    })
}
