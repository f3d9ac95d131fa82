//! A life on a medium: all stores side by side, one after the other by chance.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use durable::Disk;

use super::cell::Number;
use super::jobs::Jobs;
use super::medium::Medium;
use super::records::Records;
use super::reports::Reports;
use super::trial::Trial;
use super::word::{Found, Start, Word};

/// The stores on one medium.
pub struct Life {
    cell: Number,
    records: Records,
    reports: Reports,
    jobs: Jobs,
    trial: Trial,
}

impl Life {
    /// Starts on what is below `root`, with `ram` for what may be lost.
    ///
    /// # Errors
    ///
    /// A store that refuses to start.
    pub fn begin(
        root: &Path,
        ram: PathBuf,
        start: &Start,
        syncs: bool,
    ) -> Result<(Life, Found), String> {
        let open = |name: &str| {
            let path = root.join(name);
            Medium::open(&path, syncs).map_err(|error| format!("{}: {error}", path.display()))
        };
        let config = root.join("etc/config");
        fs::create_dir_all(&config).map_err(|error| format!("{}: {error}", config.display()))?;
        let config =
            Medium::of_others(&config, syncs).map_err(|error| format!("config: {error}"))?;
        let conflict = root.join("state/conflict");
        let conflicts =
            move || -> io::Result<Box<dyn Disk>> { Ok(Box::new(Medium::open(&conflict, syncs)?)) };
        let (trial, tried) = Trial::open(open("state/guard")?, config, Box::new(conflicts))?;
        let (cell, number) = Number::open(open("state")?)?;
        let (records, recorded) = Records::open(open("state/log")?)?;
        let (jobs, fates) =
            Jobs::open(open("state")?, open("state/keep")?, start.boot, &start.jobs)?;
        let (reports, waiting) = Reports::open(ram, open("spool")?, start.boot, start.check)?;
        let life = Life {
            cell,
            records,
            reports,
            jobs,
            trial,
        };
        let found = Found {
            cell: number,
            records: recorded,
            reports: waiting,
            jobs: fates,
            trial: tried,
        };
        Ok((life, found))
    }

    /// Does one thing.
    ///
    /// # Errors
    ///
    /// A store contradicts itself.
    pub fn act(
        &mut self,
        rng: &mut fastrand::Rng,
        say: &mut dyn FnMut(Word),
    ) -> Result<(), String> {
        match rng.u8(..20) {
            0..3 => self.cell.act(&mut |said| say(Word::Cell(said))),
            3..6 => self.records.act(rng, &mut |said| say(Word::Records(said))),
            6..12 => self.jobs.act(rng, &mut |said| say(Word::Jobs(said)))?,
            12..18 => self
                .reports
                .act(rng, &mut |said| say(Word::Reports(said)))?,
            _ => self.trial.act(rng, &mut |said| say(Word::Trial(said))),
        }
        Ok(())
    }
}
