//! The table of jobs on a simulated disk, between a broker and processes that end when they like.

mod agent;
mod backup;
mod broker;
mod full;
mod long;
mod schedules;
mod upgrades;
mod world;
