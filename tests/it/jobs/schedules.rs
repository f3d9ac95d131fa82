//! Crashes at every operation, redelivery, double publishes and broker restarts: nothing starts twice, and no
//! result is lost.

use socketman_lab::disk::Chooser;
use socketman_lab::schedules::{seeds, Schedules};

use super::world::World;

/// Three jobs from their publication to their report, one of them published twice.
fn scenario(world: &mut World) {
    world.publish("a");
    world.publish("b");
    world.deliver();
    world.write(false);
    world.publish("a");
    world.deliver();
    world.deliver();
    world.publish("c");
    world.deliver();
    world.write(false);
    world.end_job(0);
    world.write(false);
    world.send_result(true);
    world.start_job();
    world.write(true);
    world.end_job(0);
    world.end_job(0);
    world.write(false);
    world.send_result(false);
    world.reconnect();
    world.send_result(true);
    world.write(false);
}

#[test]
fn a_power_cut_before_any_call_with_any_outcome_starts_nothing_twice_and_loses_no_result() {
    let mut schedules = Schedules::of("jobs, one power cut with every outcome");
    for call in 0.. {
        let mut world = World::new("the whole scenario");
        world.disk.cut_power_at(world.disk.calls() + call);
        scenario(&mut world);
        if !world.disk.is_dead() {
            break;
        }
        let count = Chooser::all(|chooser| {
            let mut world = World::new(&format!("cut at {call}"));
            world.disk.cut_power_at(world.disk.calls() + call);
            scenario(&mut world);
            world.cut_power(chooser);
            world.settle();
            world.check();
        });
        schedules.add(count);
    }
    // Of a scenario as short as this one there are no more.
    schedules.report_all();
}

#[test]
fn no_course_of_events_starts_an_id_twice_or_loses_a_result() {
    let mut schedules = Schedules::of("jobs, courses by chance");
    for seed in seeds() {
        let mut chooser = Chooser::seeded(seed);
        let mut world = World::new(&format!("seed {seed}"));
        let mut next = 0;
        for _ in 0..10 + chooser.choose(60) {
            match chooser.choose(20) {
                0..3 => {
                    world.publish(&next.to_string());
                    next += 1;
                }
                3 if next > 0 => world.publish(&chooser.choose(next).to_string()),
                4..7 => world.deliver(),
                7..9 => world.start_job(),
                9..13 => world.write(chooser.choose(6) == 0),
                13..15 => world.end_job(chooser.choose(2)),
                15..17 => world.send_result(chooser.choose(3) > 0),
                17 => world.reconnect(),
                18 => world.kill(),
                _ if chooser.choose(2) == 0 => world.cut_power(&mut chooser),
                _ => {
                    let soon = chooser.choose(12) as u64;
                    world.disk.cut_power_at(world.disk.calls() + soon);
                }
            }
            while world.is_down() {
                world.cut_power(&mut chooser);
            }
        }
        // A cut that was to come does not any more.
        world.cut_power(&mut chooser);
        world.settle();
        world.check();
        schedules.add(1);
    }
    schedules.report();
}
