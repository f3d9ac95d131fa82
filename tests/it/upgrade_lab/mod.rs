//! Upgrades with the real agent in the lab: every outcome is the right one, is reported once, and the device runs what
//! the outcome says.

mod depot;
mod download;
mod image;
mod image_cuts;
mod package;
mod package_cuts;
mod programs;
mod window;
mod world;

use std::time::Duration;

use world::{Fate, World};

/// A second of the device passes in a thirtieth.
const SCALE: u32 = 30;

/// Longer than any step takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// The time to prove that it lives of an agent that does: longer than it takes on a busy machine, s.
const PATIENT: u32 = 600;

/// The same of one that does not, s.
const IMPATIENT: u32 = 30;
