//! First contact: the settings that a new device works with.
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

mod course;
mod desk;
mod facts;
mod merge;
mod offer;
pub mod once;
mod reach;
mod record;
mod server;
mod settings;
pub mod store;
mod task;

pub use facts::{Facts, State};
#[cfg(any(test, fuzzing))]
pub(crate) use offer::Offer;
pub use reach::{Reach, Reached};
pub use record::{Hash, Phase, Record};
pub use server::About;
pub use settings::Settings;
pub use task::{run, Part, Reload};
