//! Bytes of reports in a request, as the real spool packs them.

use std::io;
use std::rc::Rc;

use socketman::collect::Report;
use socketman::process::clock::Reading;
use spool::{Bounds, Spool, Stamp};

use crate::moving::MovingAp;

/// Stations of a device.
const STATIONS: usize = 16;

/// Between two reports, s.
const EVERY: u64 = 15;

/// Numbers of reports that are measured; between them the bytes rise evenly.
const MEASURED: [usize; 6] = [1, 2, 4, 8, 24, 120];

/// Bytes of so many reports in a request.
#[derive(Debug, Clone)]
pub struct Sizes(Rc<[u64]>);

impl Sizes {
    /// Packs reports of a device with 16 stations.
    ///
    /// # Errors
    ///
    /// The spool has no directory to work in.
    pub fn measure() -> io::Result<Self> {
        let tmp = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
        let bounds = Bounds {
            ram: 64 << 20,
            flash: 0,
            flash_daily: 0,
        };
        let opened = Spool::open(&tmp.path().join("spool"), "boot", bounds);
        let mut spool = opened.map_err(io::Error::other)?;
        let mut ap = MovingAp::new(STATIONS, 1);
        let at = |n: u64| Reading {
            epoch: 1_780_000_000 + n * EVERY,
            mono: n * EVERY,
            synced: true,
        };
        let build = |report: Report| move |stamp: &Stamp<'_>| report.to_line(stamp);
        let all: usize = MEASURED.iter().sum();
        for n in 0..=all as u64 {
            let report = build(ap.report(EVERY));
            spool.append(&report, at(n)).map_err(io::Error::other)?;
        }
        let now = at(all as u64);
        let mut points = vec![(0, 0)];
        for count in MEASURED {
            let batch = spool.next_few(u64::MAX, count, now);
            let batch = batch.ok_or_else(|| io::Error::other("the spool has no reports"))?;
            points.push((count as u64, batch.body.len() as u64));
            spool.delivered(batch.id, now);
        }
        Ok(Sizes::through(&points))
    }

    /// Bytes that rise evenly between these numbers of reports.
    fn through(points: &[(u64, u64)]) -> Self {
        let mut sizes = vec![0];
        for ends in points.windows(2) {
            let [(from, low), (to, high)] = [ends[0], ends[1]];
            let rise = high.saturating_sub(low);
            sizes.extend((from + 1..=to).map(|n| low + rise * (n - from) / (to - from)));
        }
        Sizes(sizes.into())
    }

    /// Bytes of `reports` in one request.
    pub fn of(&self, reports: usize) -> u64 {
        let last = self.0.len() - 1;
        match self.0.get(reports) {
            Some(size) => *size,
            None => self.0[last] + (reports - last) as u64 * self.more(),
        }
    }

    /// Bytes of one more in a large request, which is what a report takes in the spool.
    pub fn more(&self) -> u64 {
        let last = self.0.len() - 1;
        let rise = self.0[last] - self.0[last / 2];
        rise / (last - last / 2) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_rise_evenly_between_the_measured_ones_and_go_on_beyond_them() {
        let sizes = Sizes::through(&[(0, 0), (1, 500), (4, 800), (8, 1200)]);
        let some = [0, 1, 2, 3, 4, 6, 8, 10].map(|n| sizes.of(n));
        assert_eq!(some, [0, 500, 600, 700, 800, 1000, 1200, 1400]);
    }
}
