//! The spool in real directories. What kills, power cuts and faults do to it is tried on simulated
//! disks, in `tests/it/spool`.

mod aside;
mod behind;
mod bounds;
mod flash;
mod harm;
mod line;
mod moves;
mod numbers;
mod task;
mod times;

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use durable::{Directory, Disk, Log};
use serde_json::Value;

use super::{Batch, Bounds, Gap, Place, Reason, Settings, Spool, Stamp};
use crate::record::{Certainty, Head};
use crate::{Clock, Reading};

const BOOT: &str = "6f1c0d2e-aaaa-4bbb-8ccc-1234567890ab";
const LARGE: Bounds = Bounds {
    ram: 1 << 20,
    flash: 0,
    flash_daily: 0,
};

/// Makes reports with `pad` bytes that cannot be packed into much less.
fn report(pad: usize) -> impl Fn(&Stamp<'_>) -> Vec<u8> + Send {
    move |stamp| line::line(stamp, pad)
}

/// Segments with these names and records, in a directory of a spool.
fn write(dir: &Path, files: Vec<(String, Vec<Vec<u8>>)>) {
    let mut disk = Directory::open(dir).unwrap();
    for (name, records) in files {
        let (mut log, _) = Log::open(&mut disk, name, &mut |_, _| {}).unwrap();
        for record in records {
            log.append(&mut disk, &record).unwrap();
        }
    }
}

/// The first report of a boot, a second after it, by a clock that is right.
fn head(line: &[u8]) -> Head {
    Head {
        seq: 1,
        at: 1_780_000_001,
        mono: 1,
        clock: Certainty::Ok,
        declared: 0,
        plain: line.len() as u32,
        crc: crc32fast::hash(line),
        since: 0,
    }
}

/// The system's clock, which is right.
#[derive(Debug)]
struct Right;

impl Clock for Right {
    fn read(&self) -> Reading {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        // The boot was an hour after the turn of some year.
        after(since.as_secs() - 1_780_000_000)
    }
    fn answered(&mut self, _: u64) {}
    fn wants_answer(&self) -> bool {
        false
    }
}

/// `at` seconds after the boot, by a clock that is right.
fn after(at: u64) -> Reading {
    Reading {
        epoch: 1_780_000_000 + at,
        mono: at,
        synced: true,
    }
}

/// `at` seconds after the boot, by a clock that began with it and is wrong.
fn unsure(at: u64) -> Reading {
    Reading {
        epoch: at,
        mono: at,
        synced: false,
    }
}

fn settings(dir: &Path) -> Settings {
    Settings {
        boot_id: BOOT.to_owned(),
        crashes: Arc::new(()),
        clock: Box::new(Right),
        place: Place {
            dir: dir.to_path_buf(),
            max: LARGE.ram,
            flash: None,
            left: Vec::new(),
        },
    }
}

/// A batch as a collector reads it: boots, seqs, and what it declares.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Arrived {
    boot_id: String,
    seq: u64,
    gaps: Vec<Gap>,
}

fn arrived(batch: &Batch) -> Vec<Arrived> {
    let lines = batch.lines().unwrap();
    let lines = lines.strip_suffix(b"\n").expect("a batch is whole lines");
    let reports = lines.split(|&byte| byte == b'\n').map(|line| {
        let report: Value = serde_json::from_slice(line).expect("every line is JSON");
        let device = &report["device"];
        Arrived {
            boot_id: device["boot_id"].as_str().unwrap().to_owned(),
            seq: device["seq"].as_u64().unwrap(),
            gaps: serde_json::from_value(report["gaps"].clone()).unwrap_or_default(),
        }
    });
    let reports: Vec<Arrived> = reports.collect();
    assert_eq!(reports.len() as u64, batch.reports);
    reports
}

/// Delivers everything, in batches of about 1000 bytes.
fn deliver_all<R: Disk>(spool: &mut Spool<R>, now: Reading) -> Vec<Arrived> {
    let mut all = Vec::new();
    while let Some(batch) = spool.next_batch(1000, now) {
        all.extend(arrived(&batch));
        spool.delivered(batch.id, now);
    }
    all
}

fn seqs(arrived: &[Arrived]) -> Vec<u64> {
    arrived.iter().map(|report| report.seq).collect()
}

/// The number declared missing for `reason`.
fn declared(arrived: &[Arrived], reason: Reason) -> u64 {
    let gaps = arrived.iter().flat_map(|report| &report.gaps);
    let of = gaps.filter(|gap| gap.reason == reason);
    of.filter_map(|gap| gap.count).sum()
}
