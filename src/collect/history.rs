//! The last day at a glance: 288 points, 5 minutes apart, in RAM only.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::report::Report;

/// Points that are kept: a day.
pub const POINTS: usize = 288;

/// Between two points.
pub const EVERY: Duration = Duration::from_secs(300);

/// The points, oldest first.
///
/// The monotonic clock decides when a point is due and how long ago it was, so a system clock that
/// jumps moves the whole day and disorders nothing.
#[derive(Debug, Clone)]
pub struct History {
    every: Duration,
    points: VecDeque<Point>,
    traffic: Traffic,
}

#[derive(Debug, Clone)]
struct Point {
    at: Instant,
    stations: Option<usize>,
    rx_rate: Option<u64>,
    tx_rate: Option<u64>,
    load: Option<f64>,
    ram: Option<u64>,
    health: Option<u8>,
}

/// Traffic of the default route's device since the last point, as far as it is known.
#[derive(Debug, Clone, Default)]
struct Traffic {
    /// Device, counters for received and sent, and when they were read.
    last: Option<(String, [u64; 2], Instant)>,
    bytes: [u64; 2],
    time: Duration,
}

/// A list for each figure, all of the same length; null where it is not known.
#[derive(Debug, PartialEq, Serialize)]
pub struct Lists {
    /// Seconds since the epoch.
    pub at: Vec<u64>,
    /// Authorized stations; where there is no Wi-Fi, hosts with a lease.
    pub stations: Vec<Option<usize>>,
    /// Bytes a second, mean since the point before, received by the device of the default route.
    pub rx_rate: Vec<Option<u64>>,
    /// The same, sent.
    pub tx_rate: Vec<Option<u64>>,
    /// Mean load over 5 minutes.
    pub load: Vec<Option<f64>>,
    /// Free RAM, bytes.
    pub ram: Vec<Option<u64>>,
    /// Health code.
    pub health: Vec<Option<u8>>,
}

impl History {
    /// A history that takes a point every `every`; [`EVERY`] unless time passes faster in the lab.
    pub fn new(every: Duration) -> Self {
        History {
            every,
            // At once: grown as needed it would end with room for 512.
            points: VecDeque::with_capacity(POINTS),
            traffic: Traffic::default(),
        }
    }

    /// Takes a report in, and a point if one is due: the first at once.
    pub(super) fn add(&mut self, report: &Report, now: Instant) {
        self.traffic.add(report, now);
        let last = self.points.back();
        if last.is_some_and(|last| now.saturating_duration_since(last.at) < self.every) {
            return;
        }
        if self.points.len() == POINTS {
            self.points.pop_front();
        }
        let [rx_rate, tx_rate] = self.traffic.take_rates();
        let device = &report.device;
        self.points.push_back(Point {
            at: now,
            stations: report.hosts(),
            rx_rate,
            tx_rate,
            load: device.load_5,
            ram: device.free_ram,
            health: device.status,
        });
    }

    /// The points as lists, with times by the system clock as it is now: `epoch`, in seconds.
    pub fn lists(&self, now: Instant, epoch: u64) -> Lists {
        fn list<T>(points: &VecDeque<Point>, of: impl Fn(&Point) -> T) -> Vec<T> {
            points.iter().map(of).collect()
        }
        let ago = |point: &Point| now.saturating_duration_since(point.at).as_secs();
        Lists {
            at: list(&self.points, |p| epoch.saturating_sub(ago(p))),
            stations: list(&self.points, |p| p.stations),
            rx_rate: list(&self.points, |p| p.rx_rate),
            tx_rate: list(&self.points, |p| p.tx_rate),
            load: list(&self.points, |p| p.load),
            ram: list(&self.points, |p| p.ram),
            health: list(&self.points, |p| p.health),
        }
    }
}

impl Traffic {
    fn add(&mut self, report: &Report, now: Instant) {
        let device = &report.device;
        let (Some(name), Some(rx), Some(tx)) = (&device.wan_name, device.rx_bytes, device.tx_bytes)
        else {
            self.last = None;
            return;
        };
        if let Some((last_name, [last_rx, last_tx], at)) = &self.last {
            // A counter that fell was set back, and a second device is not the first: what passed
            // since is not known.
            let passed = [rx.checked_sub(*last_rx), tx.checked_sub(*last_tx)];
            if let ([Some(rx), Some(tx)], true) = (passed, last_name == name) {
                self.bytes = [
                    self.bytes[0].saturating_add(rx),
                    self.bytes[1].saturating_add(tx),
                ];
                self.time += now.saturating_duration_since(*at);
            }
        }
        self.last = Some((name.clone(), [rx, tx], now));
    }

