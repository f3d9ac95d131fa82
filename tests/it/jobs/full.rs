//! A disk that is full or does not sync every now and then: jobs that were refused do not run.

use socketman_lab::disk::{Call, Chooser};
use socketman_lab::schedules::{seeds, Schedules};

use super::world::{World, LONG};

#[test]
fn nothing_that_was_refused_runs_and_nothing_runs_twice() {
    let mut schedules = Schedules::of("jobs, on a disk that fails at times");
    // Long records take their time.
    for seed in seeds().step_by(10) {
        let mut chooser = Chooser::seeded(seed);
        let mut world = World::new(&format!("seed {seed}"));
        for next in 0..10 + chooser.choose(30) {
            match chooser.choose(17) {
                0..3 => world.publish(&next.to_string()),
                3 => world.publish(&format!("{LONG}{next}")),
                4..8 => world.deliver(),
                8 => world.start_job(),
                9..12 => world.write(chooser.choose(4) == 0),
                12 => world.end_job(0),
                13 => world.send_result(true),
                14 => {
                    let room = [0, 100, 60_000, 1 << 20][chooser.choose(4)];
                    world.fills(room);
                }
                15 => {
                    world.syncs([Ok(()), Err(Call::Sync), Err(Call::SyncNames)][chooser.choose(3)])
                }
                _ => {
                    // Without a sync no agent starts to work.
                    world.syncs(Ok(()));
                    world.kill();
                }
            }
        }
        world.fills(1 << 30);
        world.syncs(Ok(()));
        world.kill();
        world.settle();
        world.check_runs();
        schedules.add(1);
    }
    schedules.report_all();
}
