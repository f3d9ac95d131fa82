//! `socketman-lab soak`: one agent with everything it does at once, while something breaks every second or two, and what it
//! needs afterwards at the same load.
//!
//! In rounds. In each, every fault of every lane comes once, in another order, while signed jobs of all kinds come by a
//! mosquitto, calls and jobs by the bus, settings are changed and reloaded, and reports are collected, kept, archived and delivered. Then all
//! faults have ended, everything that waited is gone, and the agent is watched at rest. The first round warms it up; after each
//! of the others it may need no more than after the first.
//!
//! * `fault`, `lane`: the faults, in lanes
//! * `broker`, `operator`, `signer`, `jobs`: jobs by the broker, and their account
//! * `bus`: calls by the bus
//! * `reports`: the account of reports
//! * `sample`: the needs of the agent, whose program counts its heap (`socketman-counted`)
//! * `course`, `settings`: the rounds, and the changes of settings in them
//! * [`Figures`]: what came of it

mod broker;
mod bus;
mod course;
mod fault;
mod figures;
mod jobs;
mod lane;
mod operator;
mod reports;
mod sample;
mod settings;
mod signer;

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use clap::Args;

pub use figures::Figures;

use course::Course;

/// Why it could not be gone on with, or what was lost.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Everything at once, with faults every second or two, and the memory, descriptors and threads that are left
#[derive(Debug, Clone, Args)]
pub struct SoakArgs {
    /// Time after which no other round begins; a round takes a minute
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub minutes: u32,
    /// Order of the faults
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// Runs the agent `program`, which has to be `socketman-counted`, and says after each round what it needs.
///
/// # Errors
///
/// Something was lost, or the agent ended.
pub async fn run(
    args: &SoakArgs,
    program: &Path,
    out: &mut (impl Write + Send),
) -> Result<Figures, Failure> {
    let lasts = Duration::from_secs(60) * args.minutes;
    let mut course = Course::start(program, args.seed).await?;
    let ran = course.rounds(lasts, out).await;
    if ran.is_err() {
        course.keep(out)?;
    }
    let figures = ran?;
    course.end().await?;
    writeln!(out, "{figures}")?;
    Ok(figures)
}
