//! Local time: the time zone of the device, as POSIX writes it (`CET-1CEST,M3.5.0,M10.5.0/3`). Pure.

use std::path::Path;

use uci::{Directories, Package};

use crate::process::file::read_small;
use crate::process::file::under;

/// The zone in force, which OpenWrt's init script of the system writes.
const TZ: &str = "/tmp/TZ";

/// Longest text, bytes.
const TEXT_MAX: u64 = 256;

/// Seconds of a day.
const DAY: i64 = 24 * 3600;

/// A day of each year on which the clocks change, and the time of that day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    day: Day,
    /// Seconds since midnight, by the time that ends then.
    time: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Day {
    /// Day 1 to 365; February has 28 days.
    Julian(i64),
    /// Day 0 to 365.
    Zero(i64),
    /// Month, week (5 = the last), weekday (0 = Sunday).
    Month(i64, i64, i64),
}

/// A time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone {
    /// Seconds east of Greenwich.
    standard: i64,
    /// In summer, and the changes to it and back.
    summer: Option<(i64, Change, Change)>,
}

impl Zone {
    pub const UTC: Zone = Zone {
        standard: 0,
        summer: None,
    };

    /// The zone of the device below `root`: as it is in force, else as UCI has it, else UTC.
    pub fn look(root: &Path, uci: &Directories) -> Self {
        let in_force = read_small(&under(root, Path::new(TZ)), TEXT_MAX).ok();
        let text = in_force.or_else(|| {
            let bytes = read_small(&uci.file("system"), uci::MAX_FILE).ok()?;
            let package = Package::parse(&bytes).ok()?;
            let system = package.nth("system", 0)?;
            system.option("timezone").map(<[u8]>::to_vec)
        });
        let text = text.unwrap_or_default();
        Zone::parse(String::from_utf8_lossy(&text).trim()).unwrap_or(Zone::UTC)
    }

    /// Reads POSIX' text; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        name(&mut rest)?;
        let standard = -time(&mut rest, 24)?;
        if rest.is_empty() {
            return Some(Zone {
                standard,
                summer: None,
            });
        }
        name(&mut rest)?;
        let summer = match rest.chars().next() {
            None | Some(',') => standard + 3600,
            _ => -time(&mut rest, 24)?,
        };
        if rest.is_empty() {
            rest = ",M3.2.0,M11.1.0";
        }
        let begin = change(&mut rest)?;
        let end = change(&mut rest)?;
        rest.is_empty().then_some(Zone {
            standard,
            summer: Some((summer, begin, end)),
        })
    }

    /// Seconds by which local time is ahead at `epoch`.
    pub fn offset(&self, epoch: u64) -> i64 {
        let Some((summer, begin, end)) = self.summer else {
            return self.standard;
        };
        let now = i64::try_from(epoch).unwrap_or(0);
        let year = year_of(now + self.standard);
        let begin = begin.at(year) - self.standard;
        let end = end.at(year) - summer;
        let is_summer = match begin < end {
            true => (begin..end).contains(&now),
            false => !(end..begin).contains(&now),
        };
        match is_summer {
            true => summer,
            false => self.standard,
        }
    }
}

