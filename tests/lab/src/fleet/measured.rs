//! Figures of a fleet, and their bounds.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::api::{Api, Health};
use super::broker::Broker;
use super::scenario::{Fate, Scenario};
use super::SPREAD;

/// The agents whose figures are taken over any second. Fewer are watched over longer times, so that chance weighs as much.
const WHOLE: u32 = 10_000;

/// Seconds over which requests and bytes are counted, with so many agents.
const LOAD_WINDOW: u32 = 10;

/// 99 of 100 are back within this many seconds.
const BACK_WITHIN: f64 = 300.0;

/// Requests and bytes to the API afterwards, at most, as a multiple of what is usual.
const LOAD_MAX: f64 = 2.0;

/// A kick loop has decayed when at most so many connect as at its worst.
const DECAYED: f64 = 0.9;

/// The head of the table.
pub(super) const HEAD: &str = "\
scenario               spread   connects/s  99 % back     API after  API during    kicks  bound
                            s    peak, % of        s    requests, bytes × usual  at end";

/// The figures of a scenario.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    pub name: &'static str,
    /// s
    pub spread: u64,
    /// Share of the fleet that tried to connect to the broker in any second, at most.
    pub peak_connect_share: f64,
    /// Seconds after which 99 of 100 were back: at the broker, or at the API if the broker was never away.
    pub back_99_s: f64,
    /// Requests or bytes a second to the API afterwards, the larger one, as a multiple of what is usual.
    pub peak_upload_ratio: f64,
    /// Every bound holds; the default spread has no bounds.
    pub ok: bool,
    /// Requests and bytes afterwards.
    #[serde(skip)]
    pub after: [f64; 2],
    /// Requests and bytes meanwhile.
    #[serde(skip)]
    pub during: [f64; 2],
    /// Connections at the end of a kick loop, as a share of those at its worst.
    #[serde(skip)]
    pub decay: Option<f64>,
}

/// Seconds over which connections are counted.
pub(super) fn window(agents: u32) -> u32 {
    WHOLE.div_ceil(agents.max(1)).max(1)
}

/// Seconds over which requests and bytes are counted.
pub(super) fn load_window(agents: u32) -> u32 {
    LOAD_WINDOW * window(agents)
}

impl Measured {
    pub(super) fn of(
        agents: u32,
        spread: Duration,
        scenario: &Scenario,
        usual: (f64, f64),
        broker: &Broker,
        api: &Api,
    ) -> Self {
        let (from, to, end) = (scenario.from(), scenario.to(), scenario.end());
        let load = api.load();
        let ratios = |from, to| {
            let window = load_window(agents);
            [
                peak(&load.requests, from, to, window) / usual.0,
                peak(&load.bytes, from, to, window) / usual.1,
            ]
        };
        let connections = broker.connections();
        let decay = (scenario.broker == Fate::Kicks).then(|| {
            // Long enough that chance decides nothing.
            let last = Duration::from_secs(600);
            let count = |from, to| peak(&connections, from, to, 600);
            count(to - last, to) / count(from, to)
        });
        let back = match scenario.broker {
            Fate::Well => api.back(),
            Fate::Away | Fate::Kicks => broker.back(),
        };
        let share = peak(&connections, from, end, window(agents)) / f64::from(agents);
        let mut measured = Measured {
            name: scenario.name,
            spread: spread.as_secs(),
            peak_connect_share: share,
            back_99_s: back_99(agents, &back, to),
            after: ratios(to, end),
            during: ratios(from, to),
            peak_upload_ratio: 0.0,
            decay,
            ok: true,
        };
        measured.peak_upload_ratio = measured.after.iter().copied().fold(0.0, f64::max);
        measured.ok = spread.as_secs() != SPREAD || measured.keeps_bounds(scenario);
        measured
    }

    fn keeps_bounds(&self, scenario: &Scenario) -> bool {
        // An API that asks for a pause is back later by that.
        let asked = match scenario.api {
            Health::Busy(Some(pause)) => pause.as_secs_f64(),
            _ => 0.0,
        };
        self.peak_connect_share <= scenario.connect_share
            && self.back_99_s <= BACK_WITHIN + asked
            && self.peak_upload_ratio <= LOAD_MAX
            && self.decay.is_none_or(|decay| decay <= DECAYED)
    }
}

/// The most of any `window` seconds between two moments, a second.
fn peak(seconds: &[u64], from: Duration, to: Duration, window: u32) -> f64 {
    let at = |moment: Duration| usize::try_from(moment.as_secs()).unwrap_or(usize::MAX);
    let (from, to) = (at(from).min(seconds.len()), at(to).min(seconds.len()));
    let window_len = window as usize;
    let some = &seconds[from..to];
    let mut sum = 0;
    let mut most = 0;
    for (n, count) in some.iter().enumerate() {
        sum += count;
        if n >= window_len {
            sum -= some[n - window_len];
        }
        most = most.max(sum);
    }
    most as f64 / f64::from(window)
}

/// Seconds after `well` at which 99 of 100 of the fleet were back; endless if they were not.
fn back_99(agents: u32, back: &[Duration], well: Duration) -> f64 {
    let mut back = back.to_vec();
    back.sort_unstable();
    let count = (u64::from(agents) * 99).div_ceil(100);
    let nth = usize::try_from(count)
        .ok()
        .and_then(|count| count.checked_sub(1));
    let at = nth.and_then(|nth| back.get(nth));
    at.map_or(f64::MAX, |at| at.saturating_sub(well).as_secs_f64())
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [after, during] =
            [self.after, self.during].map(|[requests, bytes]| format!("{requests:.2}, {bytes:.2}"));
        let bound = match (self.spread == SPREAD, self.ok) {
            (false, _) => "none",
            (true, true) => "ok",
            (true, false) => "MISSED",
        };
        let decay = self
            .decay
            .map_or_else(String::new, |decay| format!("{decay:.2}"));
        write!(
            f,
            "{:<22} {:>6} {:>12.2} {:>10.0} {after:>13} {during:>11} {decay:>8}  {bound}",
            self.name,
            self.spread,
            100.0 * self.peak_connect_share,
            self.back_99_s,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_peak_is_that_of_the_busiest_window_within_the_time() {
        let seconds = [9, 0, 1, 2, 3, 0, 9];
        assert!((peak(&seconds, s(1), s(6), 1) - 3.0).abs() < 1e-9);
        assert!((peak(&seconds, s(1), s(6), 2) - 2.5).abs() < 1e-9);
        assert!((peak(&seconds, s(0), s(90), 1) - 9.0).abs() < 1e-9);
        assert!(peak(&seconds, s(50), s(90), 1).abs() < 1e-9);
    }

    #[test]
    fn one_of_a_hundred_may_be_late_and_two_may_not() {
        let mut back: Vec<Duration> = (1..=99).map(s).collect();
        assert!((back_99(100, &back, s(10)) - 89.0).abs() < 1e-9);
        back.pop();
        assert!(back_99(100, &back, s(10)) > 1e300);
    }
}
