//! First contact: the name of this device, and the settings it works with.
//!
//! * [`identity`]: the name by which broker and API know it
//! * [`choose`](choose()): option `mac`, else `mac_file`, else what is remembered, else the hardware's own
//! * `hardware`: the MAC addresses that the makers of board and network cards gave them
//! * `memory`: what was chosen, and the hardware it was chosen on, in `state_dir/keep`
//!
//! A device without username, password and token asks the init server, option `init_url`:
//!
//! ```text
//!  server ─answer─► offer ─► merge ─► store ─► config.json ─reload─► every part
//!    ▲                                                                  │
//!  course ◄──────────────── reach: broker and API ◄─────────────────────┘
//! ```
//!
//! * `course` decides when to ask, and whether the settings stay; `server` asks; `offer` is what an init server may
//!   set, and [`task`](run) brings them together
//! * [`store`] is what of it survives a power cut; `desk` is the thread that waits for the disk
//! * [`once`]: what is done once after a start, when the device has its settings

mod choose;
mod course;
mod desk;
mod facts;
mod hardware;
pub mod identity;
mod memory;
mod merge;
mod offer;
pub mod once;
mod reach;
mod record;
mod server;
pub mod store;
mod task;
#[cfg(test)]
mod tests;

pub use choose::{choose, Chosen, Source};
pub use facts::{Facts, State};
pub use identity::{Identity, NotMac};
#[cfg(any(test, fuzzing))]
pub(crate) use offer::Offer;
pub use reach::{Reach, Reached};
pub use record::{Hash, Phase, Record};
pub use server::About;
pub use task::{run, Part, Reload, Settings};

/// The permanent MAC addresses of the hardware below `root`, sorted; none where it has none, or they cannot be
/// read.
pub fn hardware_macs(root: &std::path::Path) -> Vec<crate::mac::Mac> {
    hardware::Hardware::look(root).macs()
}
