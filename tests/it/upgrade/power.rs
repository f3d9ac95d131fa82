//! Each upgrade has one outcome, and it says what the device has become, wherever the power is cut.

use socketman_lab::disk::Chooser;
use socketman_lab::schedules::{seeds, Schedules};

use super::world::{Device, Scene, SCENES};

fn calls(scene: Scene) -> u64 {
    let mut device = Device::new(scene);
    device.live_on();
    device.calls()
}

fn cut_at(scene: Scene, call: u64) -> Device {
    let mut device = Device::new(scene);
    device.cut_power_at(call);
    device.live_on();
    device
}

#[test]
fn a_power_cut_at_any_disk_operation_with_any_outcome_leaves_one_true_outcome() {
    let mut schedules = Schedules::of("upgrades, one power cut");
    for scene in SCENES {
        for call in 0..=calls(scene) {
            let device = cut_at(scene, call);
            let outcomes = Chooser::all(|chooser| device.crash(chooser).recover());
            schedules.add(outcomes);
        }
    }
    schedules.report_all();
}

#[test]
fn power_cuts_one_after_the_other_leave_one_true_outcome() {
    let mut schedules = Schedules::of("upgrades, up to four power cuts");
    let calls = SCENES.map(calls);
    for seed in seeds() {
        let mut chooser = Chooser::seeded(seed);
        let at = chooser.choose(SCENES.len());
        let most = usize::try_from(calls[at]).unwrap() + 1;
        let mut device = cut_at(SCENES[at], chooser.choose(most) as u64);
        for _ in 0..chooser.choose(4) {
            device = device.crash(&mut chooser);
            device.cut_power_at(chooser.choose(most) as u64);
            device.live_on();
        }
        device.crash(&mut chooser).recover();
        schedules.add(1);
    }
    schedules.report();
}
