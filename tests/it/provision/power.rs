//! The device has the old or the new settings, whole, and reaches a server with them, wherever the power is cut.

use socketman_lab::disk::Chooser;
use socketman_lab::schedules::{seeds, Schedules};

use super::world::{Device, Scene, SCENES};

fn calls(scene: Scene) -> u64 {
    let mut device = Device::new(scene);
    device.live().unwrap();
    device.calls()
}

fn cut_at(scene: Scene, call: u64) -> Device {
    let mut device = Device::new(scene);
    device.cut_power_at(call);
    // What the agent was told in its last moment helps nobody.
    drop(device.live());
    device
}

#[test]
fn a_power_cut_at_any_disk_operation_with_any_outcome_leaves_old_or_new_settings_that_work() {
    let mut schedules = Schedules::of("provisioning, one power cut");
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
fn power_cuts_one_after_the_other_leave_old_or_new_settings_that_work() {
    let mut schedules = Schedules::of("provisioning, up to four power cuts");
    let calls = SCENES.map(calls);
    for seed in seeds() {
        let mut chooser = Chooser::seeded(seed);
        let at = chooser.choose(SCENES.len());
        let mut device = cut_at(SCENES[at], chooser.choose(calls[at] as usize + 1) as u64);
        for _ in 0..chooser.choose(4) {
            device = device.crash(&mut chooser);
            device.cut_power_at(chooser.choose(calls[at] as usize + 1) as u64);
            drop(device.live());
        }
        device.crash(&mut chooser).recover();
        schedules.add(1);
    }
    schedules.report();
}
