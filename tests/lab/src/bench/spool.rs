//! The cost of keeping reports: bytes of a report packed, append, delivery and opening of a full spool.

use std::time::Instant;

use socketman::collect::Report;
use socketman::process::clock::Reading;
use socketman::upload::BATCH_MAX;
use spool::{Bounds, Spool, Stamp};

use super::process::own_cpu;
use super::table::Table;
use super::Failure;
use crate::moving::MovingAp;

/// Reports of a batch.
const BATCH: usize = 60;

/// Between two reports, s.
const EVERY: u64 = 15;

const ROOMY: Bounds = Bounds {
    ram: 64 << 20,
    flash: 0,
    flash_daily: 0,
};

/// Bytes of reports, and what a spool of 2 MiB needs; times only if not `quick`.
pub(super) fn keeping(quick: bool, table: &mut Table) -> Result<(), Failure> {
    for (stations, bound) in [(16, 70.0), (64, 100.0)] {
        let (bytes, cpu) = append(stations)?;
        let each = bytes as f64 / BATCH as f64 / stations as f64;
        let name = format!("a station and sample, at {stations} stations, packed");
        table.bounded(&name, each, "B", bound);
        if !quick {
            let name = format!("append of a report of {stations} stations, CPU");
            table.bounded(&name, cpu, "ms", 1.0);
        }
    }
    let full = full()?;
    let name = "memory while a spool of 2 MiB is delivered, above idle";
    table.bounded(name, full.peak as f64 / 1024.0, "KiB", 512.0);
    if !quick {
        table.plain("opening a spool of 2 MiB", full.opening, "ms");
        table.plain(
            "delivery of a spool of 2 MiB, packing alone",
            full.draining,
            "ms",
        );
    }
    Ok(())
}

fn build(report: Report) -> impl Fn(&Stamp<'_>) -> Vec<u8> + Send {
    move |stamp| report.to_line(stamp)
}

fn at(n: usize) -> Reading {
    let mono = n as u64 * EVERY;
    Reading {
        epoch: 1_780_000_000 + mono,
        mono,
        synced: true,
    }
}

/// Bytes of a body of [`BATCH`] reports, and ms to append one.
fn append(stations: usize) -> Result<(usize, f64), Failure> {
    let tmp = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
    let mut spool = Spool::open(&tmp.path().join("spool"), "boot", ROOMY)?;
    let mut ap = MovingAp::new(stations, 1);
    let mut bytes = 0;
    let mut spent = 0.0;
    const BATCHES: usize = 5;
    for batch in 0..BATCHES {
        for n in 0..BATCH {
            let report = build(ap.report(EVERY));
            let before = own_cpu()?;
            spool.append(&report, at(batch * BATCH + n))?;
            spent += own_cpu()? - before;
        }
        let now = at((batch + 1) * BATCH);
        let all = spool.next_batch(u64::MAX, now).ok_or("an empty batch")?;
        assert_eq!(all.reports as usize, BATCH);
        bytes += all.body.len();
        spool.delivered(all.id, now);
    }
    let appended = (BATCHES * BATCH) as f64;
    Ok((bytes / BATCHES, spent / appended))
}

/// A spool of 2 MiB, opened and delivered batch by batch.
struct Full {
    /// Bytes allocated at most by the delivery, above those of the open spool.
    peak: u64,
    /// ms.
    opening: f64,
    /// ms.
    draining: f64,
}

fn full() -> Result<Full, Failure> {
    let tmp = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
    let dir = tmp.path().join("spool");
    let bounds = Bounds {
        ram: 2 << 20,
        ..ROOMY
    };
    let mut spool = Spool::open(&dir, "boot", bounds)?;
    let mut ap = MovingAp::new(16, 2);
    let mut n = 0;
    while spool.facts().bytes < 2_000_000 {
        spool.append(&build(ap.report(EVERY)), at(n))?;
        n += 1;
    }
    drop(spool);
    let milliseconds = |began: Instant| began.elapsed().as_secs_f64() * 1e3;
    let began = Instant::now();
    let mut spool = Spool::open(&dir, "boot", bounds)?;
    let opening = milliseconds(began);
    let mut delivered = 0;
    let began = Instant::now();
    let counted = allocation_counter::measure(|| {
        while let Some(batch) = spool.next_batch(BATCH_MAX, at(n)) {
            delivered += batch.reports;
            spool.delivered(batch.id, at(n));
        }
    });
    let draining = milliseconds(began);
    assert_eq!(delivered as usize, n);
    Ok(Full {
        peak: counted.bytes_max,
        opening,
        draining,
    })
}
