//! Power cuts: what was synced is there, in order, nothing is invented, and the log goes on.

use socketman_lab::disk::Chooser;
use socketman_lab::schedules::{seeds, Schedules};

use crate::log_model::{random_steps, scenario, Step, Subject};

/// The scenario up to a power cut before call `call`; `None` if it ends before.
fn cut_at(call: u64, steps: &[Step]) -> Option<(Subject, &[Step])> {
    let mut subject = Subject::new();
    subject.disk.cut_power_at(call);
    let rest = subject.run(steps);
    subject.disk.is_dead().then_some((subject, rest))
}

fn calls_of(steps: &[Step]) -> u64 {
    let mut subject = Subject::new();
    subject.run(steps);
    subject.disk.calls()
}

#[test]
fn a_power_cut_at_any_call_with_any_outcome_keeps_what_was_synced_and_invents_nothing() {
    let mut schedules = Schedules::of("log, one power cut");
    let steps = scenario();
    let mut call = 0;
    while let Some((subject, _)) = cut_at(call, &steps) {
        let outcomes = Chooser::all(|chooser| {
            let mut left = subject.crash(chooser);
            left.recover();
        });
        assert_eq!(outcomes, subject.disk.outcomes());
        schedules.add(outcomes);
        call += 1;
    }
    assert_eq!(call, calls_of(&steps), "every call was one to be cut at");
    schedules.report();
}

#[test]
fn a_second_power_cut_during_or_after_the_repair_changes_nothing_of_that() {
    let mut schedules = Schedules::of("log, two power cuts");
    let steps = scenario();
    let calls = calls_of(&steps);
    for seed in seeds() {
        let mut chooser = Chooser::seeded(seed);
        let first = chooser.choose(calls as usize) as u64;
        let (subject, rest) = cut_at(first, &steps).unwrap();
        let mut left = subject.crash(&mut chooser);
        let soon = [4, 12, 60][chooser.choose(3)];
        let second = left.disk.calls() + chooser.choose(soon) as u64;
        left.disk.cut_power_at(second);
        left.run(rest);
        left.crash(&mut chooser).recover();
        schedules.add(1);
    }
    schedules.report();
}

#[test]
fn power_cuts_by_chance_in_a_life_by_chance_keep_what_was_synced() {
    let mut schedules = Schedules::of("log, power cuts by chance");
    for seed in seeds() {
        let mut chooser = Chooser::seeded(seed);
        let mut subject = Subject::new();
        for _life in 0..3 {
            let steps = random_steps(&mut chooser, 25);
            let cut = subject.disk.calls() + chooser.choose(80) as u64;
            subject.disk.cut_power_at(cut);
            subject.run(&steps);
            subject = subject.crash(&mut chooser);
        }
        subject.recover();
        schedules.add(1);
    }
    schedules.report();
}
