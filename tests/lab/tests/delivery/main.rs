//! Delivery from the spool to the API, over real HTTP, with everything that can go wrong in between.

// All of this is test code, what is not marked as a test too.
#![allow(clippy::unwrap_used)]

mod agent;
mod answers;
mod asked;
mod backup;
mod clocks;
mod formats;
mod kills;
mod requests;
mod table;
