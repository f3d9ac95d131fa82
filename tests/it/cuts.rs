//! Power cuts of a device whose whole life is in a test: at every call of its disks, and by chance one after the other.

use socketman_lab::disk::Chooser;
use socketman_lab::schedules::{seeds, Schedules};

/// A device between two power cuts.
pub(crate) trait Device: Sized {
    /// A course of events.
    type Scene: Copy;

    fn new(scene: Self::Scene) -> Self;

    /// Calls of all its disks in this life.
    fn calls(&self) -> u64;

    /// Cuts the power before call number `call`.
    fn cut_power_at(&mut self, call: u64);

    /// Lives until there is nothing left to do, or the power goes.
    fn live_on(&mut self);

    /// The device after a power cut now.
    fn crash(&self, chooser: &mut Chooser) -> Self;

    /// Lives without a fault, and ends as it should.
    fn recover(self);
}

fn calls<D: Device>(scene: D::Scene) -> u64 {
    let mut device = D::new(scene);
    device.live_on();
    device.calls()
}

fn cut_at<D: Device>(scene: D::Scene, call: u64) -> D {
    let mut device = D::new(scene);
    device.cut_power_at(call);
    device.live_on();
    device
}

/// Cuts the power once, at every call of every scene, with everything that the disks may make of it.
pub(crate) fn one<D: Device>(suite: &'static str, scenes: &[D::Scene]) {
    let mut schedules = Schedules::of(suite);
    for &scene in scenes {
        for call in 0..=calls::<D>(scene) {
            let device: D = cut_at(scene, call);
            let outcomes = Chooser::all(|chooser| device.crash(chooser).recover());
            schedules.add(outcomes);
        }
    }
    schedules.report_all();
}

/// Cuts the power up to four times, by chance.
pub(crate) fn up_to_four<D: Device>(suite: &'static str, scenes: &[D::Scene]) {
    let mut schedules = Schedules::of(suite);
    let calls: Vec<u64> = scenes.iter().map(|scene| calls::<D>(*scene)).collect();
    for seed in seeds() {
        let mut chooser = Chooser::seeded(seed);
        let at = chooser.choose(scenes.len());
        let most = usize::try_from(calls[at]).unwrap() + 1;
        let mut device: D = cut_at(scenes[at], chooser.choose(most) as u64);
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
