//! The agent's life as a service: with nothing around it, told to end at any moment, upgraded, on flash
//! that takes no more, and started again and again.

mod alone;
mod cycles;
mod overlay;
mod upgrade;

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use socketman_lab::agent_binary;
use socketman_lab::lab::Lab;
use socketman_lab::options::Options;
use tokio::time::timeout;

/// Longer than any step takes on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A heartbeat lasts 2 s.
pub(crate) const SCALE: u32 = 30;

pub(crate) async fn within<T>(what: &str, step: impl Future<Output = T>) -> T {
    match timeout(DEADLINE, step).await {
        Ok(done) => done,
        Err(_) => panic!("not in time: {what}"),
    }
}

pub(crate) async fn binary() -> PathBuf {
    agent_binary::find().await.unwrap()
}

/// A lab around this agent, which was not started yet.
pub(crate) async fn lab(agent: PathBuf) -> Lab {
    Lab::start(&Options::default(), agent, SCALE).await.unwrap()
}
