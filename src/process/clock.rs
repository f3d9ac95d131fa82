//! Time, as the agent sees it: the system clock for time stamps, the clock since the boot for what
//! must not jump, and the lab's pace.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{interval_at, Instant, Interval, MissedTickBehavior};

use crate::kernel;

pub use spool::Reading;

/// Largest distance of the system clock from a server's that counts as right, s.
const NEAR: u64 = 3600;

/// Seconds since the epoch by the system clock; 0 if it stands before 1970.
pub fn epoch_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Seconds since the boot, those in which the device slept included.
pub fn since_boot() -> u64 {
    kernel::since_boot()
}

/// A server's clock, as an answer of it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerDate {
    /// Seconds since the epoch by that clock.
    pub epoch: u64,
    /// When the answer came, seconds since the boot.
    pub mono: u64,
}

impl ServerDate {
    /// A server has just said that it is `epoch`.
    pub fn now(epoch: u64) -> Self {
        ServerDate {
            epoch,
            mono: since_boot(),
        }
    }
}

/// The system clock, and the evidence for it.
///
/// The clock counts as right if the kernel says that it is synchronised, even against a server's; otherwise if
/// it is within an hour of the clock of the API. Until either speaks, it counts as wrong.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    source: Source,
    /// The clock of the server that answered last.
    answer: Option<ServerDate>,
}

#[derive(Debug, Clone, Default)]
enum Source {
    #[default]
    Kernel,
    /// The lab's file: seconds to add to the system clock, and 1 or 0 in place of the kernel's word.
    Lab(PathBuf),
    /// The system clock, taken for right even on a test machine without NTP.
    #[cfg(test)]
    Right,
}

impl Clock {
    /// The clock of the device, or what the lab's `file` makes of it.
    pub fn new(file: Option<PathBuf>) -> Self {
        Clock {
            source: file.map_or(Source::Kernel, Source::Lab),
            answer: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn right() -> Self {
        Clock {
            source: Source::Right,
            answer: None,
        }
    }

    /// The server's clock stands at `date`, seconds since the epoch.
    pub fn answered(&mut self, date: u64) {
        self.heard(ServerDate::now(date));
    }

    /// A server's clock stood at `date`.
    pub fn heard(&mut self, date: ServerDate) {
        self.answer = Some(date);
    }

    /// True if only a server can say whether the clock is right, and none has yet.
    pub(crate) fn wants_answer(&self) -> bool {
        self.answer.is_none() && !self.source.read().1
    }

    pub fn read(&self) -> Reading {
        let mono = since_boot();
        let (offset, is_synced) = self.source.read();
        let epoch = epoch_seconds().saturating_add_signed(offset);
        let agrees = |date: ServerDate| {
            let there = date.epoch.saturating_add(mono.saturating_sub(date.mono));
            there.abs_diff(epoch) <= NEAR
        };
        Reading {
            epoch,
            mono,
            synced: is_synced || self.answer.is_some_and(agrees),
        }
    }
}

impl spool::Clock for Clock {
    fn read(&self) -> Reading {
        Clock::read(self)
    }

    fn answered(&mut self, date: u64) {
        Clock::answered(self, date);
    }

    fn wants_answer(&self) -> bool {
        Clock::wants_answer(self)
    }
}

impl Source {
    /// Seconds to add to the system clock, and whether it is known to be synchronised.
    fn read(&self) -> (i64, bool) {
        match self {
            Source::Kernel => (0, kernel::is_synced()),
            Source::Lab(file) => {
                let said = std::fs::read_to_string(file).ok();
                let said = said.and_then(|text| lab(&text));
                said.unwrap_or_else(|| Source::Kernel.read())
            }
            #[cfg(test)]
            Source::Right => (0, true),
        }
    }
}

/// The lab's word; without it the clock is the device's own.
fn lab(text: &str) -> Option<(i64, bool)> {
    let mut words = text.split_whitespace();
    Some((words.next()?.parse().ok()?, words.next()? == "1"))
}

/// The factor by which waits pass faster than real time. 1 on a device; the lab raises it (`--time-scale N`).
///
/// The factor divides intervals and waits between attempts, never time stamps nor the time-outs of the bus,
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

    /// The seconds that `seconds` of real time stand for at this pace.
    pub fn passed(self, seconds: u64) -> u64 {
        seconds.saturating_mul(self.0.into())
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

    /// A clock by the lab's word.
    fn told(dir: &tempfile::TempDir, word: &str) -> Clock {
        let file = dir.path().join("clock");
        std::fs::write(&file, word).unwrap();
        Clock::new(Some(file))
    }

    #[test]
    fn a_server_speaks_for_a_clock_that_the_kernel_does_not_speak_for() {
        let tmp = tempfile::tempdir().unwrap();
        let mut clock = told(&tmp, "0 0");
        assert!(!clock.read().synced, "nobody has said so");
        assert!(clock.wants_answer());
        clock.answered(epoch_seconds() - NEAR / 2);
        assert!(clock.read().synced && !clock.wants_answer());
        clock.answered(epoch_seconds() + 2 * NEAR);
        assert!(!clock.read().synced, "the last answer counts");
    }

    #[test]
    fn a_server_has_no_say_in_a_clock_that_the_kernel_speaks_for() {
        let tmp = tempfile::tempdir().unwrap();
        let mut clock = told(&tmp, "0 1");
        assert!(!clock.wants_answer());
        for date in [0, epoch_seconds() + 2 * NEAR, 253_402_300_799, u64::MAX] {
            clock.answered(date);
            assert!(clock.read().synced, "{date}");
        }
    }

    #[test]
    fn without_a_file_the_kernel_is_asked_and_then_a_server() {
        let tmp = tempfile::tempdir().unwrap();
        for mut clock in [
            Clock::default(),
            Clock::new(Some(tmp.path().join("not-there"))),
            told(&tmp, "nonsense"),
        ] {
            let read = clock.read();
            assert_eq!(read.synced, kernel::is_synced(), "{clock:?}");
            assert!(epoch_seconds() - read.epoch <= 1);
            clock.answered(epoch_seconds());
            assert!(clock.read().synced, "{clock:?}");
            clock.answered(epoch_seconds() + 2 * NEAR);
            assert_eq!(clock.read().synced, kernel::is_synced(), "{clock:?}");
        }
    }

    #[test]
    fn the_labs_file_moves_the_clock() {
        let tmp = tempfile::tempdir().unwrap();
        let mut clock = told(&tmp, "-315360000 0\n");
        let read = clock.read();
        assert!(!read.synced);
        assert!(epoch_seconds() - read.epoch >= 315_360_000);
        assert_eq!(read.mono, since_boot().min(read.mono), "and not this one");
        clock.answered(read.epoch);
        assert!(clock.read().synced, "the server agrees with it");
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
