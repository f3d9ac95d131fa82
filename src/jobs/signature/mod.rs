//! Signed jobs: which jobs run while `job_pubkey` is set.
//!
//! ```text
//!  Job ─► signed_text ─┐
//!  job_pubkey ─► Keys ─┼► Judge::admit ─► (known id?) ─► Judge::in_time ─► accepted
//!  built, jobs, Date ─► Floor ─┘                                              │
//!                         ▲───────────────── timestamp ◄─────────────────────┘
//! ```
//!
//! With keys, a job runs only if it is signed with one of them, for this device, in every field that has
//! an effect; once, because its id is remembered until the [`Floor`] has passed its `expires`; and not
//! after that. An attacker at the broker can withhold jobs and choose their order, no more.
//!
//! Nothing here does I/O or has a clock of its own: a sequence of attacks is a sequence of calls.

mod floor;
mod judge;
mod keys;
#[cfg(test)]
pub(in crate::jobs) mod operator;
mod text;

#[cfg(test)]
mod tests;

pub use floor::Floor;
pub use judge::{check_life, check_time, Judge, Refusal, LIFE_MAX};
pub use keys::{Keys, Signature};
pub use text::{signed_text, TextError};

// `BUILT`, from build.rs.
include!(concat!(env!("OUT_DIR"), "/built.rs"));
