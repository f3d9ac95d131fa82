//! Kills: nothing that was kept is lost, whenever the process ends.

use std::collections::BTreeSet;

use durable::HEAD;
use socketman_lab::schedules::{seeds, Schedules};

use super::script::{by_chance, scenario};
use super::world::{Scene, World};

/// Places within an append where it is torn, beside those around its ends and its head.
const PLACES: usize = 64;

/// The done part of an append of `len` bytes: nothing, all, up to where its parts meet, and some
/// of what lies between.
fn torn(len: usize) -> BTreeSet<usize> {
    // A file's first append has a record without a payload before it.
    let joints = [0, HEAD, 2 * HEAD, len];
    let around = joints.iter().flat_map(|at| at.saturating_sub(1)..=at + 1);
    let between = (0..PLACES).map(|place| len * place / PLACES);
    around.chain(between).filter(|at| *at <= len).collect()
}

#[test]
fn the_script_itself_ends_well_and_reaches_everything() {
    let steps = scenario();
    assert!(steps.len() > 200, "{}", steps.len());
    let mut world = World::new("in peace");
    world.run(&steps);
    world.settle();
    let gaps = world.ledger.gaps();
    for reason in ["Thinned", "Power", "Refused", "Unsent"] {
        let is = |gap: &spool::Gap| format!("{:?}", gap.reason) == reason;
        assert!(gaps.iter().any(is), "no gap {reason}: {gaps:?}");
    }
    assert!(world.fate.calls() > 1000, "{}", world.fate.calls());
    assert!(
        world.flash.written().syncs > 10,
        "{:?}",
        world.flash.written()
    );
}

#[test]
fn a_kill_at_any_call_torn_anywhere_loses_nothing_and_says_nothing_twice() {
    let mut schedules = Schedules::of("spool, one kill");
    for scene in Scene::all(&scenario()) {
        for at in 0..scene.calls {
            let world = scene.ended(&format!("kill at call {at}"), at);
            for len in torn(world.cut_off()) {
                world.after_torn_kill(len).recover();
                schedules.add(1);
            }
        }
    }
    schedules.report();
}

#[test]
fn kills_of_a_life_by_chance_again_and_again_lose_nothing() {
    let mut schedules = Schedules::of("spool, kills by chance");
    for seed in seeds() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut world = World::new(&format!("seed {seed}"));
        for _ in 0..rng.usize(1..4) {
            let steps = by_chance(&mut rng, 40);
            world.fate.end(rng.u64(1..400));
            world.run(&steps);
            world.tear(rng.usize(..200));
            world = world.after_kill();
        }
        world.recover();
        schedules.add(1);
    }
    schedules.report();
}
