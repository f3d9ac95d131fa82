//! Upgrades and restored backups at any moment: what is kept of the ids starts nothing, and lets nothing start twice.

use socketman_lab::disk::Chooser;
use socketman_lab::schedules::{seeds, Schedules};

use super::world::World;

/// Something happens to the device, not to its system.
fn step(world: &mut World, chooser: &mut Chooser, next: &mut usize) {
    match chooser.choose(22) {
        0..3 => {
            world.publish(&next.to_string());
            *next += 1;
        }
        3..5 if *next > 0 => world.publish(&chooser.choose(*next).to_string()),
        5..8 => world.deliver(),
        8..10 => world.start_job(),
        10..14 => world.write(chooser.choose(6) == 0),
        14..16 => world.end_job(chooser.choose(2)),
        16..18 => world.send_result(chooser.choose(3) > 0),
        18 => world.kill(),
        19 => world.write_without_register(),
        20 => world.register_again(),
        _ => match chooser.choose(3) {
            0 => world.cut_power(chooser),
            1 => {
                let soon = chooser.choose(12) as u64;
                world.disk.cut_power_at(world.disk.calls() + soon);
            }
            _ => {
                let soon = chooser.choose(6) as u64;
                world.keep.cut_power_at(world.keep.calls() + soon);
            }
        },
    }
    while world.is_down() {
        world.cut_power(chooser);
    }
}

fn end(mut world: World, chooser: &mut Chooser) {
    // A cut that was to come does not any more.
    world.cut_power(chooser);
    world.settle();
    world.check_again();
}

#[test]
fn no_id_starts_twice_whenever_the_ledger_is_lost_to_an_upgrade_with_settings() {
    let mut schedules = Schedules::of("jobs, upgrades with settings by chance");
    for seed in seeds() {
        let mut chooser = Chooser::seeded(seed);
        let mut world = World::new(&format!("seed {seed}"));
        let mut next = 0;
        for _ in 0..10 + chooser.choose(60) {
            step(&mut world, &mut chooser, &mut next);
            if chooser.choose(8) == 0 {
                world.upgrade();
            }
            world.check_runs();
        }
        end(world, &mut chooser);
        schedules.add(1);
    }
    schedules.report();
}

#[test]
fn no_id_that_a_backup_has_starts_twice_whenever_it_is_restored() {
    let mut schedules = Schedules::of("jobs, restored backups by chance");
    for seed in seeds() {
        let mut chooser = Chooser::seeded(seed);
        let mut world = World::new(&format!("seed {seed}"));
        let mut next = 0;
        let mut backups = Vec::new();
        for _ in 0..10 + chooser.choose(60) {
            step(&mut world, &mut chooser, &mut next);
            match chooser.choose(10) {
                0 => backups.extend(world.backup()),
                1 | 2 if !backups.is_empty() => {
                    let which = chooser.choose(backups.len());
                    match chooser.choose(2) {
                        0 => world.restore(&backups[which]),
                        // What began since then is in the ledger.
                        _ => world.restore_over(&backups[which]),
                    }
                }
                _ => {}
            }
            world.check_runs();
        }
        end(world, &mut chooser);
        schedules.add(1);
    }
    schedules.report();
}

#[test]
fn a_job_costs_one_write_more_and_no_sync() {
    let mut world = World::new("one job after the other");
    let run = |world: &mut World, id: usize| {
        world.publish(&id.to_string());
        world.deliver();
        world.write(false);
        world.end_job(0);
        world.write(false);
        world.send_result(true);
        world.write(false);
    };
    run(&mut world, 0);
    let (calls, before) = (world.keep.calls(), world.keep.written());
    let jobs = 100;
    for id in 1..=jobs {
        run(&mut world, id);
    }
    let after = world.keep.written();
    assert_eq!(world.keep.calls() - calls, jobs as u64);
    assert_eq!(after.syncs, before.syncs);
    let bytes = (after.bytes - before.bytes) / jobs as u64;
    println!("{bytes} bytes a job");
    assert!(bytes <= 80, "{bytes}");
    world.check();
}
