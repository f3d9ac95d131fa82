//! Collecting as a whole: sample replies in, reports out.

mod bus;
mod mutations;
mod plain;
mod reports;
pub(in crate::collect) mod samples;
mod task;
mod traps;
