//! A report whose clock was wrong, told at the time it was.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::record::Certainty;

/// Longest time from a report to the end of a lease that its clock is taken to have given, seconds: 30 days.
///
/// A lease ends in the future, and its beginning is not noted, so an end that a wrong clock gave is known by being near
/// to that clock. dnsmasq's file may be kept on flash, with ends that a right clock gave before: as far away as the
/// clock is wrong, months or years on a device without one. Both look alike only where the clock is wrong by less
/// than this, or a lease lasts longer; the first is then taken for given by this clock, the second is left alone.
const LONGEST_LEASE: u64 = 30 * 86_400;

/// An object, its keys in their order and its values as they are written.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Vec<(String, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Keys).map(Object)
    }
}

/// A list, its values as they are written.
struct List<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items;
        impl<'de> Visitor<'de> for Items {
            type Value = Vec<&'de RawValue>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(items)
            }
        }
        deserializer.deserialize_seq(Items).map(List)
    }
}

/// A report's line, with its end, whose clock stood at `at` when it was `right`, `mono` seconds after
/// the boot. Every time in it that this clock told is moved as far: of the report, of its events, the
/// ends of its leases and of gaps that end with it. What is not a report comes back as it is.
pub(crate) fn restamp(line: &[u8], at: u64, mono: u32, right: u64) -> Vec<u8> {
    let boot = at.saturating_sub(mono.into());
    let moved = |value: &RawValue, most: u64| -> Option<String> {
        let time: u64 = value.get().parse().ok()?;
        // An older time was read from another clock, which was right, as was a later one.
        let is_own = (boot..=at.saturating_add(most)).contains(&time);
        is_own.then(|| right.saturating_add(time).saturating_sub(at).to_string())
    };
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let report = object(text, &mut |key, value| match key {
        "device" => object(value.get().as_bytes(), &mut |key, _| match key {
            "created_at" => Some(right.to_string()),
            "clock" => Some(format!("\"{}\"", Certainty::Restamped.word())),
            _ => None,
        }),
        "events" => list(value, &mut |key, value| {
            (key == "at").then(|| moved(value, 0))?
        }),
        "dhcp" => list(value, &mut |key, value| {
            (key == "expires").then(|| moved(value, LONGEST_LEASE))?
        }),
        "gaps" => list(value, &mut |key, value| {
            let is_own = key == "to" && value.get().parse() == Ok(at);
            is_own.then(|| right.to_string())
        }),
        _ => None,
    });
    report.map_or_else(|| line.to_vec(), |report| (report + "\n").into_bytes())
}

type Edit<'a> = &'a mut dyn FnMut(&str, &RawValue) -> Option<String>;

/// An object with the values that `edit` gives in the place of some of its own.
fn object(text: &[u8], edit: Edit<'_>) -> Option<String> {
    let Object(entries) = serde_json::from_slice(text).ok()?;
    let mut out = String::with_capacity(text.len() + 16);
    for (key, value) in entries {
        out.push(if out.is_empty() { '{' } else { ',' });
        out.push_str(&serde_json::to_string(&key).ok()?);
        out.push(':');
        out.push_str(edit(&key, value).as_deref().unwrap_or(value.get()));
    }
    out.push_str(if out.is_empty() { "{}" } else { "}" });
    Some(out)
}

/// A list of objects, each edited.
fn list(value: &RawValue, edit: Edit<'_>) -> Option<String> {
    let List(items) = serde_json::from_str(value.get()).ok()?;
    let edited = items.into_iter().map(|item| {
        let text = object(item.get().as_bytes(), edit);
        text.unwrap_or_else(|| item.get().to_owned())
    });
    Some(format!("[{}]", edited.collect::<Vec<_>>().join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_of_the_wrong_clock_is_moved_and_nothing_else_is_touched() {
        let line = br#"{"z":[1.50,{"at":990}],"device":{"uptime":40,"created_at":1000,"h":"\u00e9\"","clock":"unsynced","seq":3},"events":[{"at":990,"type":"join"},{"at":5}],"gaps":[{"from":null,"to":1000,"count":2},{"from":970,"to":980,"count":1}]}
"#;
        let expected = br#"{"z":[1.50,{"at":990}],"device":{"uptime":40,"created_at":5000,"h":"\u00e9\"","clock":"restamped","seq":3},"events":[{"at":4990,"type":"join"},{"at":5}],"gaps":[{"from":null,"to":5000,"count":2},{"from":970,"to":980,"count":1}]}
"#;
        let out = restamp(line, 1000, 40, 5000);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            String::from_utf8(expected.to_vec()).unwrap()
        );
    }

    #[test]
    fn a_lease_of_the_wrong_clock_is_moved_and_one_of_a_right_clock_is_not() {
        let (at, right) = (1_751_450_040, 1_760_000_040);
        let dhcp = |expires: [u64; 4]| {
            let leases = expires.map(|end| format!(r#"{{"mac":"m","expires":{end}}}"#));
            let leases = leases.join(",");
            format!(r#"[{leases},{{"mac":"m"}}]"#)
        };
        let line = |created_at: u64, clock: &str, dhcp: String| {
            format!(
                "{{\"device\":{{\"created_at\":{created_at},\"clock\":\"{clock}\"}},\"dhcp\":{dhcp}}}\n"
            )
        };
        // Given at 1751450030 for 12 h; for 30 days just now; before this boot, when the clock was right; by nobody.
        let taken = dhcp([1_751_493_230, at + 2_592_000, right + 7200, u64::MAX]);
        let out = restamp(line(at, "unsynced", taken).as_bytes(), at, 40, right);
        let moved = dhcp([1_760_043_230, right + 2_592_000, right + 7200, u64::MAX]);
        let expected = line(right, "restamped", moved);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        // A clock that was ahead.
        let taken = dhcp([right + 7200, right + 1, 1, 2]);
        let out = restamp(line(right, "unsynced", taken).as_bytes(), right, 40, at);
        let expected = line(at, "restamped", dhcp([at + 7200, at + 1, 1, 2]));
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn what_is_no_report_stays_what_it_is() {
        for line in [&b"not json\n"[..], b"[1]\n", b"\n"] {
            assert_eq!(restamp(line, 1, 1, 9), line);
        }
        assert_eq!(restamp(b"{}\n", 1, 1, 9), b"{}\n");
    }
}
