//! A kill at every change of the directory, one after the other.

use std::collections::BTreeMap;
use std::panic::{catch_unwind, AssertUnwindSafe};

use super::*;
use crate::spool::Reason;

/// A spool this small overflows after some thirty reports.
const SMALL: u64 = 4000;

/// What the world outside the agent has seen; a kill does not undo it.
#[derive(Default)]
struct World {
    appended: u64,
    received: Vec<Arrived>,
}

impl World {
    /// A spool's day: it fills up, is delivered now and then, overflows.
    fn day(&mut self, spool: &mut Spool<Faulty>) {
        for at in 1..=100 {
            spool.append(&report(at, 60)).unwrap();
            self.appended += 1;
            if at % 40 == 0 {
                if let Some(batch) = spool.next_batch(1000) {
                    self.received.extend(arrived(&batch.lines));
                    spool.delivered(batch.id);
                }
            }
        }
    }

    /// Every report is received or declared missing, exactly; a repeat is the same report.
    fn check(&self, context: &str) {
        let mut distinct = BTreeMap::new();
        for report in &self.received {
            let known = distinct.entry(report.seq).or_insert(report);
            assert_eq!(*known, report, "{context}: one identity, one report");
        }
        let gaps = || distinct.values().flat_map(|report| &report.gaps);
        let count = |reason| {
            gaps()
                .filter(|g| g.reason == reason)
                .map(|g| g.count)
                .sum::<u64>()
        };
        let last = *distinct.keys().next_back().unwrap();
        assert!(
            last >= self.appended,
            "{context}: seq {last} of {}",
            self.appended
        );
        assert_eq!(
            distinct.len() as u64 + count(Reason::Full),
            last,
            "{context}"
        );
        assert!(count(Reason::Damaged) <= 1, "{context}");
    }
}

fn killed(run: impl FnOnce()) -> bool {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(()) => false,
        Err(payload) if payload.is::<Killed>() => true,
        Err(failure) => std::panic::resume_unwind(failure),
    }
}

fn kill_after(changes: u32, half: usize) -> Faults {
    Faults {
        after: Some(changes),
        half,
        kill: true,
        ..Faults::default()
    }
}

/// Lives a day that is killed after `changes` changes, is killed again while it starts, and then
/// ends in peace. False if the day was over before the kill.
fn a_day_cut_short(changes: u32, half: usize, again: Option<u32>) -> bool {
    let context = format!("kill after {changes}, {half} bytes, then {again:?}");
    let tmp = tempfile::tempdir().unwrap();
    let disk = Faulty::new(&tmp.path().join("spool"));
    let mut world = World::default();
    disk.set(kill_after(changes, half));
    let cut = killed(|| world.day(&mut Spool::on(disk.clone(), BOOT, SMALL).unwrap()));
    if let Some(changes) = again {
        disk.set(kill_after(changes, half));
        killed(|| drop(Spool::on(disk.clone(), BOOT, SMALL).unwrap()));
    }
    disk.set(Faults::default());
    let mut spool = Spool::on(disk.clone(), BOOT, SMALL).unwrap();
    spool.append(&report(1000, 0)).unwrap();
    world.appended += 1;
    world.received.extend(deliver_all(&mut spool));
    // What is still owed is declared by the next report.
    spool.append(&report(1001, 0)).unwrap();
    world.appended += 1;
    world.received.extend(deliver_all(&mut spool));
    world.check(&context);
    cut
}

#[test]
fn a_kill_at_any_change_of_the_disk_loses_nothing_and_counts_exactly() {
    for half in [0, 1, 70, usize::MAX] {
        let mut changes = 0;
        while a_day_cut_short(changes, half, None) {
            changes += 1;
        }
        assert!(changes > 130, "the day has {changes} changes");
    }
}

#[test]
fn a_second_kill_while_the_first_is_repaired_changes_nothing() {
    for again in 0..3 {
        let mut changes = 0;
        while a_day_cut_short(changes, 70, Some(again)) {
            changes += 1;
        }
    }
}
