//! Disks that are full or broken for a while: nothing is lost, nothing hangs, and space that comes back
//! is enough.

use durable::Disk;
use socketman_lab::disk::{Call, Error, Fault, When};
use socketman_lab::schedules::{seeds, Schedules};

use super::script::{by_chance, scenario, Step, YEARS};
use super::world::{Scene, World};

/// The number of calls that fail.
const LENGTHS: [u64; 10] = [1, 2, 3, 4, 6, 9, 14, 25, 60, 150];

/// Steps between a fault and the look at what came of it.
const AFTER: usize = 15;

#[test]
fn a_fault_at_any_call_loses_nothing_and_space_that_comes_back_is_enough() {
    let mut schedules = Schedules::of("spool, one fault");
    for scene in Scene::all(&scenario()) {
        let calls = 0..scene.calls;
        let courses = calls.flat_map(|at| LENGTHS.map(|count| (at, count)));
        for (at, count) in courses {
            for error in [Error::NoSpace, Error::Io] {
                let mut world = scene.begin(&format!("{error:?} at call {at}, {count} times"));
                world.fate.fail(at, count, error);
                world.run_past_the_fault(&scene.steps, AFTER);
                assert!(world.fate.has_happened(), "{}", world.context);
                world.fate.heal();
                world.settle();
                schedules.add(1);
            }
        }
    }
    schedules.report();
}

#[test]
fn faults_in_a_life_by_chance_lose_nothing() {
    let mut schedules = Schedules::of("spool, faults by chance");
    for seed in seeds() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut world = World::new(&format!("seed {seed}"));
        let steps = by_chance(&mut rng, 50);
        let error = [Error::NoSpace, Error::Io][rng.usize(..2)];
        world.fate.fail(rng.u64(..250), rng.u64(1..100), error);
        world.run(&steps);
        world.fate.heal();
        world.settle();
        schedules.add(1);
    }
    schedules.report();
}

#[test]
fn flash_that_has_died_holds_reports_of_an_unknown_time_back_for_ten_minutes_and_no_longer() {
    use Step::*;
    let mut world = World::new("flash has died");
    // Flash has some of them.
    world.run(&[Append(0), KeepBack, Clock(-YEARS, false), Append(0)]);
    world.go_on(&[Wait(700), Append(0)]);
    let dead = Fault {
        error: Error::Io,
        when: When::From(world.flash.calls()),
    };
    world.flash.set_fault(Some(dead));
    world.go_on(&[Clock(0, true), Append(0), Deliver(1500), Deliver(1500)]);
    assert_eq!(world.ledger.arrived, [(0, 1)].into());

    world.go_on(&[Wait(601), Deliver(1500), Deliver(1500)]);
    assert_eq!(
        world.ledger.arrived,
        [1, 2, 3, 4].map(|seq| (0, seq)).into()
    );
    for seq in [2, 3] {
        let line = String::from_utf8_lossy(&world.ledger.sent[&(0, seq)]);
        assert!(line.contains("restamped"), "{line}");
    }

    // It comes back with what it had, and the report says so.
    world.flash.set_fault(None);
    world.go_on(&[Append(0), Restart]);
    world.settle();
}

/// A life with reports of an earlier boot on flash, and one of this boot.
fn with_some_on_flash() -> World {
    use Step::*;
    let mut world = World::new("flash is broken");
    world.run(&[Append(60), KeepBack]);
    world.go_on(&[[Wait(61), Append(60)]; 12].concat());
    world.go_on(&[Wait(700), Append(0), Reboot, Append(0)]);
    world
}

/// The seqs of this boot that have arrived.
fn own(world: &World) -> Vec<u64> {
    let arrived = world.ledger.arrived.iter();
    let own = arrived.filter(|(boot, _)| *boot == 1);
    own.map(|(_, seq)| *seq).collect()
}

#[test]
fn a_segment_that_cannot_be_read_holds_others_back_for_ten_minutes_and_no_longer() {
    use Step::*;
    for error in [Error::Io, Error::NoSpace] {
        let mut world = with_some_on_flash();
        let when = match error {
            Error::Io => When::From(world.flash.calls()),
            // Damaged, and there is no room to say so.
            Error::NoSpace => {
                for file in world.flash.list().unwrap() {
                    world.flash.damage(&file, |bytes| bytes[300] ^= 0xFF);
                }
                When::Every(Call::Append)
            }
        };
        world.flash.set_fault(Some(Fault { error, when }));
        world.go_on(&[Deliver(1500), Wait(300), Append(0), Deliver(1500)]);
        assert!(world.ledger.arrived.is_empty(), "{error:?}");
        world.go_on(&[Wait(301), Append(0), Deliver(1500)]);
        assert_eq!(own(&world), [1, 2, 3], "{error:?}");
        world.go_on(&[Wait(15), Append(0), Deliver(1500)]);
        assert_eq!(own(&world), [1, 2, 3, 4], "{error:?}");

        // Reports that were passed over come if their segment is whole, and are declared if not.
        world.flash.set_fault(None);
        world.settle();
        let is_whole = world.ledger.arrived.iter().any(|(boot, _)| *boot == 0);
        assert_eq!(is_whole, error == Error::Io);

        // The next failure is another one, for which others wait as long.
        world.go_on(&[
            Append(60),
            KeepBack,
            Wait(700),
            Append(60),
            Reboot,
            Append(0),
        ]);
        let calls = world.flash.calls();
        let dead = Fault {
            error: Error::Io,
            when: When::From(calls),
        };
        world.flash.set_fault(Some(dead));
        let before = world.ledger.arrived.len();
        world.go_on(&[Deliver(1500), Wait(599), Deliver(1500)]);
        assert_eq!(world.ledger.arrived.len(), before, "{error:?}");
        world.go_on(&[Wait(1), Deliver(1500)]);
        assert!(world.ledger.arrived.len() > before, "{error:?}");
        world.flash.set_fault(None);
        world.settle();
    }
}

#[test]
fn a_full_flash_holds_nothing_back() {
    use Step::*;
    for is_damaged in [false, true] {
        let mut world = with_some_on_flash();
        let files = world.flash.list().unwrap();
        let sizes = files
            .iter()
            .map(|file| world.flash.content(file).unwrap().len() as u64);
        world.flash.set_capacity(Some(sizes.sum()));
        if is_damaged {
            for file in &files {
                world.flash.damage(file, |bytes| bytes[300] ^= 0xFF);
            }
            world.go_on(&[Restart]);
        }
        world.go_on(&[Append(0), Deliver(1500)]);
        assert_eq!(own(&world), [1, 2], "{is_damaged}");
        world.flash.set_capacity(None);
        world.settle();
    }
}
