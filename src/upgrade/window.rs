//! The time of day at which an upgrade begins. Pure.

use std::time::Duration;

use ring::digest::{digest, SHA256};

use super::zone::Zone;
use crate::jobs::Due;
use crate::process::clock::Reading;

/// Seconds of a day.
const DAY: u64 = 24 * 3600;

/// A part of each day, by local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Seconds since midnight.
    from: u64,
    /// Seconds.
    lasts: u64,
}

impl Window {
    /// Reads `HH:MM-HH:MM`. One that ends before it begins ends on the next day.
    pub fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once('-')?;
        let (from, to) = (time(from)?, time(to)?);
        let lasts = (DAY + to - from) % DAY;
        (lasts > 0).then_some(Window { from, lasts })
    }

    /// When an upgrade may begin that has waited for `waited`, on the device named by `mac` (12 hex digits).
    ///
    /// Each device has a moment of its own in the window. One that was busy or off at that moment begins later in
    /// the same window.
    pub fn due(self, zone: &Zone, mac: &str, clock: Reading, waited: Duration) -> Due {
        if clock.synced {
            let since = self.since_start(zone, clock.epoch);
            let own = self.moment(mac);
            return match since {
                since if since >= self.lasts => Due::In(Duration::from_secs(DAY - since + own)),
                since if since >= own => Due::Now,
                since => Due::In(Duration::from_secs(own - since)),
            };
        }
        // By a clock that may be wrong the window is found all the same, once a day.
        let began = clock.epoch.saturating_sub(waited.as_secs());
        let since = self.since_start(zone, began);
        let ends = match since < self.lasts {
            true => self.lasts - since,
            false => DAY - since + self.lasts,
        };
        match ends.saturating_sub(waited.as_secs()) {
            0 => Due::Never(
                "the clock was not right by the end of the next window, so the window is not known"
                    .to_owned(),
            ),
            left => Due::In(Duration::from_secs(left)),
        }
    }

    /// Seconds since the window began last.
    fn since_start(self, zone: &Zone, epoch: u64) -> u64 {
        let local = epoch.saturating_add_signed(zone.offset(epoch));
        (DAY + local % DAY - self.from) % DAY
    }

    /// The moment of a device, in seconds since the window begins.
    fn moment(self, mac: &str) -> u64 {
        let hash = digest(&SHA256, mac.as_bytes());
        let first = hash.as_ref().first_chunk().copied().unwrap_or_default();
        u64::from_be_bytes(first) % self.lasts
    }
}

/// Seconds since midnight.
fn time(text: &str) -> Option<u64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str, below: u64| {
        let is_plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number: u64 = text.parse().ok().filter(|_| is_plain)?;
        (number < below).then_some(number)
    };
    Some(number(hours, 24)? * 3600 + number(minutes, 60)? * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: &str = "9483c4a1b200";

    fn at(epoch: u64, synced: bool) -> Reading {
        Reading {
            epoch,
            mono: 0,
            synced,
        }
    }

    fn window(text: &str) -> Window {
        Window::parse(text).unwrap()
    }

    #[test]
    fn a_window_is_two_times_of_day() {
        assert_eq!(
            window("02:00-04:30"),
            Window {
                from: 7200,
                lasts: 9000
            }
        );
        assert_eq!(window("23:30-00:30").lasts, 3600);
        for bad in [
            "",
            "-",
            "02:00",
            "2:00-4:00",
            "02:00-24:00",
            "02:60-04:00",
            "02:00-02:00",
            "+2:00-04:00",
            "02:00-04:00 ",
            "02:00-04:00-05:00",
            "é2:00-04:00",
        ] {
            assert_eq!(Window::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_device_begins_at_its_own_moment_of_the_window_or_later_in_it() {
        let window = window("02:00-04:00");
        let own = window.moment(MAC);
        assert!(own < 7200);
        let midnight = 20_000 * DAY;
        let due = |second: u64| {
            let clock = at(midnight + second, true);
            window.due(&Zone::UTC, MAC, clock, Duration::ZERO)
        };
        let seconds = |s| Due::In(Duration::from_secs(s));
        assert_eq!(due(0), seconds(7200 + own));
        assert_eq!(due(7200 + own - 1), seconds(1));
        assert_eq!(due(7200 + own), Due::Now);
        assert_eq!(due(4 * 3600 - 1), Due::Now);
        assert_eq!(due(4 * 3600), seconds(22 * 3600 + own));
    }

    #[test]
    fn moments_of_a_fleet_fill_the_window() {
        let window = window("23:00-01:00");
        let mut tenths = [0; 10];
        for n in 0..2000 {
            let moment = window.moment(&format!("9483c4{n:06x}"));
            tenths[usize::try_from(moment / 720).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|n| (140..260).contains(n)), "{tenths:?}");
    }

    #[test]
    fn local_time_counts() {
        let zone = Zone::parse("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let window = window("02:00-04:00");
        // 2026-07-01 00:30 UTC is 02:30 in summer.
        let summer = 1_782_865_800;
        let since = window.since_start(&zone, summer);
        assert_eq!(since, 1800);
        // 2026-01-15 01:30 UTC is 02:30 in winter.
        assert_eq!(window.since_start(&zone, 1_768_440_600), 1800);
    }

    #[test]
    fn without_a_right_clock_it_waits_until_the_end_of_the_next_window_and_no_longer() {
        let window = window("02:00-04:00");
        let midnight = 20_000 * DAY;
        for accepted in (0..DAY).step_by(600) {
            let due = |waited: u64| {
                let clock = at(midnight + accepted + waited, false);
                window.due(&Zone::UTC, MAC, clock, Duration::from_secs(waited))
            };
            let ends = match accepted < 4 * 3600 {
                true => 4 * 3600 - accepted,
                false => DAY + 4 * 3600 - accepted,
            };
            assert_eq!(due(0), Due::In(Duration::from_secs(ends)), "{accepted}");
            assert!(matches!(due(ends - 1), Due::In(_)), "{accepted}");
            assert!(matches!(due(ends), Due::Never(_)), "{accepted}");
        }
    }
}
