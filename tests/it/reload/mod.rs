//! The agent as a process while its settings change.

mod desk;
mod files;
mod guards;
mod parts;
