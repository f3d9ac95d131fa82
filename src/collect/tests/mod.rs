//! Collecting as a whole: sample replies in, reports out.

mod bus;
mod mutations;
mod plain;
mod reports;
mod samples;
mod traps;
