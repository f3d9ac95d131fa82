//! Each upgrade has one outcome, and it says what the device has become, wherever the power is cut.

use super::world::{Device, SCENES};
use crate::cuts;

#[test]
fn a_power_cut_at_any_disk_operation_with_any_outcome_leaves_one_true_outcome() {
    cuts::one::<Device>("upgrades, one power cut", &SCENES);
}

#[test]
fn power_cuts_one_after_the_other_leave_one_true_outcome() {
    cuts::up_to_four::<Device>("upgrades, up to four power cuts", &SCENES);
}
