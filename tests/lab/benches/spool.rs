//! What keeping reports costs: bytes of a report packed, CPU of an append, memory of a delivery.
//! Printed with the bound each has to keep; nothing is asserted, machines differ.
//!
//!     cargo bench -p socketman-lab --bench spool

use std::error::Error;
use std::fs;

use socketman::clock::Reading;
use socketman::collect::Report;
use socketman::spool::{Bounds, Spool, Stamp};
use socketman::upload::BATCH_MAX;
use socketman_lab::moving::MovingAp;

/// Reports of a batch.
const BATCH: usize = 60;

/// Between two reports, s.
const EVERY: u64 = 15;

const ROOMY: Bounds = Bounds {
    ram: 64 << 20,
    flash: 0,
    flash_daily: 0,
};

fn main() -> Result<(), Box<dyn Error>> {
    for (stations, bound) in [(0, f64::NAN), (16, 70.0), (64, 100.0)] {
        let (bytes, cpu) = append(stations)?;
        let per_report = bytes as f64 / BATCH as f64;
        let what = format!("report of {stations} stations, packed in a batch of {BATCH}");
        line(&what, per_report, "B", f64::NAN);
        if stations > 0 {
            let what = format!("a station and sample, at {stations} stations");
            line(&what, per_report / stations as f64, "B", bound);
        }
        let bound = if stations == 64 { 1.0 } else { f64::NAN };
        let what = format!("append of a report of {stations} stations, CPU");
        line(&what, cpu, "ms", bound);
    }
    let peak = drain()?;
    let what = "memory while a full archive of 2 MiB is delivered, above idle";
    line(what, peak as f64 / 1024.0, "KiB", 512.0);
    Ok(())
}

fn line(what: &str, value: f64, unit: &str, bound: f64) {
    match bound.is_nan() {
        true => println!("{what:<64} {value:>8.2} {unit}"),
        false => println!("{what:<64} {value:>8.2} {unit:<4} (bound {bound:.0})"),
    }
}

fn build(report: Report) -> impl Fn(&Stamp<'_>) -> Vec<u8> + Send {
    move |stamp| report.to_line(&stamp.into(), stamp.gaps)
}

fn at(n: usize) -> Reading {
    let mono = n as u64 * EVERY;
    Reading {
        epoch: 1_780_000_000 + mono,
        mono,
        synced: true,
    }
}

/// Nanoseconds this thread has run.
fn cpu() -> Result<u64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat")?;
    let spent = stat.split(' ').next().ok_or("schedstat is empty")?;
    Ok(spent.parse()?)
}

/// Bytes of a body of [`BATCH`] reports, and ms to append one.
fn append(stations: usize) -> Result<(usize, f64), Box<dyn Error>> {
    let tmp = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
    let mut spool = Spool::open(&tmp.path().join("spool"), "boot", ROOMY)?;
    let mut ap = MovingAp::new(stations, 1);
    let mut bytes = 0;
    let mut spent = 0;
    const BATCHES: usize = 5;
    for batch in 0..BATCHES {
        for n in 0..BATCH {
            let report = build(ap.report(EVERY));
            let before = cpu()?;
            spool.append(&report, at(batch * BATCH + n))?;
            spent += cpu()? - before;
        }
        let now = at((batch + 1) * BATCH);
        let all = spool.next_batch(u64::MAX, now).ok_or("an empty batch")?;
        assert_eq!(all.reports as usize, BATCH);
        bytes += all.body.len();
        spool.delivered(all.id, now);
    }
    let appended = (BATCHES * BATCH) as f64;
    Ok((bytes / BATCHES, spent as f64 / 1e6 / appended))
}

/// Bytes allocated at most while a spool of 2 MiB is delivered batch by batch, above those that it has
/// allocated when it is open.
fn drain() -> Result<u64, Box<dyn Error>> {
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
    let mut spool = Spool::open(&dir, "boot", bounds)?;
    let mut delivered = 0;
    let counted = allocation_counter::measure(|| {
        while let Some(batch) = spool.next_batch(BATCH_MAX, at(n)) {
            delivered += batch.reports;
            spool.delivered(batch.id, at(n));
        }
    });
    assert_eq!(delivered as usize, n);
    Ok(counted.bytes_max)
}
