//! The restarts of each radio, and the one under way, as they outlive the agent.
//!
//! The cell `radios` in `state_dir` holds JSON: `{"boot":"…","mono":…,"ran":…,"restarts":{"radio0":[…]},"intent":"radio0"}`. Times
//! are milliseconds in which an agent ran, summed over its lives: within one boot the kernel's clock fills
//! the gaps between them, and over a boot nothing is added. So time without power makes a day longer, never
//! shorter.

use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::written::{list, number, text, Fields};

/// Radios that are remembered; no device has more.
const RADIOS_MAX: usize = 16;

/// The kernel's clock is read in whole seconds.
const READING: Duration = Duration::from_secs(1);

/// The memory of restarts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    /// The radios in order, and the times at which each was restarted, oldest first.
    restarts: Vec<(String, Vec<Duration>)>,
    /// A radio that was or is about to be taken down, and has to be brought up.
    pub(super) intent: Option<String>,
}

#[derive(Serialize)]
struct Written<'a> {
    boot: &'a str,
    mono: u64,
    ran: u64,
    #[serde(serialize_with = "restarts")]
    restarts: &'a [(String, Vec<Duration>)],
    intent: Option<&'a str>,
}

fn restarts<S: Serializer>(
    restarts: &[(String, Vec<Duration>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let restarts = restarts.iter().map(|(radio, times)| {
        let times: Vec<u64> = times.iter().map(|at| millis(*at)).collect();
        (radio, times)
    });
    serializer.collect_map(restarts)
}

/// The current boot, and how long it has lasted.
#[derive(Debug, Clone, Copy)]
pub struct Boot<'a> {
    pub id: &'a str,
    /// Seconds since the boot, by the kernel's clock.
    pub mono: u64,
}

impl Ledger {
    /// The value of the cell at `ran`.
    pub fn encode(&self, boot: Boot<'_>, ran: Duration) -> Vec<u8> {
        let written = Written {
            boot: boot.id,
            mono: boot.mono.saturating_mul(1000),
            ran: millis(ran),
            restarts: &self.restarts,
            intent: self.intent(),
        };
        serde_json::to_vec(&written).expect("strings and numbers always encode")
    }

    /// The content of the cell, and the time agents have run by now; `None` if it is no ledger.
    ///
    /// A boot brings every radio up: an intent from before it is done.
    pub fn decode(bytes: &[u8], boot: Boot<'_>) -> Option<(Self, Duration)> {
        let mut fields = Fields::parse(bytes)?;
        let is_same = fields.maybe("boot", text)?.unwrap_or_default() == boot.id;
        let mono = fields.maybe("mono", number)?.unwrap_or_default();
        let ran = Duration::from_millis(fields.maybe("ran", number)?.unwrap_or_default());
        let gone = match is_same {
            true => boot.mono.saturating_mul(1000).saturating_sub(mono),
            false => 0,
        };
        let gone = Duration::from_millis(gone).saturating_sub(READING);
        let time = |at: Value| Some(Duration::from_millis(number(at)?).min(ran));
        let mut ledger = Ledger {
            restarts: Vec::new(),
            intent: fields.maybe("intent", text)?.filter(|_| is_same),
        };
        if let Some(restarts) = fields.maybe("restarts", Fields::of)? {
            for (radio, times) in restarts.all().take(RADIOS_MAX) {
                let mut times = list(times, time)?;
                times.truncate(64);
                *ledger.times(&radio) = times;
            }
        }
        Some((ledger, ran.saturating_add(gone)))
    }

    /// The times of a radio, to be changed.
    fn times(&mut self, radio: &str) -> &mut Vec<Duration> {
        let all = &mut self.restarts;
        let at = all.partition_point(|(known, _)| known.as_str() < radio);
        if all.get(at).is_none_or(|(known, _)| known != radio) {
            all.insert(at, (radio.to_owned(), Vec::new()));
        }
        &mut all[at].1
    }

    /// A radio is restarted.
    pub(super) fn add(&mut self, radio: &str, now: Duration) {
        self.times(radio).push(now);
    }

    /// The last restart of a radio is not made.
    pub(super) fn take_back(&mut self, radio: &str) {
        self.times(radio).pop();
        self.restarts.retain(|(_, times)| !times.is_empty());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.restarts.is_empty()
    }

    /// Forgets the restarts that are `day` old at `now`.
    pub(super) fn forget(&mut self, now: Duration, day: Duration) {
        self.restarts.retain_mut(|(_, times)| {
            times.retain(|at| now.saturating_sub(*at) < day);
            !times.is_empty()
        });
    }

    /// A radio that may be down because the agent took it down.
    pub fn intent(&self) -> Option<&str> {
        self.intent.as_deref()
    }

    /// The radios that were restarted, and how often.
    pub fn radios(&self) -> impl Iterator<Item = (&str, usize)> {
        let restarts = self.restarts.iter();
        restarts.map(|(radio, times)| (radio.as_str(), times.len()))
    }

    /// The restarts of a radio that are remembered, oldest first.
    pub fn of(&self, radio: &str) -> &[Duration] {
        let mut all = self.restarts.iter();
        let known = all.find(|(known, _)| known == radio);
        known.map_or(&[], |(_, times)| times)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ledger() -> Ledger {
        let restarts = [("radio0".to_owned(), vec![5 * SECOND, 900 * SECOND])];
        Ledger {
            restarts: restarts.into(),
            intent: Some("radio0".into()),
        }
    }

    #[test]
    fn within_a_boot_the_kernels_clock_fills_the_gap_between_two_agents() {
        let bytes = ledger().encode(Boot { id: "a", mono: 100 }, 1000 * SECOND);
        let (read, ran) = Ledger::decode(&bytes, Boot { id: "a", mono: 160 }).unwrap();
        assert_eq!(read, ledger());
        assert_eq!(ran, 1059 * SECOND, "never more than has passed");
    }

    #[test]
    fn time_without_power_counts_for_nothing_and_a_boot_settles_the_intent() {
        let bytes = ledger().encode(Boot { id: "a", mono: 100 }, 1000 * SECOND);
        let (read, ran) = Ledger::decode(
            &bytes,
            Boot {
                id: "b",
                mono: 9999,
            },
        )
        .unwrap();
        assert_eq!(read.of("radio0"), ledger().of("radio0"));
        assert_eq!(read.intent, None);
        assert_eq!(ran, 1000 * SECOND);
    }

    #[test]
    fn what_is_no_ledger_is_refused_and_times_of_the_future_are_not_believed() {
        let boot = Boot { id: "a", mono: 1 };
        for text in ["", "[]x", r#"{"ran":-1}"#, r#"{"restarts":[1]}"#] {
            assert!(Ledger::decode(text.as_bytes(), boot).is_none(), "{text}");
        }
        let text = r#"{"boot":"a","ran":7000,"restarts":{"radio0":[99999999]}}"#;
        let (read, _) = Ledger::decode(text.as_bytes(), boot).unwrap();
        assert_eq!(read.of("radio0"), [7 * SECOND]);
    }
}
