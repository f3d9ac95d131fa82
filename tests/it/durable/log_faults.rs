//! Calls that fail: what was taken stays, and a disk that works again is enough to go on.

use socketman_lab::disk::{Call, Chooser, Error, Fault, When};
use socketman_lab::schedules::{seeds, Schedules};

use super::log_model::{random_steps, scenario, Step, Subject};

/// Power cuts tried after each course of faults.
const CUTS: u64 = 15;

/// Lives through `steps` with `prepare` done to the disk: cut off in the end, and recovered.
fn live(steps: &[Step], prepare: impl Fn(&Subject)) -> u64 {
    let mut subject = Subject::new();
    prepare(&subject);
    subject.run(steps);
    for seed in 0..CUTS {
        subject.crash(&mut Chooser::seeded(seed)).recover();
    }
    subject.recover();
    CUTS + 1
}

#[test]
fn every_call_may_fail_once_or_from_then_on_and_nothing_taken_is_lost() {
    let mut schedules = Schedules::of("log, failing calls");
    let steps = scenario();
    let mut whole = Subject::new();
    whole.run(&steps);
    for error in [Error::NoSpace, Error::Io] {
        for call in 0..whole.disk.calls() {
            for when in [When::At(call), When::From(call)] {
                let fault = Some(Fault { error, when });
                schedules.add(live(&steps, |subject| subject.disk.set_fault(fault)));
            }
        }
        for kind in [
            Call::Create,
            Call::Append,
            Call::Truncate,
            Call::Rename,
            Call::Remove,
            Call::Sync,
            Call::SyncNames,
        ] {
            let when = When::Every(kind);
            let fault = Some(Fault { error, when });
            schedules.add(live(&steps, |subject| subject.disk.set_fault(fault)));
        }
    }
    schedules.report();
}

#[test]
fn a_disk_that_fills_up_at_any_byte_takes_whole_records_or_none() {
    let mut schedules = Schedules::of("log, full disk");
    let steps = scenario();
    for capacity in 0..2000 {
        schedules.add(live(&steps, |subject| {
            subject.disk.set_capacity(Some(capacity));
        }));
    }
    schedules.report();
}

#[test]
fn faults_and_power_cuts_by_chance_lose_nothing_that_was_synced() {
    let mut schedules = Schedules::of("log, faults by chance");
    let kinds = [Call::Append, Call::Truncate, Call::Sync, Call::SyncNames];
    for seed in seeds() {
        let mut chooser = Chooser::seeded(seed);
        let mut subject = Subject::new();
        for _life in 0..3 {
            for _weather in 0..3 {
                let call = subject.disk.calls() + chooser.choose(30) as u64;
                let when = match chooser.choose(4) {
                    0 => When::From(call),
                    1 => When::Every(kinds[chooser.choose(kinds.len())]),
                    _ => When::At(call),
                };
                let error = [Error::NoSpace, Error::Io][chooser.choose(2)];
                subject.disk.set_fault(Some(Fault { error, when }));
                let capacity = chooser.choose(3000) as u64;
                subject.disk.set_capacity(Some(capacity));
                subject.run(&random_steps(&mut chooser, 8));
            }
            subject = subject.crash(&mut chooser);
        }
        subject.recover();
        schedules.add(1);
    }
    schedules.report();
}
