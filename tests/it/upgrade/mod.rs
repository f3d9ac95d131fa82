//! Upgrades: their record under power cuts, and downloads over links that break.

mod download;
mod power;
mod server;
mod world;
