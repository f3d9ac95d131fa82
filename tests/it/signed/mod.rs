//! Signed jobs: the agent against who holds its broker, and operators with their keys.

mod desk;
mod guide;
mod red_team;
mod refused;
mod upgrade;
