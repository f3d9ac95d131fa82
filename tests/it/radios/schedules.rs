//! Courses of events by chance: no radio is restarted that should be left alone, no fault goes untold, and
//! none is left down.

use socketman_lab::schedules::{Schedules, LONG, VARIABLE};

use super::air::secs;
use super::world::{Counts, World};

/// Courses of the short form.
const SHORT: u64 = 100_000;

fn course(seed: u64) -> Counts {
    let mut world = World::new(format!("seed {seed}"), seed);
    let mut rng = fastrand::Rng::with_seed(!seed);
    for _ in 0..rng.u32(3..9) {
        world.event();
        if rng.u8(0..4) == 0 {
            world.event();
        }
        world.wait(match rng.u8(0..10) {
            0..4 => secs(rng.u64(1..90)),
            4..7 => secs(rng.u64(60..600)),
            7..9 => secs(rng.u64(600..5400)),
            _ => secs(rng.u64(5400..40_000)),
        });
    }
    world.settle();
    world.counts
}

#[test]
fn no_course_of_events_restarts_a_radio_that_is_to_be_left_alone_or_leaves_one_down() {
    let mut schedules = Schedules::of("radios, courses by chance");
    let count = match std::env::var_os(VARIABLE) {
        Some(_) => LONG,
        None => SHORT,
    };
    let mut all = Counts::default();
    for seed in 0..count {
        let counts = course(seed);
        all.looks += counts.looks;
        all.restarts += counts.restarts;
        all.faults_told += counts.faults_told;
        all.kills += counts.kills;
        all.finished_after_kill += counts.finished_after_kill;
        schedules.add(1);
    }
    // A suite in which nothing happens proves nothing.
    assert!(all.restarts > count / 20, "{all:?}");
    assert!(all.faults_told > count / 10, "{all:?}");
    assert!(
        all.kills > count / 10 && all.finished_after_kill > count / 2000,
        "{all:?}"
    );
    println!("{all:?}");
    schedules.report();
}
