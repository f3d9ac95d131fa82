//! Tests of recovery.

mod explore;
mod ladder;
mod permits;
mod reboot;
mod task;
