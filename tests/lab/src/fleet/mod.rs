//! A fleet in simulated time: many agents, one broker, one API, and what brings them all back at once.
//!
//! Each agent is the agent's own code that decides when to speak: [`Pacing`](socketman::mqtt::Pacing) of its sessions and
//! [`Rounds`](socketman::upload::Rounds) of its deliveries, with the retry rule, phases, sizes, refusals and turns
//! below them. Models stand in for what that code touches:
//!
//! ```text
//!  Rounds ─Way─► Api (load per second)        Pacing ─► Broker (connections per second)
//!    └─Queue─► Reports (numbers, no bytes)
//! ```
//!
//! Reports have the sizes that the real spool gives those of a moving access point ([`Sizes`]). Nothing waits in real time: [`Clock`]
//! and [`Tasks`] wake each agent at the moment it waits for, in order. One seed gives one course.
//!
//! A [`Scenario`] says what happens to broker and API, [`measure`](measured) what came of it. The bounds hold for a `spread` of 240 s; with the
//! default the figures are printed alone.

mod api;
mod broker;
mod clock;
mod device;
mod measured;
mod reports;
mod scenario;
mod sizes;
mod town;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

pub use api::{Api, Health};
pub use broker::Broker;
pub use clock::{Clock, Tasks};
pub use measured::Measured;
pub use reports::Reports;
pub use scenario::{Scenario, SCENARIOS};
pub use sizes::Sizes;
pub use town::Town;

/// The `spread` of a fleet, for which the bounds hold, s.
pub const SPREAD: u64 = 240;

/// The `spread` of the default settings, s.
pub const DEFAULT_SPREAD: u64 = 10;

/// Many agents in simulated time: how fast they come back after power cuts, restarts and outages
///
/// The agents' own code against models of broker and API. The bounds hold for a spread of 240 s and are measured with
/// 10,000 agents; fewer agents are measured over longer times, so that chance weighs as much.
#[derive(Args, Debug, Clone)]
pub struct FleetArgs {
    /// Number of agents, 1 to 100,000
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub agents: u32,
    /// Write the figures to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// The course of chance
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// The figures of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    pub agents: u32,
    pub scenarios: Vec<Measured>,
}

impl Figures {
    /// True if every bound holds.
    pub fn ok(&self) -> bool {
        self.scenarios.iter().all(|measured| measured.ok)
    }
}

/// Plays every scenario with both spreads, and writes a table to `out` as it goes.
///
/// # Errors
///
/// `out` takes nothing, or the sizes of reports cannot be measured.
pub fn run(args: &FleetArgs, out: &mut impl Write) -> io::Result<Figures> {
    let sizes = Sizes::measure()?;
    writeln!(
        out,
        "{} agents; connections in any {} s, requests and bytes in any {} s; a report alone has {} B, 24 have {} B",
        args.agents,
        measured::window(args.agents),
        measured::load_window(args.agents),
        sizes.of(1),
        sizes.of(24)
    )?;
    writeln!(out, "{}", measured::HEAD)?;
    let mut scenarios = Vec::new();
    for spread in [SPREAD, DEFAULT_SPREAD] {
        for scenario in SCENARIOS {
            let measured = Town::new(args.agents, spread, args.seed, &sizes).live(scenario);
            writeln!(out, "{measured}")?;
            out.flush()?;
            scenarios.push(measured);
        }
    }
    Ok(Figures {
        agents: args.agents,
        scenarios,
    })
}
