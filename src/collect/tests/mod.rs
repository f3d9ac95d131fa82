//! Collecting as a whole: sample replies in, reports out.

mod bus;
mod mutations;
mod plain;
mod reports;
mod samples;
mod traps;

/// A report's identity, taken by a clock that is right.
fn stamp<'a, G>(boot_id: &'a str, seq: u64, gaps: &'a [G]) -> super::Stamp<'a, G> {
    super::Stamp {
        boot_id,
        seq,
        created_at: 1_751_450_000,
        clock: "ok",
        gaps,
    }
}
