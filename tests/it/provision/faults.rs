//! Disks that are full or fail: the settings are the old or the new ones, whole, all the same.

use socketman_lab::disk::{Chooser, Error, Fault, When};
use socketman_lab::schedules::{seeds, Schedules};

use super::world::{Device, SCENES};
use crate::cuts::Device as _;

#[test]
fn disks_that_fail_and_are_full_leave_old_or_new_settings_that_work() {
    let mut schedules = Schedules::of("provisioning, failing disks");
    for seed in seeds() {
        let mut chooser = Chooser::seeded(seed);
        let mut device = Device::new(SCENES[chooser.choose(SCENES.len())]);
        for _ in 0..1 + chooser.choose(3) {
            let disk = match chooser.choose(2) {
                0 => device.state.clone(),
                _ => device.settings.clone(),
            };
            let call = disk.calls() + chooser.choose(20) as u64;
            let when = [When::At(call), When::From(call)][chooser.choose(2)];
            let error = [Error::NoSpace, Error::Io][chooser.choose(2)];
            disk.set_fault(Some(Fault { error, when }));
            if chooser.choose(2) == 1 {
                disk.set_capacity(Some(chooser.choose(600) as u64));
            }
            drop(device.live());
            device.check();
            disk.set_fault(None);
            disk.set_capacity(None);
            if chooser.choose(2) == 1 {
                device = device.crash(&mut chooser);
            }
        }
        device.recover();
        schedules.add(1);
    }
    schedules.report();
}
