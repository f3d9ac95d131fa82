//! Power cuts: what was certain is there, and the rest lies in what is declared.

use socketman_lab::disk::{Chooser, Error};
use socketman_lab::schedules::{seeds, Schedules};

use super::script::{by_chance, scenario, Step, YEARS};
use super::world::{Scene, World};

/// Of the outcomes of one power cut, this many are tried if there are more.
const OUTCOMES: u64 = 400;

#[test]
fn a_power_cut_at_any_call_loses_only_what_it_declares() {
    let mut schedules = Schedules::of("spool, one power cut");
    for scene in Scene::all(&scenario()) {
        for at in 0..scene.calls {
            let world = scene.ended(&format!("power cut at call {at}"), at);
            schedules.add(cut(&world, at));
        }
    }
    schedules.report();
}

/// Cuts the power and recovers, with every outcome or some by chance; returns how many there were.
fn cut(world: &World, seed: u64) -> u64 {
    if world.flash.outcomes() <= OUTCOMES {
        return Chooser::all(|chooser| world.after_power_cut(chooser).recover());
    }
    for outcome in 0..OUTCOMES {
        let mut chooser = Chooser::seeded(seed * OUTCOMES + outcome);
        world.after_power_cut(&mut chooser).recover();
    }
    OUTCOMES
}

/// After something that went wrong: the time of reports on flash was being set right.
#[test]
fn a_power_cut_after_a_kill_or_faults_loses_only_what_it_declares() {
    use Step::*;
    let kept = [
        Append(0),
        KeepBack,
        Clock(-YEARS, false),
        Append(30),
        Wait(700),
        Append(30),
    ];
    // A second more or less: that is as exact as a clock is.
    let right = [Clock(0, true), GiveUp, Clock(1, true), Append(10)];
    // The first in the queue has a time that was right, or has not.
    let one = [&kept[..], &right].concat();
    let other = [&kept[..], &[Deliver(0)], &right].concat();
    // Or there is no second chance before the clock is unsure again.
    let short = [&kept[..], &[Deliver(0)], &right[..2]].concat();
    let sent = [Clock(1, true), Append(10), KeepBack, Restart];
    let delivered = [&sent[..], &[Deliver(600), Append(10)]].concat();
    let kept_again = [KeepBack, Append(10), Wait(700), Append(10)];
    let unsure_again = [
        Clock(-YEARS, false),
        Append(10),
        Wait(700),
        KeepBack,
        Restart,
    ];

    let mut schedules = Schedules::of("spool, a power cut after something else");
    for all in [one, other, short] {
        for scene in Scene::all(&all) {
            for at in 0..scene.calls {
                let ended = scene.ended(&format!("ended at call {at}"), at);
                let mut starts = ended.after_kill();
                starts.run(&[]);
                for after in [&delivered[..], &kept_again, &unsure_again] {
                    let mut world = ended.after_kill();
                    world.run(after);
                    schedules.add(cut(&world, at));
                    // It may not even start well.
                    for fault in 0..starts.fate.calls() {
                        let mut world = ended.after_kill();
                        world.context += &format!(", a fault at call {fault}");
                        world.fate.fail(fault, 1, Error::Io);
                        world.run(after);
                        schedules.add(cut(&world, fault));
                    }
                    for count in [1, 2, 3] {
                        let mut world = scene.begin(&format!("{count} faults from call {at} on"));
                        world.fate.fail(at, count, Error::Io);
                        world.run(&all);
                        world.fate.heal();
                        world.go_on(after);
                        schedules.add(cut(&world, at));
                    }
                }
            }
        }
    }
    schedules.report();
}

#[test]
fn power_cuts_and_kills_of_a_life_by_chance_lose_only_what_they_declare() {
    let mut schedules = Schedules::of("spool, power cuts and kills by chance");
    for seed in seeds() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut chooser = Chooser::seeded(seed);
        let mut world = World::new(&format!("seed {seed}"));
        for _ in 0..rng.usize(1..4) {
            let steps = by_chance(&mut rng, 40);
            world.fate.end(rng.u64(1..400));
            world.run(&steps);
            world.tear(rng.usize(..200));
            world = match rng.bool() {
                true => world.after_kill(),
                false => world.after_power_cut(&mut chooser),
            };
        }
        world.recover();
        schedules.add(1);
    }
    schedules.report();
}
