//! Power cuts at every disk operation of snapshot, arm, run, verify, keep and undo.

use socketman_lab::disk::Chooser;
use socketman_lab::schedules::{seeds, Schedules};

use super::world::{Plan, World};

/// Every kind of change, kept and undone.
fn plans() -> Vec<Plan> {
    let plan = |bits: u32| Plan {
        in_place: bits & 1 != 0,
        adds: bits & 2 != 0,
        removes: bits & 4 != 0,
        changes_mode: bits & 8 != 0,
        edited: bits & 16 != 0,
        edited_beside: bits & 32 != 0,
        good: bits & 64 != 0,
        full: bits & 128 != 0,
        nearly_full: bits & 256 != 0,
    };
    let is_one = |plan: &Plan| !plan.nearly_full || plan.edited && !plan.full;
    (0..512).map(plan).filter(is_one).collect()
}

#[test]
fn without_a_power_cut_the_settings_are_the_old_or_the_new_ones_as_decided() {
    for plan in plans() {
        let mut world = World::new(plan);
        world.live().unwrap();
        world.check();
    }
}

#[test]
fn a_power_cut_before_any_call_leaves_the_old_or_the_new_settings_as_decided() {
    let mut schedules = Schedules::of("guard, power cuts");
    // The calls of each plan, all of them together.
    let mut cuts = Vec::new();
    for plan in plans() {
        let mut world = World::new(plan);
        world.live().unwrap();
        cuts.extend((0..world.power.calls()).map(|call| (plan, call)));
    }
    let wanted = seeds();
    let each = (wanted.end - wanted.start).div_ceil(cuts.len() as u64);
    for (place, (plan, call)) in cuts.iter().enumerate() {
        for seed in 0..each {
            let mut chooser = Chooser::seeded(place as u64 * each + seed);
            let mut world = World::new(*plan);
            world.power.cut_at(*call);
            assert!(world.live().is_err(), "{plan:?} at {call}");
            world.cut_power(&mut chooser);
            // Half of them lose their power once more.
            let again = (chooser.choose(2) == 1).then(|| chooser.choose(60) as u64);
            world.settle(&mut chooser, again);
            world.check();
        }
        schedules.add(each);
    }
    schedules.report();
}
