//! The device has the old or the new settings, whole, and reaches a server with them, wherever the power is cut.

use super::world::{Device, SCENES};
use crate::cuts;

#[test]
fn a_power_cut_at_any_disk_operation_with_any_outcome_leaves_old_or_new_settings_that_work() {
    cuts::one::<Device>("provisioning, one power cut", &SCENES);
}

#[test]
fn power_cuts_one_after_the_other_leave_old_or_new_settings_that_work() {
    cuts::up_to_four::<Device>("provisioning, up to four power cuts", &SCENES);
}
