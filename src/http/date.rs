//! Dates in the headers of an answer.

/// Days before each month of a year that is no leap year.
const DAYS_BEFORE: [(&str, u64); 12] = [
    ("Jan", 0),
    ("Feb", 31),
    ("Mar", 59),
    ("Apr", 90),
    ("May", 120),
    ("Jun", 151),
    ("Jul", 181),
    ("Aug", 212),
    ("Sep", 243),
    ("Oct", 273),
    ("Nov", 304),
    ("Dec", 334),
];

/// A date in the calendar and a time of day, as text.
struct Parts<'a> {
    year: u64,
    month: &'a str,
    day: u64,
    time: &'a str,
}

/// Seconds since the epoch of a date in any of the three forms of RFC 9110, section 5.6.7:
///
/// * IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT`
/// * RFC 850, `Sunday, 06-Nov-94 08:49:37 GMT`; the years 70 to 99 are of the last century
/// * asctime, `Sun Nov  6 08:49:37 1994`
///
/// `None` for anything else, and before 1970.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let parts = fixdate(text)
        .or_else(|| rfc_850(text))
        .or_else(|| asctime(text))?;
    parts.seconds()
}

fn fixdate(text: &str) -> Option<Parts<'_>> {
    let mut words = text.split(' ');
    let weekday = words.next()?.strip_suffix(',')?;
    let day = number(words.next()?, 2)?;
    let month = words.next()?;
    let year = number(words.next()?, 4)?;
    let time = words.next()?;
    (weekday.len() == 3 && words.eq(["GMT"])).then_some(Parts {
        year,
        month,
        day,
        time,
    })
}

fn rfc_850(text: &str) -> Option<Parts<'_>> {
    let mut words = text.split(' ');
    let weekday = words.next()?.strip_suffix("day,")?;
    let mut date = words.next()?.split('-');
    let day = number(date.next()?, 2)?;
    let month = date.next()?;
    let year = number(date.next()?, 2)?;
    let time = words.next()?;
    let ends_well = date.next().is_none() && words.eq(["GMT"]);
    (!weekday.is_empty() && ends_well).then_some(Parts {
        year: year + if year < 70 { 2000 } else { 1900 },
        month,
        day,
        time,
    })
}

fn asctime(text: &str) -> Option<Parts<'_>> {
    // A day of one digit stands behind two spaces.
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    let weekday = words.next()?;
    let month = words.next()?;
    let day = words.next()?;
    let day = number(day, day.len().min(2))?;
    let time = words.next()?;
    let year = number(words.next()?, 4)?;
    (weekday.len() == 3 && words.next().is_none()).then_some(Parts {
        year,
        month,
        day,
        time,
    })
}

impl Parts<'_> {
    fn seconds(&self) -> Option<u64> {
        let mut time = self.time.split(':');
        let hour = number(time.next()?, 2).filter(|hour| *hour < 24)?;
        let minute = number(time.next()?, 2).filter(|minute| *minute < 60)?;
        // 60 is a leap second.
        let second = number(time.next()?, 2).filter(|second| *second <= 60)?;
        let is_day = time.next().is_none() && (1..=31).contains(&self.day);
        let year = Some(self.year).filter(|year| is_day && *year >= 1970)?;
        let &(_, before) = DAYS_BEFORE.iter().find(|(name, _)| *name == self.month)?;
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let past = year - 1;
        let leap_days = past / 4 - past / 100 + past / 400 - 477;
        let days = (year - 1970) * 365 + leap_days + before + (self.day - 1);
        let days = days + u64::from(is_leap && before >= 59);
        Some(days * 86_400 + hour * 3600 + minute * 60 + second)
    }
}

/// A number of just so many digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    let fits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_seconds_since_the_epoch() {
        for (text, expected) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Fri, 31 Dec 1999 23:59:60 GMT", 946_684_800),
            ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
            ("Thursday, 01-Jan-70 00:00:00 GMT", 0),
            ("Monday, 02-Nov-26 00:00:00 GMT", 1_793_577_600),
            ("Sun Nov  6 08:49:37 1994", 784_111_777),
            ("Tue Feb 29 23:59:59 2000", 951_868_799),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_date() {
        for text in [
            "",
            "Sunday, 06-Nov-94 08:49:37",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "day, 06-Nov-94 08:49:37 GMT",
            "Sunday, 06-Nov 08:49:37 GMT",
            "Sun Nov  6 08:49:37 94",
            "Sun Nov  6 08:49:37 1994 GMT",
            "Sun Nov 006 08:49:37 1994",
            "Sun Nov 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 06 Nov 99999999999999999999 08:49:37 GMT",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
