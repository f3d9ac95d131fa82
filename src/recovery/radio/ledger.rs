//! The restarts of each radio, and the one under way, as they outlive the agent.
//!
//! The cell `radios` in `state_dir` holds JSON: `{"boot":"…","mono":…,"ran":…,"restarts":{"radio0":[…]},"intent":"radio0"}`. Times
//! are milliseconds in which an agent ran, summed over its lives: within one boot the kernel's clock fills
//! the gaps between them, and over a boot nothing is added. So time without power makes a day longer, never
//! shorter.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sorted::map;

/// Radios that are remembered; no device has more.
const RADIOS_MAX: usize = 16;

/// The kernel's clock is read in whole seconds.
const READING: Duration = Duration::from_secs(1);

/// The memory of restarts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    /// The time at which each radio was restarted, oldest first.
    pub(super) restarts: BTreeMap<String, Vec<Duration>>,
    /// A radio that was or is about to be taken down, and has to be brought up.
    pub(super) intent: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Written {
    boot: String,
    mono: u64,
    ran: u64,
    restarts: BTreeMap<String, Vec<u64>>,
    intent: Option<String>,
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
        let restarts = self.restarts.iter();
        let written = Written {
            boot: boot.id.to_owned(),
            mono: boot.mono.saturating_mul(1000),
            ran: millis(ran),
            restarts: map(restarts.map(|(radio, times)| {
                (radio.clone(), times.iter().map(|at| millis(*at)).collect())
            })),
            intent: self.intent.clone(),
        };
        serde_json::to_vec(&written).expect("strings and numbers always encode")
    }

    /// The content of the cell, and the time agents have run by now; `None` if it is no ledger.
    ///
    /// A boot brings every radio up: an intent from before it is done.
    pub fn decode(bytes: &[u8], boot: Boot<'_>) -> Option<(Self, Duration)> {
        let written: Written = serde_json::from_slice(bytes).ok()?;
        let is_same = written.boot == boot.id;
        let gone = match is_same {
            true => boot.mono.saturating_mul(1000).saturating_sub(written.mono),
            false => 0,
        };
        let gone = Duration::from_millis(gone).saturating_sub(READING);
        let ran = Duration::from_millis(written.ran);
        let times = |times: Vec<u64>| -> Vec<Duration> {
            let times = times.into_iter().map(Duration::from_millis);
            times.map(|at| at.min(ran)).take(64).collect()
        };
        let restarts = written.restarts.into_iter().take(RADIOS_MAX);
        let ledger = Ledger {
            restarts: map(restarts.map(|(radio, at)| (radio, times(at)))),
            intent: written.intent.filter(|_| is_same),
        };
        Some((ledger, ran.saturating_add(gone)))
    }

    /// Forgets the restarts that are `day` old at `now`.
    pub(super) fn forget(&mut self, now: Duration, day: Duration) {
        for times in self.restarts.values_mut() {
            times.retain(|at| now.saturating_sub(*at) < day);
        }
        self.restarts.retain(|_, times| !times.is_empty());
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
        self.restarts.get(radio).map_or(&[], Vec::as_slice)
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
