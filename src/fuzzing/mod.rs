//! Readers of foreign bytes, as targets of a fuzzer.
//!
//! Neither the program nor anything else that is handed out has this module: it is there for the unit tests,
//! which run every target on its seeds, and for `tests/fuzz/run`, which runs them under libFuzzer.
//!
//! A target does with its input what the agent does with bytes of that origin, and asserts more than that nothing
//! panics: what is accepted keeps the promises of its type, what is written reads back, nothing is lost, and
//! memory stays in proportion to the input. A new reader of foreign bytes gets a file here and a row in [`TARGETS`].

mod answer;
mod blob;
mod bus;
mod data;
mod job;
mod journal;
mod leases;
mod log;
mod memory;
mod pieces;
mod settings;
mod spool;
mod table;
mod uci;
mod upgrade;

/// A reader under test.
#[derive(Debug)]
pub struct Target {
    pub name: &'static str,
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Reads an input.
    ///
    /// # Panics
    ///
    /// If the reader breaks a promise.
    pub run: fn(&[u8]),
    /// Bytes of memory that a run takes at most with an empty input.
    fixed: u64,
    /// Bytes that each byte of the input may add.
    per_byte: u64,
}

impl Target {
    const fn new(name: &'static str, seeds: fn() -> Vec<Vec<u8>>, run: fn(&[u8])) -> Self {
        Target {
            name,
            seeds,
            run,
            fixed: 64 << 10,
            per_byte: 256,
        }
    }

    const fn with_room(self, fixed: u64, per_byte: u64) -> Self {
        Target {
            fixed,
            per_byte,
            ..self
        }
    }

    /// Bytes of memory that an input of `length` bytes may take, with all that is compared.
    pub fn room(&self, length: usize) -> u64 {
        self.fixed + self.per_byte * length as u64
    }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target::new("answer", answer::seeds, answer::run),
    Target::new("blob", blob::seeds, blob::run),
    Target::new("bus", bus::seeds, bus::run).with_room(256 << 10, 512),
    Target::new("cell", log::cell_seeds, log::run_cell),
    Target::new("job", job::seeds, job::run),
    Target::new("journal", journal::seeds, journal::run),
    Target::new("leases", leases::seeds, leases::run),
    // Copies of the whole double it, once for each piece.
    Target::new("log", log::seeds, log::run).with_room(16 << 20, 256),
    Target::new("settings", settings::seeds, settings::run),
    Target::new("signature", job::signature_seeds, job::run_signature),
    // The longest line that may be unpacked, and compressors.
    Target::new("spool", spool::seeds, spool::run).with_room(64 << 20, 1024),
    Target::new("table", table::seeds, table::run).with_room(1 << 20, 1024),
    Target::new("uci", uci::seeds, uci::run),
    Target::new("upgrade", upgrade::seeds, upgrade::run),
];

#[cfg(test)]
mod tests {
    use super::TARGETS;

    #[test]
    fn every_target_takes_its_own_seeds() {
        for target in TARGETS {
            let seeds = (target.seeds)();
            assert!(!seeds.is_empty(), "{}", target.name);
            for seed in &seeds {
                (target.run)(seed);
            }
            println!("{}: {} seeds", target.name, seeds.len());
        }
    }
}
