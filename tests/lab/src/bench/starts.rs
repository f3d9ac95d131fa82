//! Start and end of the agent.

use std::path::Path;
use std::time::Instant;

use super::table::Table;
use super::times::Times;
use super::{stations, Failure};
use crate::lab::{Lab, AGENT_ENDS_WITHIN};

const STARTS: usize = 9;

/// From the start of the process to its object on the bus, and from SIGTERM to its end.
pub(super) async fn starts(program: &Path, table: &mut Table) -> Result<(), Failure> {
    let mut lab = Lab::start(&stations(0), program.to_owned(), 1).await?;
    let (mut starts, mut ends) = (Times::new(), Times::new());
    for _ in 0..STARTS {
        let began = Instant::now();
        lab.start_agent()?;
        lab.registered().await?;
        starts.since(began);
        // Collected once, connected, and idle.
        let is_idle = |status: &serde_json::Value| {
            let kept = status["spool"]["reports"].as_u64();
            status["mqtt"]["connected"] == true && kept.unwrap_or(0) >= 1
        };
        lab.status_when(is_idle).await;
        let began = Instant::now();
        let agent = lab.agent().ok_or("no agent")?;
        agent.terminate(AGENT_ENDS_WITHIN).await?;
        ends.since(began);
    }
    table.bounded(
        "start to registered on the bus",
        starts.median(),
        "ms",
        50.0,
    );
    table.bounded("SIGTERM to the end, idle", ends.median(), "ms", 200.0);
    lab.end().await?;
    Ok(())
}
