//! A spool: reports that were on flash for certain are there, and what is gone is declared.
//!
//! Time is that of the story: reports are a minute apart or ten, and nobody waits for them.

mod account;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use durable::Directory;
use serde::{Deserialize, Serialize};
use socketman::process::clock::Reading;
use spool::{Batch, Bounds, ReportId, Spool, Stamp};

use super::ensure;
use super::medium::Medium;
use crate::reports::report;

pub use account::Account;

/// Small, so that room runs out now and then.
const BOUNDS: Bounds = Bounds {
    ram: 12_000,
    flash: 16_000,
    flash_daily: 1 << 20,
};

/// The real time of the first start, seconds since the epoch.
const BEGIN: u64 = 1_780_000_000;

/// Seconds of the story between two starts that the host asks for.
const BOOT: u64 = 20_000_000;

/// Starts of the story between them.
const STARTS: usize = 1000;

/// Reports that a life may make by itself; the others are of checks.
const OWN: usize = 990;

/// A report that was collected, seconds since the epoch.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Taken {
    pub boot: usize,
    pub seq: u64,
    pub at: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Said {
    Collected(Taken),
    /// A server has these lines.
    Arrived(Vec<String>),
    /// The disk did not take that they arrived: they may come again.
    Unnoticed(Vec<(usize, u64)>),
    /// After a restart of the device, in peace: these are on flash.
    Restarted(Vec<(usize, u64)>),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Found {
    /// Reports that were collected after the start.
    pub collected: Vec<Taken>,
    /// All that wait.
    pub lines: Vec<String>,
}

/// The spool in the machine.
pub struct Reports {
    ram: PathBuf,
    flash: Medium,
    spool: Spool<Directory, Medium>,
    boot: usize,
    now: u64,
    booted: u64,
}

fn failed(error: impl std::fmt::Display) -> String {
    format!("spool: {error}")
}

fn boot_id(boot: usize) -> String {
    format!("boot-{boot}")
}

fn words(lines: Vec<Vec<u8>>) -> Vec<String> {
    let lines = lines.into_iter();
    lines
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .collect()
}

impl Reports {
    /// Opens the spool after the power was cut: there is nothing in `ram`.
    ///
    /// # Errors
    ///
    /// It does not open, or a report that was kept does not come out.
    pub fn open(
        ram: PathBuf,
        flash: Medium,
        boot: u32,
        check: Option<u32>,
    ) -> Result<(Self, Found), String> {
        let mut now = BEGIN + u64::from(boot) * BOOT;
        let mut boot = boot as usize * STARTS;
        if let Some(check) = check {
            now += BOOT / 20 * (10 + u64::from(check));
            boot += OWN + check as usize;
        }
        let spool = start(&ram, &flash, boot)?;
        let mut reports = Reports {
            ram,
            flash,
            spool,
            boot,
            now: now + 20,
            booted: now,
        };
        let mut collected = Vec::new();
        let mut lines = Vec::new();
        // The second one declares what came out when the first was to be sent.
        for _ in 0..2 {
            collected.push(reports.append(0)?);
            reports.now += 700;
            lines = words(reports.waiting()?);
        }
        Ok((reports, Found { collected, lines }))
    }

    /// Everything that waits, and goes on waiting.
    ///
    /// # Errors
    ///
    /// A report that waits does not come out.
    fn waiting(&mut self) -> Result<Vec<Vec<u8>>, String> {
        let now = self.reading();
        let mut lines = Vec::new();
        // A batch is no larger than a part of RAM, however much is asked for.
        while let Some(batch) = self.spool.next_batch(u64::MAX, now) {
            lines.extend(report::lines(&batch));
            self.spool.set_aside(batch.id);
        }
        let facts = self.spool.facts();
        ensure(lines.len() as u64 == facts.reports, || {
            format!("spool: {} reports come out of {facts:?}", lines.len())
        })?;
        let ids = lines.iter().map(|line| report::id(line));
        let ids: Vec<ReportId> = ids
            .map(|(boot, seq)| ReportId::new(&boot_id(boot), seq))
            .collect();
        self.spool.take_back(&ids, now);
        Ok(lines)
    }

    fn reading(&self) -> Reading {
        Reading {
            epoch: self.now,
            mono: self.now - self.booted,
            synced: true,
        }
    }

    /// # Errors
    ///
    /// The device does not come up again, or a report that waits does not come out.
    pub fn act(
        &mut self,
        rng: &mut fastrand::Rng,
        say: &mut dyn FnMut(Said),
    ) -> Result<(), String> {
        match rng.u8(..24) {
            0..12 => {
                let taken = self.append(rng.usize(..250))?;
                say(Said::Collected(taken));
            }
            12..17 => self.now += [15, 61, 300, 700][rng.usize(..4)],
            17..20 => {
                let now = self.reading();
                if let Some(batch) = self.spool.next_batch(1000, now) {
                    self.spool.kept_back(batch.id, now);
                }
            }
            20..22 => {
                let batch = self
                    .spool
                    .next_batch([0, 600, 3000][rng.usize(..3)], self.reading());
                self.arrive(batch, say);
            }
            22 => {
                let batch = self.spool.newest(self.reading());
                self.arrive(batch, say);
            }
            _ if self.boot % STARTS < OWN - 1 => self.restart(say)?,
            _ => {}
        }
        Ok(())
    }

    fn append(&mut self, pad: usize) -> Result<Taken, String> {
        let seq = Mutex::new(0);
        let build = |stamp: &Stamp<'_>| {
            *seq.lock().expect("nobody panics with it") = stamp.seq;
            report::line(stamp, pad)
        };
        let now = self.reading();
        self.spool.append(&build, now).map_err(failed)?;
        Ok(Taken {
            boot: self.boot,
            seq: seq.into_inner().expect("nobody panics with it"),
            at: self.now,
        })
    }

    fn arrive(&mut self, batch: Option<Batch>, say: &mut dyn FnMut(Said)) {
        let Some(batch) = batch else {
            return;
        };
        let lines = report::lines(&batch);
        let ids = lines.iter().map(|line| report::id(line)).collect();
        say(Said::Arrived(words(lines)));
        self.spool.delivered(batch.id, self.reading());
        if self.spool.facts().last_error.is_some() {
            say(Said::Unnoticed(ids));
        }
    }

    /// The agent ends in peace, and the device restarts.
    fn restart(&mut self, say: &mut dyn FnMut(Said)) -> Result<(), String> {
        let now = self.reading();
        self.spool.close(now);
        if self.spool.facts().last_error.is_some() {
            // What no disk takes nothing can hold over the end of the process.
            return Ok(());
        }
        self.boot += 1;
        self.booted = self.now;
        self.now += 20;
        self.spool = start(&self.ram, &self.flash, self.boot)?;
        let lines = self.waiting()?;
        say(Said::Restarted(
            lines.iter().map(|line| report::id(line)).collect(),
        ));
        Ok(())
    }
}

