//! Collecting as a whole: sample replies in, reports out.

mod bus;
mod cases;
mod conservation;
mod events;
mod lasting;
mod mutations;
mod plain;
mod reference;
mod reports;
mod routes;
mod running;
pub(in crate::collect) mod samples;
mod stations;
mod task;
mod traps;

use spool::{Certainty, Stamp};

/// A report's identity, taken by a clock that is right, without gaps before it.
fn stamp(boot_id: &str, seq: u64) -> Stamp<'_> {
    Stamp {
        boot_id,
        seq,
        created_at: 1_751_450_000,
        clock: Certainty::Ok,
        gaps: &[],
    }
}
