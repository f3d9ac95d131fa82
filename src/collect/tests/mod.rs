//! Collecting as a whole: sample replies in, reports out.

mod bus;
mod events;
mod lasting;
mod mutations;
mod plain;
mod reference;
mod reports;
mod running;
pub(in crate::collect) mod samples;
mod stations;
mod task;
mod traps;
