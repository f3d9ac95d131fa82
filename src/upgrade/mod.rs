//! Upgrades of the agent and of the firmware below it, which report what came of them.
//!
//! Each of them ends the agent, and may end the device. So what is to be known afterwards is on flash before, and who
//! finds it decides from there.
//!
//! ```text
//!  jobs ─msg─► request ─► window ─► board, room ─► download ─┬─ image ──► sysupgrade -T ─► record, ledger ─► sysupgrade
//!                                                             │                                                  │ boot
//!                                                             │             success ◄─ alive ◄─ the release ◄────┘
//!                                                             │
//!                                                             └─ package ─► undo on flash ─► record ─► watcher ─► opkg, apk
//!                                                                                                         │
//!                                                                success ◄─ alive ◄─ the new agent ◄──────┤
//!                                                                                                         │ late
//!                                                                failed ◄─ the package before ◄───────────┘
//! ```
//!
//! * [`request`]: what a job asks for
//! * [`window`], [`zone`]: the time of day at which it begins
//! * [`download`]: the file, in as many attempts as it takes
//! * [`record`]: how far it has come, and every step from there; pure
//! * [`store`]: the record on flash, and what a power cut leaves
//! * `tools`: sysupgrade, opkg, apk
//! * `watcher`: the process that sees an installation through
//! * `course`: from the job to the point of no return; `resume`: from the record to the outcome
//! * `handle`: what the jobs part asks
//!
//! Before that point a cut makes the job INTERRUPTED, and nothing has changed. After it there is a record, and one
//! outcome. Its proof of life is what the guard asks of a network change: the device reaches what it reached before, by
//! evidence that is newer than the agent which looks for it. A new agent writes that down with the hash of its own program;
//! the watcher believes it only if this is the program that is installed now.
//!
//! There is no undo of an image, and none of a package whose undo was waived.

mod course;
pub mod download;
mod facts;
mod handle;
mod places;
pub mod record;
pub mod request;
mod resume;
pub mod store;
mod tools;
mod watcher;
pub mod window;
pub mod zone;

pub use facts::Facts;
pub use handle::{new, Handle, Part, Settings};
pub use places::{find, Found};
pub use watcher::watcher;
