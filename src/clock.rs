//! Time, as the agent sees it: the system clock for time stamps, the clock since the boot for what
//! must not jump, and the lab's pace.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{clock_gettime, ClockId};

/// A clock that stands before this was never set: 2025, seconds since the epoch.
const PLAUSIBLE: u64 = 1_735_689_600;

/// How far the system clock may be from what a server said to count as right, s.
const NEAR: u64 = 3600;
use tokio::time::{interval_at, Instant, Interval, MissedTickBehavior};

/// Seconds since the epoch by the system clock; 0 if it stands before 1970.
pub fn epoch_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Seconds since the boot, those in which the device slept included.
fn since_boot() -> u64 {
    u64::try_from(clock_gettime(ClockId::Boottime).tv_sec).unwrap_or(0)
}

/// The time, read once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// Seconds since the epoch.
    pub epoch: u64,
    /// Seconds since the boot.
    pub mono: u64,
    /// The time since the epoch is known to be right.
    pub synced: bool,
}

/// The clock of a part.
///
/// Whether the system clock is right is told by the `Date` of the last API answer. Until there is one,
/// a clock that was ever set is believed: no report would leave the device otherwise, and so no
/// answer come.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// The lab's: seconds to add to the system clock, and 1 if it is right or 0 if not.
    file: Option<PathBuf>,
    /// What the server said, and when that was since the boot.
    answer: Option<(u64, u64)>,
}

impl Clock {
    /// The clock of the device, or what the lab's `file` makes of it.
    pub fn new(file: Option<PathBuf>) -> Self {
        Clock { file, answer: None }
    }

    /// The server's clock stands at `date`, seconds since the epoch.
    pub fn answered(&mut self, date: u64) {
        self.answer = Some((date, since_boot()));
    }

    pub fn read(&self) -> Reading {
        let mono = since_boot();
        let (epoch, said) = match self.lab() {
            Some((offset, synced)) => (epoch_seconds().saturating_add_signed(offset), Some(synced)),
            None => (epoch_seconds(), None),
        };
        let witnessed = self.answer.map(|(date, at)| {
            let there = date.saturating_add(mono.saturating_sub(at));
            there.abs_diff(epoch) <= NEAR
        });
        let synced = match (said, witnessed) {
            (Some(true), _) | (_, Some(true)) => true,
            (Some(false), _) | (_, Some(false)) => false,
            (None, None) => epoch >= PLAUSIBLE,
        };
        Reading {
            epoch,
            mono,
            synced,
        }
    }

    /// What the lab says; the device's own clock while its file is not there.
    fn lab(&self) -> Option<(i64, bool)> {
        let text = std::fs::read_to_string(self.file.as_ref()?).ok()?;
        let mut words = text.split_whitespace();
        let offset = words.next()?.parse().ok()?;
        Some((offset, words.next()? == "1"))
    }
}

/// How much faster than real time waits pass. 1 on a device; the lab raises it (`--time-scale N`).
///
/// It divides intervals and waits between attempts, never time stamps nor the time-outs of the bus,
/// of HTTP, of MQTT keepalive or of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace(u32);

impl Pace {
    /// Real time.
    pub const REAL: Pace = Pace(1);

    /// `n` times faster than real time; 0 counts as 1.
    pub fn faster(n: u32) -> Self {
        Pace(n.max(1))
    }

    /// The wait that stands for `wait` at this pace.
    pub fn of(self, wait: Duration) -> Duration {
        wait / self.0
    }

    /// Ticks once every `every` at this pace, the first time after one of them; a tick that comes late
    /// puts off those behind it.
    pub fn interval(self, every: Duration) -> Interval {
        let every = self.of(every).max(Duration::from_millis(1));
        let mut interval = interval_at(Instant::now() + every, every);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval
    }
}

impl Default for Pace {
    fn default() -> Self {
        Pace::REAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_divides_waits_and_zero_counts_as_real_time() {
        assert_eq!(
            Pace::faster(30).of(Duration::from_secs(15)),
            Duration::from_millis(500)
        );
        assert_eq!(
            Pace::faster(0).of(Duration::from_secs(15)),
            Duration::from_secs(15)
        );
    }

    #[test]
    fn a_server_tells_whether_the_clock_is_right() {
        let mut clock = Clock::new(None);
        assert!(clock.read().synced, "the clock of this machine was set");
        clock.answered(epoch_seconds() + 2 * NEAR);
        assert!(!clock.read().synced);
        clock.answered(epoch_seconds() - NEAR / 2);
        assert!(clock.read().synced);
    }

    #[test]
    fn the_labs_file_moves_the_clock_and_says_whether_it_is_right() {
        let tmp = tempfile::tempdir().unwrap();
        let file = tmp.path().join("clock");
        let mut clock = Clock::new(Some(file.clone()));
        assert!(
            clock.read().synced,
            "the device's own while there is no file"
        );
        std::fs::write(&file, "-315360000 0\n").unwrap();
        let read = clock.read();
        assert!(!read.synced);
        assert!(epoch_seconds() - read.epoch >= 315_360_000);
        assert_eq!(read.mono, since_boot().min(read.mono), "and not this one");
        clock.answered(read.epoch);
        assert!(clock.read().synced, "the server agrees with it");
        std::fs::write(&file, "0 1").unwrap();
        assert!(clock.read().synced);
    }

    #[tokio::test(start_paused = true)]
    async fn an_interval_ticks_at_its_pace_and_makes_up_for_nothing() {
        let start = Instant::now();
        let mut ticks = Pace::faster(10).interval(Duration::from_secs(30));
        ticks.tick().await;
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        tokio::time::sleep(Duration::from_secs(10)).await;
        ticks.tick().await;
        ticks.tick().await;
        assert_eq!(start.elapsed(), Duration::from_secs(16));
    }
}
