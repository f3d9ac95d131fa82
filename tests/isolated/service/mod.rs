//! The agent's life as a service: with nothing around it, told to end at any moment, upgraded, on flash
//! that takes no more, and started again and again.

mod alone;
mod cycles;
mod overlay;
mod upgrade;

use std::path::PathBuf;

use socketman_lab::agent_binary;
use socketman_lab::lab::Lab;
use socketman_lab::options::Options;

/// A heartbeat lasts 2 s.
pub(crate) const SCALE: u32 = 30;

pub(crate) async fn binary() -> PathBuf {
    agent_binary::find().await.unwrap()
}

/// A lab around this agent, which was not started yet.
pub(crate) async fn lab(agent: PathBuf) -> Lab {
    Lab::start(&Options::default(), agent, SCALE).await.unwrap()
}
