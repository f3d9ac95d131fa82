//! The agent as a process while its settings change.

pub(crate) mod desk;
mod files;
mod guards;
mod parts;
mod slow;
