//! A cell has its old or its new value, whatever happens.

use socketman_lab::disk::{Call, Chooser, Error, Fault, When};
use socketman_lab::schedules::{seeds, Schedules};

use super::cell_model::Subject;

/// Values written by the scenario.
const WRITES: usize = 200;

fn calls() -> u64 {
    let mut subject = Subject::new();
    subject.run(WRITES);
    subject.disk.calls()
}

fn cut_at(call: u64) -> Subject {
    let mut subject = Subject::new();
    subject.disk.cut_power_at(call);
    subject.run(WRITES);
    assert!(subject.disk.is_dead());
    subject
}

#[test]
fn a_power_cut_at_any_call_with_any_outcome_leaves_the_old_or_the_new_value() {
    let mut schedules = Schedules::of("cell, one power cut");
    for call in 0..calls() {
        let subject = cut_at(call);
        let outcomes = Chooser::all(|chooser| subject.crash(chooser).recover());
        assert_eq!(outcomes, subject.disk.outcomes());
        schedules.add(outcomes);
    }
    schedules.report();
}

#[test]
fn a_second_power_cut_leaves_the_old_or_the_new_value_too() {
    let mut schedules = Schedules::of("cell, two power cuts");
    let calls = calls();
    for seed in seeds() {
        let mut chooser = Chooser::seeded(seed);
        let subject = cut_at(chooser.choose(calls as usize) as u64);
        let mut left = subject.crash(&mut chooser);
        let second = left.disk.calls() + chooser.choose(20) as u64;
        left.disk.cut_power_at(second);
        left.run(usize::MAX);
        left.crash(&mut chooser).recover();
        schedules.add(1);
    }
    schedules.report();
}

/// Writes with `prepare` done to the disk, and looks at what is left.
fn live(prepare: impl Fn(&Subject)) -> u64 {
    let mut subject = Subject::new();
    prepare(&subject);
    subject.run(WRITES);
    for seed in 0..10 {
        subject.crash(&mut Chooser::seeded(seed)).recover();
    }
    subject.recover();
    11
}

#[test]
fn every_call_may_fail_and_the_cell_has_its_old_or_its_new_value() {
    let mut schedules = Schedules::of("cell, failing calls");
    for error in [Error::NoSpace, Error::Io] {
        for call in 0..calls() {
            for when in [When::At(call), When::From(call)] {
                let fault = Some(Fault { error, when });
                schedules.add(live(|subject| subject.disk.set_fault(fault)));
            }
        }
        for kind in [Call::Create, Call::Append, Call::Rename, Call::SyncNames] {
            let when = When::Every(kind);
            let fault = Some(Fault { error, when });
            schedules.add(live(|subject| subject.disk.set_fault(fault)));
        }
    }
    for capacity in 0..200 {
        schedules.add(live(|subject| subject.disk.set_capacity(Some(capacity))));
    }
    schedules.report();
}

#[test]
fn faults_and_power_cuts_by_chance_leave_a_value_that_was_written() {
    let mut schedules = Schedules::of("cell, by chance");
    for seed in seeds() {
        let mut chooser = Chooser::seeded(seed);
        let mut subject = Subject::new();
        for life in 1..=4 {
            let from = subject.disk.calls();
            let call = from + chooser.choose(20) as u64;
            let when = [When::At(call), When::From(call)][chooser.choose(2)];
            let error = [Error::NoSpace, Error::Io][chooser.choose(2)];
            subject.disk.set_fault(Some(Fault { error, when }));
            subject.disk.set_capacity(Some(chooser.choose(200) as u64));
            subject.disk.cut_power_at(from + chooser.choose(40) as u64);
            subject.run(life * 6);
            subject = subject.crash(&mut chooser);
        }
        subject.recover();
        schedules.add(1);
    }
    schedules.report();
}