/// Opens the spool with nothing in RAM.
fn start(ram: &PathBuf, flash: &Medium, boot: usize) -> Result<Spool<Directory, Medium>, String> {
    match fs::remove_dir_all(ram) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let ram = Directory::open(ram).map_err(failed)?;
    Spool::on(ram, Some(flash.clone()), &boot_id(boot), BOUNDS).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::ledger::Id;

    #[test]
    fn all_that_waits_comes_out_in_however_many_batches() {
        let tmp = tempfile::tempdir().unwrap();
        let flash = Medium::open(&tmp.path().join("flash"), true).unwrap();
        let (mut reports, found) = Reports::open(tmp.path().join("ram"), flash, 0, None).unwrap();
        assert_eq!(found.lines.len(), 2);
        for _ in 0..30 {
            reports.append(240).unwrap();
            reports.now += 61;
        }
        let now = reports.reading();
        let batch = reports.spool.next_batch(u64::MAX, now).unwrap();
        assert!(batch.more, "one batch does not do");
        for _ in 0..2 {
            let ids: Vec<Id> = reports
                .waiting()
                .unwrap()
                .iter()
                .map(|line| report::id(line))
                .collect();
            let all: Vec<Id> = (1..=32).map(|seq| (0, seq)).collect();
            assert_eq!(ids, all);
        }
        let mut said = Vec::new();
        reports.restart(&mut |word| said.push(word)).unwrap();
        let [Said::Restarted(ids)] = &said[..] else {
            panic!("{said:?}");
        };
        assert_eq!(ids.len(), 32, "they are a minute apart");
    }
}
