//! A month without an API, on an access point with flash: what is left of it, and what that costs.

use std::collections::BTreeSet;

use socketman::process::clock::Reading;
use socketman_lab::disk::SimDisk;
use socketman_lab::moving::MovingAp;
use socketman_lab::schedules::VARIABLE;
use spool::{Bounds, Gap, Reason, Spool, Stamp};

use super::report;

/// As the options have it if nobody sets them, and an archive as small as is of use.
const BOUNDS: Bounds = Bounds {
    ram: 1 << 20,
    flash: 2 << 20,
    flash_daily: 1 << 20,
};

const DAYS: u64 = 30;
const DAY: u64 = 86_400;
const HOUR: u64 = 3600;

/// Between two samples, s.
const MONITOR: u64 = 15;

/// The first part of an outage, of which flash gets one sample a minute, s.
const FINE: u64 = 6 * HOUR;

/// Between two samples after that, s, unless it is the long form: packing is most of the work, and
/// flash gets no more than one per 5 min then.
const MONITOR_LATER: u64 = 300;

/// Between two attempts to deliver, s.
const ATTEMPTS: u64 = 1800;

/// Between two times that flash is waited for, s.
const SYNCS: u64 = 600;

/// When it begins, at a full hour, seconds since the epoch.
const START: u64 = 1_780_002_000;

/// The reports that a server has in the end.
struct Month {
    collected: u64,
    /// Hours since the beginning of which there is a report.
    hours: BTreeSet<u64>,
    delivered: u64,
    gaps: Vec<Gap>,
}

fn at(mono: u64) -> Reading {
    Reading {
        epoch: START + mono,
        mono,
        synced: true,
    }
}

fn append(spool: &mut Spool<SimDisk, SimDisk>, ap: &mut MovingAp, every: u64, mono: u64) {
    let report = ap.report(every);
    let build = move |stamp: &Stamp<'_>| report.to_line(stamp);
    spool.append(&build, at(mono)).unwrap();
}

/// Lives through the month, looking at every day what flash had to bear.
fn month(stations: usize) -> Month {
    let flash = SimDisk::new();
    let mut spool = Spool::on(SimDisk::new(), Some(flash.clone()), "boot-0", BOUNDS).unwrap();
    let mut ap = MovingAp::new(stations, 3);
    let is_long = std::env::var_os(VARIABLE).is_some();
    let mut collected = 0;
    let mut mono = 0;
    let mut attempt = 0;
    for day in 0..DAYS {
        let before = flash.written();
        let mut waits: Vec<u64> = Vec::new();
        while mono < (day + 1) * DAY {
            let syncs = flash.written().syncs;
            let every = match is_long || mono < FINE {
                true => MONITOR,
                false => MONITOR_LATER,
            };
            append(&mut spool, &mut ap, every, mono);
            collected += 1;
            if mono >= attempt {
                let batch = spool.next_batch(0, at(mono)).unwrap();
                spool.kept_back(batch.id, at(mono));
                attempt = mono + ATTEMPTS;
            }
            if flash.written().syncs > syncs {
                waits.push(mono);
            }
            mono += every;
        }
        let bytes = flash.written().bytes - before.bytes;
        // Of a file, of its replacement, and of their names.
        let syncs = flash.written().syncs - before.syncs;
        assert!(syncs <= 2 * DAY / SYNCS, "day {day}: {syncs} syncs");
        assert!(bytes <= BOUNDS.flash_daily, "day {day}: {bytes} bytes");
        assert!(
            waits.is_sorted_by(|a, b| a + SYNCS <= *b),
            "day {day}: {waits:?}"
        );
        assert_eq!(spool.facts().last_error, None);
    }
    let size = flash_size(&flash);
    assert!(size as u64 <= BOUNDS.flash, "{size} bytes on flash");
    let mut month = Month {
        collected,
        hours: BTreeSet::new(),
        delivered: 0,
        gaps: Vec::new(),
    };
    // What the last attempt leaves owed is declared by the report after it.
    for _ in 0..2 {
        append(&mut spool, &mut ap, MONITOR, mono);
        month.collected += 1;
        mono += MONITOR;
        while let Some(batch) = spool.next_batch(BOUNDS.ram, at(mono)) {
            for line in report::lines(&batch) {
                month.take(&line);
            }
            spool.delivered(batch.id, at(mono));
        }
    }
    month
}

fn flash_size(flash: &SimDisk) -> usize {
    use durable::Disk;
    let names = flash.clone().list().unwrap();
    let sizes = names.iter().filter_map(|name| flash.content(name));
    sizes.map(|content| content.len()).sum()
}

impl Month {
    fn take(&mut self, line: &[u8]) {
        let (at, gaps) = report::time_and_gaps(line);
        self.hours.insert((at - START) / HOUR);
        self.delivered += 1;
        self.gaps.extend(gaps);
    }

    /// Every report that is missing is declared, to the last one.
    fn check(&self) {
        let counts = self.gaps.iter().filter_map(|gap| gap.count);
        assert_eq!(self.delivered + counts.sum::<u64>(), self.collected);
        // The first start cannot know that there was nothing before it.
        let unknown = self.gaps.iter().filter(|gap| gap.count.is_none()).count();
        assert_eq!(unknown, 1, "{:?}", self.gaps);
        let hours = 0..DAYS * 24;
        for hour in hours.filter(|hour| !self.hours.contains(hour)) {
            let (from, to) = (START + hour * HOUR, START + (hour + 1) * HOUR);
            let holds = |gap: &&Gap| {
                gap.reason == Reason::Full && gap.from < Some(to) && gap.to >= Some(from)
            };
            assert!(self.gaps.iter().any(|gap| holds(&gap)), "hour {hour}");
        }
    }
}

#[test]
fn with_16_stations_every_hour_of_a_month_offline_is_there() {
    let month = month(16);
    month.check();
    assert_eq!(month.hours.len() as u64, DAYS * 24 + 1);
}

#[test]
fn with_64_stations_only_the_oldest_hours_of_a_month_offline_are_missing() {
    let month = month(64);
    month.check();
    let first = *month.hours.first().unwrap();
    let all: BTreeSet<u64> = (first..=DAYS * 24).collect();
    assert_eq!(month.hours, all);
    assert!((1..DAYS * 24 * 2 / 3).contains(&first), "from hour {first}");
}
