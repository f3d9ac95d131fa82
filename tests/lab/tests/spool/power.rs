//! Power cuts: what was certain is there, and the rest lies in what is declared.

use socketman_lab::disk::Chooser;
use socketman_lab::schedules::{seeds, Schedules};

use crate::script::{by_chance, scenario};
use crate::world::{Scene, World};

/// Of the outcomes of one power cut, this many are tried if there are more.
const OUTCOMES: u64 = 400;

#[test]
fn a_power_cut_at_any_call_loses_only_what_it_declares() {
    let mut schedules = Schedules::of("spool, one power cut");
    for scene in Scene::all(&scenario()) {
        for at in 0..scene.calls {
            let world = scene.ended(&format!("power cut at call {at}"), at);
            if world.flash.outcomes() <= OUTCOMES {
                let outcomes = Chooser::all(|chooser| world.after_power_cut(chooser).recover());
                schedules.add(outcomes);
            } else {
                for seed in 0..OUTCOMES {
                    let mut chooser = Chooser::seeded(at * OUTCOMES + seed);
                    world.after_power_cut(&mut chooser).recover();
                }
                schedules.add(OUTCOMES);
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
