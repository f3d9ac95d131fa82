//! Radios: their verdicts and restarts, in a simulated device and with the real agent.

mod air;
mod desk;
mod schedules;
mod world;
