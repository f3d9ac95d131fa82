//! Checks of the agent against the true state of the device.

use std::time::Duration;

use socketman::health::radio::Silence;
use socketman::recovery::radio::RESTARTS_MAX;

use super::super::air::{secs, Doing, Time, NON_OCCUPANCY};
use super::{World, LOOKS};

/// The agent may take so long to tell of a fault.
const TOLD_WITHIN: Duration = secs(60);

/// Time for an access point to appear.
const SETUP: Duration = secs(60);

const DAY: Duration = secs(86_400);

impl World {
    pub(super) fn fail(&self, what: &str, at: usize) -> ! {
        let agent = self.agent.as_ref();
        let told = agent.map(|agent| {
            (
                agent.born,
                agent.seen,
                agent.unheard,
                &agent.tracker.radios()[at],
            )
        });
        panic!(
            "{}: {what} at {:?}, hostapd there: {}: {:?}; the agent: {told:?}",
            self.name, self.now, self.serving, self.airs[at]
        );
    }

    /// Since when the agent should tell of a fault, by what is true.
    pub(super) fn fault_since(&self, at: usize) -> Option<Time> {
        let (air, agent) = (&self.airs[at], self.agent.as_ref()?);
        if air.is_off() || air.taken_down || air.is_waiting() {
            return None;
        }
        if air.failed {
            return Some(air.since);
        }
        let from = air.since.max(air.brought_up).max(agent.born);
        let radar = agent.radar[at].max(agent.unheard[at]);
        let radar = radar.map_or(secs(0), |radar| radar + NON_OCCUPANCY);
        let since = match air.doing {
            Doing::Stuck | Doing::Beacon | Doing::Dead if !self.serving => {
                // It may be somebody else's who never came to the bus.
                agent.seen[at].then_some(from + SETUP)?
            }
            Doing::Stuck => air.since,
            Doing::Dead => {
                let silent = match air.configured.silence() {
                    Silence::Short => SETUP,
                    Silence::Scan => secs(300),
                    Silence::Radar => secs(35 * 60),
                    Silence::Weather => secs(60 * 60),
                };
                from + silent
            }
            _ => return None,
        };
        Some(since.max(radar).max(agent.born))
    }

    pub(super) fn check_verdicts(&self) {
        let Some(agent) = &self.agent else {
            return;
        };
        for (at, radio) in agent.tracker.radios().iter().enumerate() {
            let air = &self.airs[at];
            let told = radio.verdict.is_fault();
            if told && (air.is_off() || air.is_waiting()) {
                self.fail("a fault is reported of a radio that is off or waits", at);
            }
            // The look before this one may have come just too early.
            let due = self
                .fault_since(at)
                .map(|since| since + LOOKS * 2 + secs(1));
            if due.is_some_and(|due| self.now >= due) && !told {
                self.fail("a fault is not told", at);
            }
        }
        const { assert!(LOOKS.as_secs() * 2 < TOLD_WITHIN.as_secs()) };
    }

    pub(super) fn check_budget(&self, at: usize) {
        let times = &self.restarts[at];
        let within = times.iter().filter(|time| self.now - **time < DAY).count();
        if within >= RESTARTS_MAX {
            self.fail("more than six restarts in a day", at);
        }
        if let (Some(last), true) = (times.last(), within > 0) {
            let cooldown = secs(300 << (within - 1)).min(secs(3600));
            if self.now - *last < cooldown {
                self.fail("restarted within its cooldown", at);
            }
        }
    }
}
