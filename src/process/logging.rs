//! Where log lines go: to syslog, or to the terminal when somebody watches.

mod daemon;
#[cfg(test)]
pub(crate) mod heard;

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record, SetLoggerError};

use self::daemon::Syslog;
use crate::process::clock::epoch_seconds;
use crate::terminal::is_unsafe;

/// Longest message, bytes; OpenWrt's logd cuts lines at 1024 with their head.
pub const MAX_MESSAGE: usize = 960;

/// Only what the project says is logged: libraries put URLs and packets into their messages.
const OURS: &str = "socketman";

/// Starts logging at level info: to the terminal if the environment variable DEBUG is set, else to
/// syslog (facility daemon, tag `socketman`). Fails if it has been started already.
pub fn init() -> Result<(), SetLoggerError> {
    let sink = match std::env::var_os("DEBUG") {
        Some(_) => Sink::Terminal,
        None => Sink::Syslog(Mutex::new(Syslog::new(None))),
    };
    log::set_boxed_logger(Box::new(Logger(sink)))?;
    set_debug(false);
    Ok(())
}

/// Logs in detail from now on, or no longer.
pub fn set_debug(debug: bool) {
    log::set_max_level(if debug {
        LevelFilter::Debug
    } else {
        LevelFilter::Info
    });
}

struct Logger(Sink);

enum Sink {
    Terminal,
    Syslog(Mutex<Syslog>),
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        target == OURS
            || target
                .strip_prefix(OURS)
                .is_some_and(|rest| rest.starts_with("::"))
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = message(*record.args());
        match &self.0 {
            Sink::Terminal => to_terminal(record.level(), &message),
            // A thread that panicked while it logged left nothing half done that matters.
            Sink::Syslog(syslog) => syslog
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .send(record.level(), &message),
        }
    }

    fn flush(&self) {}
}

fn to_terminal(level: Level, message: &str) {
    let (_, time) = date_and_time(epoch_seconds());
    // Nothing is left to complain to when the terminal is gone.
    let _gone = writeln!(io::stderr().lock(), "{time} {level:<5} {message}");
}

/// The message on one line, bounded: hostile names cannot forge a line or move the cursor.
fn message(args: fmt::Arguments<'_>) -> String {
    let mut line = Line(String::new());
    if line.write_fmt(args).is_err() {
        line.0.push('…');
    }
    line.0
}

/// Text without unsafe characters that stops growing short of [`MAX_MESSAGE`].
struct Line(String);

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.0.len() > MAX_MESSAGE - 16 {
                return Err(fmt::Error);
            }
            if is_unsafe(c) {
                self.0.extend(c.escape_default());
            } else {
                self.0.push(c);
            }
        }
        Ok(())
    }
}

/// `Jan  1` and `00:00:00` in UTC, `seconds` after the epoch.
fn date_and_time(seconds: u64) -> (String, String) {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    // Days of the Gregorian calendar, counted in years that begin in March so that a leap day comes
    // last (Hinnant, "chrono-compatible low-level date algorithms").
    let day_of_era = (seconds / 86_400 + 719_468) % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = MONTHS[(from_march as usize + 2) % 12];
    let (hours, minutes) = (seconds / 3_600 % 24, seconds / 60 % 60);
    (
        format!("{month} {day:>2}"),
        format!("{hours:02}:{minutes:02}:{:02}", seconds % 60),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_on_its_line_and_within_bounds() {
        assert_eq!(
            message(format_args!(
                "ssid '{}'",
                "a\nDec 24 root: b\x1b[2J\u{202e}\0"
            )),
            "ssid 'a\\nDec 24 root: b\\u{1b}[2J\\u{202e}\\u{0}'"
        );
        let hostile = message(format_args!("{}", crate::terminal::HOSTILE));
        crate::terminal::assert_harmless(&hostile, 1);
        for flood in ["x", "\n", "\u{202e}", "ü", "🙂"] {
            let message = message(format_args!("{}", flood.repeat(100_000)));
            assert!(message.len() <= MAX_MESSAGE, "{} {flood:?}", message.len());
            assert!(message.ends_with('…'));
        }
    }

    #[test]
    fn only_the_projects_own_words_are_logged() {
        let logger = Logger(Sink::Terminal);
        let enabled = |target| {
            logger.enabled(
                &Metadata::builder()
                    .level(Level::Error)
                    .target(target)
                    .build(),
            )
        };
        assert!(enabled("socketman"));
        assert!(enabled("socketman::http::client"));
        assert!(!enabled("socketman_lab"));
        assert!(!enabled("hyper::proto"));
        assert!(!enabled("rumqttc"));
    }

    #[test]
    fn time_stamps_are_those_of_the_calendar() {
        for (seconds, date, time) in [
            (0, "Jan  1", "00:00:00"),
            (951_782_399, "Feb 28", "23:59:59"),
            (951_782_400, "Feb 29", "00:00:00"),
            (951_868_800, "Mar  1", "00:00:00"),
            (1_735_689_599, "Dec 31", "23:59:59"),
            (4_107_542_400, "Mar  1", "00:00:00"),
        ] {
            assert_eq!(date_and_time(seconds), (date.into(), time.into()));
        }
    }
}
