//! Runs a target of `socketman::fuzzing` under libFuzzer, and watches the memory it takes.
#![cfg(fuzzing)]

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use socketman::fuzzing::{Target, TARGETS};

/// Names the target.
const TARGET: &str = "SOCKETMAN_FUZZ_TARGET";

/// Names a directory that gets the seeds, one directory for each target, in the place of a run.
const SEEDS: &str = "SOCKETMAN_FUZZ_SEEDS";

/// Gets ready. With [`SEEDS`] this writes them, and the process ends.
pub fn begin() {
    if let Some(directory) = std::env::var_os(SEEDS) {
        write_seeds(Path::new(&directory));
        std::process::exit(0);
    }
    target();
}

/// The target to run.
pub fn target() -> &'static Target {
    static FOUND: OnceLock<&Target> = OnceLock::new();
    FOUND.get_or_init(|| {
        let name = std::env::var(TARGET).unwrap_or_default();
        let found = TARGETS.iter().find(|target| target.name == name);
        found.unwrap_or_else(|| {
            eprintln!("{TARGET}: '{name}' is no target");
            std::process::exit(2);
        })
    })
}

fn write_seeds(directory: &Path) {
    for target in TARGETS {
        let directory = directory.join(target.name);
        fs::create_dir_all(&directory).expect("the directory can be made");
        let seeds = (target.seeds)();
        for (at, seed) in seeds.iter().enumerate() {
            fs::write(directory.join(format!("seed-{at}")), seed).expect("a seed can be written");
        }
        println!("{} {}", target.name, seeds.len());
    }
}
