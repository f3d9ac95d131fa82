//! Changes that undo themselves: their durable steps under power cuts, and jobs of the real agent.

mod desk;
mod faults;
mod jobs;
mod moved;
mod owed;
mod power;
mod schedules;
mod settings;
mod world;