    /// Bytes a second, received and sent, since this was asked before.
    fn take_rates(&mut self) -> [Option<u64>; 2] {
        let time = std::mem::take(&mut self.time).as_millis();
        let bytes = std::mem::take(&mut self.bytes);
        bytes.map(|bytes| {
            let rate = (u128::from(bytes) * 1000).checked_div(time)?;
            u64::try_from(rate).ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::Device;

    fn report(wan: &str, rx: u64, tx: u64) -> Report {
        Report {
            device: Device {
                wan_name: Some(wan.into()),
                rx_bytes: Some(rx),
                tx_bytes: Some(tx),
                connected: Some(3),
                load_5: Some(0.12),
                free_ram: Some(1 << 28),
                status: Some(9),
                ..Device::default()
            },
            ..Report::default()
        }
    }

    const EPOCH: u64 = 1_751_450_000;

    #[test]
    fn a_point_is_taken_every_five_minutes_and_a_day_of_them_is_kept() {
        let start = Instant::now();
        let mut history = History::new(EVERY);
        let mut now = start;
        // Every 15 s, for a day and two hours.
        for n in 0..26 * 240 {
            now = start + Duration::from_secs(15) * n;
            let bytes = u64::from(n) * 15_000;
            history.add(&report("eth0", bytes, bytes / 2), now);
        }
        let lists = history.lists(now, EPOCH);
        assert_eq!(lists.at.len(), 288);
        assert!(lists.at.windows(2).all(|pair| pair[1] - pair[0] == 300));
        assert!(EPOCH - lists.at[287] < 300);
        assert!(lists.rx_rate.iter().all(|rate| *rate == Some(1000)));
        assert!(lists.tx_rate.iter().all(|rate| *rate == Some(500)));
        assert_eq!(lists.stations[0], Some(3));
        assert_eq!((lists.load[0], lists.ram[0]), (Some(0.12), Some(1 << 28)));
        assert_eq!(lists.health[0], Some(9));
    }

    #[test]
    fn the_first_point_stands_at_once_without_rates() {
        let mut history = History::new(EVERY);
        let now = Instant::now();
        history.add(&report("eth0", 5_000_000, 1), now);
        let lists = history.lists(now, EPOCH);
        assert_eq!((lists.at, lists.rx_rate), (vec![EPOCH], vec![None]));
        assert_eq!(lists.health, [Some(9)]);
    }

    #[test]
    fn counters_that_fall_and_another_wan_device_do_not_count_as_traffic() {
        let mut history = History::new(Duration::from_secs(60));
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        history.add(&report("eth0", 1_000_000, 1_000_000), at(0));
        history.add(&report("eth0", 1_030_000, 1_015_000), at(15));
        // Set back.
        history.add(&report("eth0", 100, 100), at(30));
        // Another device, whose counters are far ahead.
        history.add(&report("wwan0", 900_000_000, 900_000_000), at(45));
        history.add(&report("wwan0", 900_030_000, 900_015_000), at(60));
        let lists = history.lists(at(60), EPOCH);
        assert_eq!(lists.rx_rate, [None, Some(2000)]);
        assert_eq!(lists.tx_rate, [None, Some(1000)]);
        // Nothing is known of the next minute.
        history.add(&Report::default(), at(120));
        assert_eq!(history.lists(at(120), EPOCH).rx_rate[2], None);
    }

    #[test]
    fn a_clock_that_jumps_moves_the_whole_day_and_disorders_nothing() {
        let mut history = History::new(EVERY);
        let start = Instant::now();
        for n in 0..3 {
            history.add(&report("eth0", 0, 0), start + EVERY * n);
        }
        let now = start + EVERY * 2;
        assert_eq!(history.lists(now, EPOCH).at[0], EPOCH - 600);
        assert_eq!(history.lists(now, 90 * EPOCH).at[0], 90 * EPOCH - 600);
        // Before 1970 there is nothing to show.
        assert_eq!(history.lists(now, 30).at, [0, 0, 30]);
    }
}
