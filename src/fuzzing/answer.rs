//! Heads and bodies of answers of the API.

use std::borrow::Cow;
use std::time::Duration;

use super::pieces::{join, pieces};
use crate::http::{parse_date, Answer, Head};

/// From here on a year has five digits, which no date is read with.
const YEAR_10000: u64 = 253_402_300_800;

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let dates: [&[u8]; 4] = [
        b"Sun, 06 Nov 1994 08:50:17 GMT",
        b"Sunday, 06-Nov-94 08:50:17 GMT",
        b"Sun Nov  6 08:50:17 1994",
        b"120",
    ];
    let mut seeds = Vec::new();
    for (status, date) in [2, 42, 50, 53].into_iter().zip(dates) {
        for body in [&b"{}"[..], b" <!doctype html>"] {
            let pieces = [
                b"application/json; x",
                date,
                b"Sun, 06 Nov 1994 08:49:37 GMT",
                body,
            ];
            seeds.push(join(&pieces.map(|piece| (status, piece.to_vec()))));
        }
    }
    seeds
}

pub(super) fn run(input: &[u8]) {
    let all: Vec<_> = pieces(input).take(4).collect();
    let text = |at: usize| all.get(at).map(|(_, piece)| String::from_utf8_lossy(piece));
    let first = all.first().map_or(0, |(kind, _)| *kind);
    let status = match first {
        0..=9 => 200 + u16::from(first),
        42 => 429,
        53 => 503,
        other => 100 + 2 * u16::from(other),
    };
    let retry_after = text(1);
    if let Some(text) = &retry_after {
        let _ = self::date(text);
    }
    let date = text(2).and_then(|text| date(&text));
    let head = Head {
        status,
        content_type: text(0),
        retry_after,
        date,
    };
    let body = text(3).unwrap_or(Cow::Borrowed(""));
    let answer = Answer::judge(&head, body.as_bytes());
    assert!(answer != Answer::Accepted || (200..300).contains(&status));
    assert!(answer.asked_wait() <= Duration::from_secs(3600), "{answer}");
    let about = [
        answer == Answer::Accepted,
        answer.is_the_servers(),
        matches!(answer, Answer::Busy { .. }),
        matches!(
            answer,
            Answer::Refused {
                status: 400 | 401 | 403 | 413 | 422
            }
        ),
    ];
    assert_eq!(
        about.into_iter().filter(|is| *is).count(),
        1,
        "{answer} is one thing"
    );
    assert!(!answer.is_about_the_batch() || answer.is_about_the_request());
    assert!(!answer.under_a_portal().is_the_apis());
    assert!(!answer.to_string().is_empty());
}

/// Reads a date, which has to be the same one in its usual form.
fn date(text: &str) -> Option<u64> {
    let seconds = parse_date(text)?;
    if seconds >= YEAR_10000 {
        return Some(seconds);
    }
    let usual = write(seconds);
    assert_eq!(parse_date(&usual), Some(seconds), "{text}: {usual}");
    Some(seconds)
}

/// As RFC 9110 wants it: `Sun, 06 Nov 1994 08:49:37 GMT`. The weekday is not read.
fn write(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let (mut year, mut left) = (1970, days);
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    loop {
        let length = 365 + u64::from(is_leap(year));
        if left < length {
            break;
        }
        left -= length;
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let months = [
        ("Jan", 31),
        ("Feb", february),
        ("Mar", 31),
        ("Apr", 30),
        ("May", 31),
        ("Jun", 30),
        ("Jul", 31),
        ("Aug", 31),
        ("Sep", 30),
        ("Oct", 31),
        ("Nov", 30),
        ("Dec", 31),
    ];
    let mut month = "";
    for (name, length) in months {
        month = name;
        if left < length {
            break;
        }
        left -= length;
    }
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!(
        "Sun, {:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT",
        left + 1
    )
}
