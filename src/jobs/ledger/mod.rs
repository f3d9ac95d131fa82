//! The table's records on flash, written by a thread of their own.
//!
//! [`Ledger`] is the jobs part's end of that thread: one batch is with the disk at a time, and what happens
//! meanwhile makes the next one, so that jobs that arrive together share a sync.

mod medium;
mod store;
mod thread;

pub use store::{Found, Store};

pub(super) use medium::is_persistent;
pub(super) use thread::{Ledger, Wrote};
