//! Power cuts: what was synced is there, in order, nothing is invented, and the log goes on.

use std::collections::BTreeSet;

use durable::{Disk, Log};
use socketman_lab::disk::{Call, Chooser, Error, Fault, SimDisk, When};
use socketman_lab::schedules::{seeds, Schedules};

use super::log_content::NAME;
use super::log_model::{random_steps, scenario, Step, Subject};

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

/// A log of one record, synced.
fn log_of(disk: &mut SimDisk, name: &str, payload: &[u8]) -> Log {
    let (mut log, _) = Log::open(disk, name, &mut |_, _| {}).unwrap();
    log.append(disk, payload).unwrap();
    log.sync(disk).unwrap();
    log
}

/// Everything in the log after any outcome of a power cut.
fn left_of(disk: &SimDisk) -> BTreeSet<Vec<Vec<u8>>> {
    let mut all = BTreeSet::new();
    Chooser::all(|chooser| {
        let mut payloads = Vec::new();
        let mut left = disk.crash(chooser);
        let visit = &mut |_: u64, payload: &[u8]| payloads.push(payload.to_vec());
        Log::open(&mut left, NAME, visit).unwrap();
        all.insert(payloads);
    });
    all
}

#[test]
fn a_record_that_was_cut_off_never_comes_back_in_the_bytes_of_the_next() {
    let mut disk = SimDisk::new();
    let mut log = log_of(&mut disk, NAME, b"one");
    log.append(&mut disk, b"old").unwrap();
    let mut came_back = 0;
    Chooser::all(|chooser| {
        let mut left = disk.crash(chooser);
        let mut expected = Vec::new();
        let visit = &mut |_: u64, payload: &[u8]| expected.push(payload.to_vec());
        let (mut log, _) = Log::open(&mut left, NAME, visit).unwrap();
        came_back += expected.len() - 1;
        // As long as the one before, so that it takes exactly its place.
        log.append(&mut left, b"new").unwrap();
        let without = expected.clone();
        expected.push(b"new".to_vec());
        assert_eq!(left_of(&left), [without, expected].into());
    });
    assert_eq!(came_back, 1, "whole, with one outcome only");
}

#[test]
fn a_log_in_the_place_of_another_is_there_whole_or_not_and_for_certain_after_a_sync() {
    let mut disk = SimDisk::new();
    log_of(&mut disk, NAME, b"old");
    let mut log = log_of(&mut disk, "fresh", b"new");
    let (old, new) = (vec![b"old".to_vec()], vec![b"new".to_vec()]);
    log.take_place_of(&mut disk, NAME).unwrap();
    assert_eq!(disk.list().unwrap(), [NAME]);
    assert_eq!(left_of(&disk), [old, new.clone()].into());
    log.sync(&mut disk).unwrap();
    assert_eq!(left_of(&disk), [new.clone()].into());
    log.append(&mut disk, b"more").unwrap();
    log.sync(&mut disk).unwrap();
    assert_eq!(
        left_of(&disk),
        [vec![new[0].clone(), b"more".to_vec()]].into()
    );
}

#[test]
fn a_log_that_cannot_take_the_place_of_another_stays_what_it_was() {
    let mut disk = SimDisk::new();
    let mut log = log_of(&mut disk, NAME, b"old");
    disk.set_fault(Some(Fault {
        error: Error::Io,
        when: When::Every(Call::Rename),
    }));
    assert!(log.take_place_of(&mut disk, "other").is_err());
    disk.set_fault(None);
    log.append(&mut disk, b"more").unwrap();
    log.sync(&mut disk).unwrap();
    let whole = vec![b"old".to_vec(), b"more".to_vec()];
    assert_eq!(left_of(&disk), [whole].into());
}
