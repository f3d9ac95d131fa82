//! Jobs whose records take several records of the log: a kill may leave the first of them.

use socketman_lab::schedules::Schedules;

use super::world::{World, LONG};

#[test]
fn a_kill_in_the_middle_of_a_long_record_costs_no_other_job() {
    let mut schedules = Schedules::of("jobs, a kill at each call of a long record");
    for call in 0.. {
        // The next agent is killed as well, before or after each of its steps.
        for steps in 0..6 {
            let mut world = World::new(&format!("killed at call {call}, and {steps} steps later"));
            world.disk.cut_power_at(world.disk.calls() + call);
            world.publish(LONG);
            world.publish("short");
            for _ in 0..2 {
                world.deliver();
                world.write(false);
            }
            world.end_job(0);
            world.write(false);
            if !world.disk.is_dead() {
                return schedules.report_all();
            }
            world.killed_there();
            for step in 0..steps {
                match step % 3 {
                    0 => world.deliver(),
                    1 => world.write(false),
                    _ => world.end_job(0),
                }
            }
            world.kill();
            world.settle();
            world.check();
            schedules.add(1);
        }
    }
}
