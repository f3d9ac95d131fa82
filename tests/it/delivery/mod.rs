//! Delivery from the spool to the API, over real HTTP, with everything that can go wrong in between.

mod agent;
mod answers;
mod asked;
mod backup;
mod clocks;
mod formats;
mod kills;
mod requests;
mod table;
