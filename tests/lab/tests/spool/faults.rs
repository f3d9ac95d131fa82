//! Disks that are full or broken for a while: nothing is lost, nothing hangs, and space that comes back
//! is enough.

use socketman_lab::disk::Error;
use socketman_lab::schedules::{seeds, Schedules};

use crate::script::{by_chance, scenario};
use crate::world::World;

#[test]
fn a_fault_at_any_call_loses_nothing_and_space_that_comes_back_is_enough() {
    let mut schedules = Schedules::of("spool, one fault");
    let steps = scenario();
    for error in [Error::NoSpace, Error::Io] {
        for count in [1, 2, 3, 4, 6, 9, 14, 25, 60, 150] {
            for at in 0.. {
                let mut world = World::new(&format!("{error:?} at call {at}, {count} times"));
                world.fate.fail(at, count, error);
                world.run(&steps);
                if !world.fate.has_happened() {
                    break;
                }
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
        let steps = by_chance(&mut rng, 80);
        let error = [Error::NoSpace, Error::Io][rng.usize(..2)];
        world.fate.fail(rng.u64(..400), rng.u64(1..100), error);
        world.run(&steps);
        world.fate.heal();
        world.settle();
        schedules.add(1);
    }
    schedules.report();
}
