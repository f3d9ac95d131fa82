//! Tests that need root, and a network, a file system or a root directory of their own.
//!
//! They run one after the other, with `RUST_TEST_THREADS=1`: they write programs and run them, and a
//! process that another thread starts holds what is being written open for a moment, in which nobody
//! can run it.
#![allow(clippy::unwrap_used, clippy::panic)] // clippy knows #[test] functions only

mod desk;
mod guarded;
mod health;
mod jobs_run;
mod package;
mod recovery;
mod service;
mod upgrade;
