//! Reports that are longer than a record of a log, and a process or a disk that ends in the middle of one.

use std::collections::BTreeSet;

use socketman_lab::disk::Error;
use socketman_lab::schedules::Schedules;
use spool::Bounds;

use super::script::Step::{self, *};
use super::world::{Scene, World};

/// Room for some of them.
const BOUNDS: Bounds = Bounds {
    ram: 1 << 20,
    flash: 1 << 20,
    flash_daily: 8 << 20,
};

/// Of such a report, a record holds less.
const LONG: usize = 100_000;

/// A life in which such reports come into segments of every kind.
fn steps() -> Vec<Step> {
    vec![
        Append(10),
        Append(LONG),
        Restart,
        Append(LONG),
        Deliver(0),
        Append(10),
        KeepBack,
        Wait(700),
        Append(10),
        Restart,
        Append(LONG),
        Deliver(1 << 18),
        Append(10),
    ]
}

fn scenes() -> Vec<Scene> {
    Scene::all_of(World::within(BOUNDS, "in peace"), &steps())
}

/// Goes on, over a restart. There is room for all, so none may be declared in the place of one that was kept.
fn everything_arrives(mut world: World) {
    world.go_on(&[Append(10), Restart, Append(10), Restart]);
    world.settle();
    let kept = world.ledger.collected.keys();
    let missing: Vec<_> = kept
        .filter(|id| !world.ledger.arrived.contains(id))
        .collect();
    assert!(missing.is_empty(), "{}: {missing:?}", world.context);
}

#[test]
fn a_kill_at_any_call_loses_no_other_report() {
    let mut schedules = Schedules::of("spool, a kill in a report of several records");
    for scene in scenes() {
        for at in 0..scene.calls {
            let world = scene.ended(&format!("kill at call {at}"), at);
            let whole = world.cut_off();
            let lens: BTreeSet<usize> = [0, whole / 2, whole].into();
            for len in lens {
                let mut world = world.after_torn_kill(len);
                world.run(&[]);
                everything_arrives(world);
                schedules.add(1);
            }
        }
    }
    schedules.report_all();
}

#[test]
fn a_fault_at_any_call_loses_nothing_whatever_comes_next() {
    let mut schedules = Schedules::of("spool, a fault in a report of several records");
    for scene in scenes() {
        for at in 0..scene.calls {
            for (error, count) in [(Error::NoSpace, 1), (Error::Io, 3)] {
                let mut world = scene.begin(&format!("{error:?} at call {at}, {count} times"));
                world.fate.fail(at, count, error);
                world.run_past_the_fault(&scene.steps, 3);
                world.fate.heal();
                everything_arrives(world);
                schedules.add(1);
            }
        }
    }
    schedules.report_all();
}
