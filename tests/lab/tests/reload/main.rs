//! The agent as a process while its settings change.
#![allow(clippy::unwrap_used, clippy::panic)]

mod desk;
mod files;
mod guards;
mod parts;
