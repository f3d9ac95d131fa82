//! Cuts the power of real file systems while the agent's durable parts write: tests/vm/run starts it.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use socketman_lab::power::guest;
use socketman_lab::power::host::options::Options;
use socketman_lab::power::host::{cord, tally::Tally};

/// The power cord.
#[derive(Parser)]
enum Command {
    /// Cut the power of virtual machines
    Cut(Options),
    /// In the machine: take orders
    Guest,
}

fn main() -> ExitCode {
    let began = Instant::now();
    let ran = match Command::parse() {
        Command::Guest => guest::run().map(|()| ExitCode::SUCCESS),
        Command::Cut(options) => {
            let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
            println!("seed {seed}");
            cord::run(&options, seed).map(|tally| report(&tally, began))
        }
    };
    ran.unwrap_or_else(|error| {
        eprintln!("socketman-power: {error}");
        ExitCode::FAILURE
    })
}

/// As the test runner does.
fn report(tally: &Tally, began: Instant) -> ExitCode {
    println!("{tally}");
    let seconds = began.elapsed().as_secs_f64();
    let results = tally.results();
    for (name, passed) in &results {
        println!(
            "test power::{name} ... {}",
            if *passed { "ok" } else { "FAILED" }
        );
    }
    let passed = results.iter().filter(|(_, passed)| *passed).count();
    let failed = results.len() - passed;
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out; finished in {seconds:.2}s"
    );
    match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
