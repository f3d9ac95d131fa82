//! First contact: the name of this device.
//!
//! * [`identity`]: the name by which broker and API know it
//! * [`choose`](choose()): option `mac`, else `mac_file`, else what is remembered, else the hardware's own
//! * `hardware`: the MAC addresses that the makers of board and network cards gave them
//! * `memory`: what was chosen, and the hardware it was chosen on, in `state_dir/keep`

mod choose;
mod hardware;
pub mod identity;
mod memory;
#[cfg(test)]
mod tests;

pub use choose::{choose, Chosen, Source};
pub use identity::{Identity, NotMac};

/// The permanent MAC addresses of the hardware below `root`, sorted; none where it has none, or they cannot be
/// read.
pub fn hardware_macs(root: &std::path::Path) -> Vec<crate::mac::Mac> {
    hardware::Hardware::look(root).macs()
}
