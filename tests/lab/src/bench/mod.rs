//! `socketman-lab bench`: the agent's figures on this machine, beside the bounds they have to keep and beside what nothing
//! can be faster than.
//!
//! Most is measured on the packaged program as a process in the lab. `--quick` leaves out all that noise can move (times,
//! CPU, memory), and fails if a bound is missed; without it nothing is asserted, for machines differ.
//!
//! * [`Table`]: figures, each with its bound
//! * `package`, `process`, `calls`: the program, and the kernel's word on a process
//! * `starts`, `idle`, `reports`, `jobs`: the program at work in the lab, with `site` and `echo` around jobs
//! * `report`, `spool`, `bus`, `signature`: one part of it, in process
//! * `peer`: another program with the same duties

mod bus;
mod calls;
mod echo;
mod idle;
mod jobs;
mod package;
mod peer;
mod process;
mod report;
mod reports;
mod signature;
mod site;
mod spool;
mod starts;
mod table;
mod times;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::options::Options;
use table::Table;

/// Why a figure could not be measured.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The agent's figures, beside their bounds: size, memory, CPU, system calls, latency
///
/// With --quick only those that do not depend on what else the machine does; it fails if one is over its bound.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Sizes, counts and growth alone, in less than a minute
    #[arg(long)]
    quick: bool,
    /// Measure this program beside the agent, with the same duties
    #[arg(long, value_name = "PROGRAM")]
    peer: Option<Peer>,
    /// Be the client that echoes at the broker of this port
    #[arg(long, hide = true)]
    echo: Option<u16>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Peer {
    Collectd,
}

/// Measures, prints, and says whether all went well.
///
/// # Errors
///
/// Something could not be measured.
pub async fn run(args: BenchArgs) -> Result<ExitCode, Failure> {
    if let Some(port) = args.echo {
        echo::echo(port).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::default();
    let program = package::program()?;
    package::size(&program, &mut table)?;
    report::by_stations(args.quick, &mut table)?;
    spool::keeping(args.quick, &mut table)?;
    if args.quick {
        idle::counts(&program, idle::QUICK, &mut table).await?;
    } else {
        signature::verify(&mut table)?;
        bus::latency(&mut table)?;
        starts::starts(&program, &mut table).await?;
        let own = idle::idle(&program, &mut table).await?;
        if let Some(Peer::Collectd) = args.peer {
            peer::collectd(&own, &mut table).await?;
        }
        reports::by_stations(&program, &mut table).await?;
        jobs::jobs(&program, &mut table).await?;
    }
    if let Some(path) = &args.json {
        fs::write(path, table.json()?)?;
    }
    Ok(match args.quick && !table.keeps_bounds() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

fn stations(stations: usize) -> Options {
    Options {
        stations,
        ..Options::default()
    }
}