impl Change {
    /// When it is in this year, as local time counted from the epoch.
    fn at(self, year: i64) -> i64 {
        let first = days_until(year, 1);
        let day = match self.day {
            Day::Zero(day) => first + day,
            Day::Julian(day) => {
                let leap = i64::from(is_leap(year) && day >= 60);
                first + day - 1 + leap
            }
            Day::Month(month, week, weekday) => {
                let begin = days_until(year, month);
                let next = match month {
                    12 => days_until(year + 1, 1),
                    month => days_until(year, month + 1),
                };
                // 1970 began on a Thursday.
                let first = begin + (weekday - (begin + 4)).rem_euclid(7);
                let day = first + (week - 1) * 7;
                if day >= next {
                    day - 7
                } else {
                    day
                }
            }
        };
        day * DAY + self.time
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days from the epoch to the first of a month.
fn days_until(year: i64, month: i64) -> i64 {
    // Years that begin in March have their leap day at the end.
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year
        - 719_468
}

fn year_of(local: i64) -> i64 {
    let days = local.div_euclid(DAY);
    let mut year = 1970 + days.div_euclid(366);
    while days_until(year + 1, 1) <= days {
        year += 1;
    }
    year
}

/// A name: three letters or more, or anything in angle brackets.
fn name(rest: &mut &str) -> Option<()> {
    let len = match rest.strip_prefix('<') {
        Some(quoted) => quoted.find('>')? + 2,
        None => {
            let is_letter = |c: char| c.is_ascii_alphabetic();
            let len = rest.find(|c| !is_letter(c)).unwrap_or(rest.len());
            (len >= 3).then_some(len)?
        }
    };
    *rest = rest.get(len..)?;
    Some(())
}

fn number(rest: &mut &str, max: i64) -> Option<i64> {
    let len = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, after) = rest.split_at_checked(len)?;
    *rest = after;
    let number = digits.parse().ok()?;
    (number <= max).then_some(number)
}

/// `[+-]H[:M[:S]]`
fn time(rest: &mut &str, hours: i64) -> Option<i64> {
    let sign = match rest.chars().next()? {
        '-' => -1,
        _ => 1,
    };
    *rest = rest.strip_prefix(['-', '+']).unwrap_or(rest);
    let mut time = number(rest, hours)? * 3600;
    for unit in [60, 1] {
        let Some(after) = rest.strip_prefix(':') else {
            break;
        };
        *rest = after;
        time += number(rest, 59)? * unit;
    }
    Some(sign * time)
}

fn change(rest: &mut &str) -> Option<Change> {
    *rest = rest.strip_prefix(',')?;
    let day = if let Some(after) = rest.strip_prefix('M') {
        *rest = after;
        let mut numbers = [0; 3];
        for (at, (number_at, max)) in numbers.iter_mut().zip([12, 5, 6]).enumerate() {
            if at > 0 {
                *rest = rest.strip_prefix('.')?;
            }
            *number_at = number(rest, max)?;
        }
        let [month, week, weekday] = numbers;
        (month > 0 && week > 0).then_some(Day::Month(month, week, weekday))?
    } else if let Some(after) = rest.strip_prefix('J') {
        *rest = after;
        Day::Julian(number(rest, 365).filter(|day| *day > 0)?)
    } else {
        Day::Zero(number(rest, 365)?)
    };
    let time = match rest.strip_prefix('/') {
        Some(after) => {
            *rest = after;
            time(rest, 167)?
        }
        None => 2 * 3600,
    };
    Some(Change { day, time })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn offset(zone: &str, epoch: u64) -> i64 {
        Zone::parse(zone).unwrap().offset(epoch) / 60
    }

    #[test]
    fn the_zones_of_openwrt_are_understood() {
        // date -u -d '2026-03-29 01:00' +%s, and so on.
        let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
        assert_eq!(offset(berlin, 1_774_745_999), 60);
        assert_eq!(offset(berlin, 1_774_746_000), 120);
        assert_eq!(offset(berlin, 1_792_889_999), 120);
        assert_eq!(offset(berlin, 1_792_890_000), 60);
        let new_york = "EST5EDT,M3.2.0,M11.1.0";
        assert_eq!(offset(new_york, 1_772_953_199), -300);
        assert_eq!(offset(new_york, 1_772_953_200), -240);
        let sydney = "AEST-10AEDT,M10.1.0,M4.1.0/3";
        assert_eq!(offset(sydney, 1_768_440_600), 660);
        assert_eq!(offset(sydney, 1_782_865_800), 600);
        assert_eq!(offset("<+0545>-5:45", 0), 345);
        assert_eq!(
            offset("<-03>3<-02>,M3.5.0/-2,M10.5.0/-1", 1_782_865_800),
            -120
        );
        assert_eq!(offset("GMT0", 5), 0);
        assert_eq!(offset("EST5EDT", 1_782_865_800), -240);
        assert_eq!(offset("IST-1GMT0,M10.5.0,M3.5.0/1", 1_768_440_600), 0);
        assert_eq!(offset("AAA0BBB,J60,J300", 1_772_323_200 + 7200), 60);
        assert_eq!(offset("AAA0BBB,59,300", 1_772_323_200 + 7200), 60);
    }

    #[test]
    fn what_is_no_zone_is_refused() {
        for text in [
            "",
            "CE-1",
            "CET",
            "CET-1CEST,M3.5.0",
            "CET-1CEST,M13.5.0,M10.5.0",
            "CET-25",
            "<CET-1",
            "CET-1CEST,M3.5.0,M10.5.0/3x",
            "CET-1CEST,M0.5.0,M10.5.0",
            "CET-1CEST,J0,J1",
            "é",
            "Ä0",
            "CET99999999999999999999",
            "CET-1:99",
            "CET-1CEST,,",
            "/usr/share/zoneinfo/Europe/Berlin",
        ] {
            assert_eq!(Zone::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_of_each_year_is_in_it() {
        for year in 1970..2200 {
            let first = days_until(year, 1) * DAY;
            assert_eq!((year_of(first), year_of(first - 1)), (year, year - 1));
        }
        let zone = Zone::parse("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        for epoch in [0, 1, u64::from(u32::MAX), u64::MAX] {
            assert!([3600, 7200].contains(&zone.offset(epoch)));
        }
    }

    #[test]
    fn the_zone_in_force_counts_then_that_of_uci() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("etc/config")).unwrap();
        fs::create_dir_all(at("tmp")).unwrap();
        let uci = Directories::of(root.path(), None);
        let look = || Zone::look(root.path(), &uci).offset(1_768_440_600);
        assert_eq!(look(), 0);
        let system = "config system\n\toption timezone 'CET-1CEST,M3.5.0,M10.5.0/3'\n";
        fs::write(at("etc/config/system"), system).unwrap();
        assert_eq!(look(), 3600);
        fs::write(at("tmp/TZ"), "EST5EDT,M3.2.0,M11.1.0\n").unwrap();
        assert_eq!(look(), -5 * 3600);
        fs::write(at("tmp/TZ"), "garbage\n").unwrap();
        assert_eq!(look(), 0);
    }
}
