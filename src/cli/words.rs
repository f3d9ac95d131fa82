//! Numbers in words for people.

use crate::process::clock::epoch_seconds;
pub(super) use crate::terminal::safe;

/// `5 s`, `3 min`, `2 h 5 min`, `4 d 3 h`.
pub(super) fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min"),
        3600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// The time since `at` (seconds since the epoch).
pub(super) fn lasting(at: u64) -> String {
    span(epoch_seconds().saturating_sub(at))
}

/// The time since `at` (seconds since the epoch), as a time ago.
pub(super) fn ago(at: u64) -> String {
    format!("{} ago", lasting(at))
}

/// The time until `at` (seconds since the epoch).
pub(super) fn ahead(at: u64) -> String {
    match at.saturating_sub(epoch_seconds()) {
        0 => "now".to_owned(),
        seconds => format!("in {}", span(seconds)),
    }
}

/// `512 B`, `3.4 KiB`, `1.2 MiB`, `7.5 GiB`.
pub(super) fn bytes(n: u64) -> String {
    match n {
        0..1024 => format!("{n} B"),
        1024..1_048_576 => format!("{:.1} KiB", n as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", n as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", n as f64 / 1_073_741_824.0),
    }
}

/// `1 station`, `2 stations`.
pub(super) fn count(n: u64, noun: &str) -> String {
    match n {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_name_their_two_largest_units() {
        let shown: Vec<_> = [0, 59, 60, 3599, 3600, 7500, 86_400, 360_000]
            .map(span)
            .into_iter()
            .collect();
        assert_eq!(
            shown,
            [
                "0 s",
                "59 s",
                "1 min",
                "59 min",
                "1 h 0 min",
                "2 h 5 min",
                "1 d 0 h",
                "4 d 4 h"
            ]
        );
    }

    #[test]
    fn sizes_are_binary() {
        assert_eq!(
            [0, 1023, 1536, 3 << 20, 5 << 30].map(bytes),
            ["0 B", "1023 B", "1.5 KiB", "3.0 MiB", "5.0 GiB"]
        );
    }
}
