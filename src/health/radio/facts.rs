//! The facts about radios: `status.radios`, the report's `radios`, and what recovery decides by.

use serde::Serialize;
use tokio::time::Instant;

use super::sight::Vif;
use super::tracker::Radio;
use super::verdict::Verdict;
use crate::collect;

/// A radio, as `status.radios` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RadioFacts {
    /// Name in UCI.
    pub name: String,
    /// netifd has brought it up; `None` if it does not say.
    pub up: Option<bool>,
    pub verdict: Verdict,
    /// Since when the verdict holds, seconds since the epoch.
    pub since: u64,
    /// Restarts by the agent within the last 24 h of running.
    pub restarts: u32,
    /// Since when it has had a fault that a restart may end.
    #[serde(skip)]
    pub faulty: Option<Instant>,
    /// The reason for the verdict.
    #[serde(skip)]
    pub why: &'static str,
    #[serde(skip)]
    pub vifs: Vec<Vif>,
}

/// The radios of the device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    pub radios: Vec<RadioFacts>,
    /// netifd answered the newest look: there are no other radios.
    pub complete: bool,
    /// Looks that have ended; wraps.
    pub(super) looks: u32,
}

#[cfg(test)]
impl Facts {
    pub(crate) fn of_test(radios: Vec<RadioFacts>, looks: u32) -> Self {
        Facts {
            radios,
            complete: true,
            looks,
        }
    }

    pub(crate) fn count_look(&mut self) {
        self.looks = self.looks.wrapping_add(1);
    }
}

/// A radio that the agent has restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restarted {
    pub radio: String,
    /// When it was brought up last; `None` if that was before this agent started.
    pub at: Option<Instant>,
    /// Restarts within the last 24 h of running.
    pub count: u32,
}

/// The radio as it stands in reports.
pub(super) fn reported(radio: &Radio) -> collect::Radio {
    let configured = &radio.configured;
    let status = radio.status;
    let may_be_radar = configured.band.as_deref() == Some("5g");
    collect::Radio {
        name: configured.name.clone(),
        band: configured.band.clone(),
        channel: status
            .and_then(|status| status.channel)
            .or(configured.channel),
        up: configured.up,
        verdict: Some(radio.verdict.name()),
        channel_use: None,
        dfs: status.filter(|_| may_be_radar).map(|status| collect::Dfs {
            cac_active: status.cac_active,
            cac_seconds_left: status.cac_left,
        }),
    }
}
