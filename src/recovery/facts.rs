//! The facts about recovery, as `status.recovery` shows it.

use serde::Serialize;

use super::ladder::Step;

/// Steps of an outage that are shown; of more, the newest.
pub(super) const TRIED_MAX: usize = 8;

/// A step that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tried {
    pub step: Step,
    /// Seconds since the epoch.
    pub at: u64,
    /// Why it could not be taken as it should.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A step to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Coming {
    pub step: Step,
    /// Seconds since the epoch, if nothing else is found until then.
    pub at: u64,
}

/// The state of recovery.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Facts {
    /// The newest step of this outage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// When it was taken, seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Why steps are taken, or why none is; absent while the device is online.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The steps of this outage, oldest first; the last 8.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Tried>,
    /// Reboots by recovery and guard in the last 24 h.
    pub reboots_24h: u8,
    /// Reboots that are left; 0 as well while they cannot be recorded.
    pub reboots_left: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Coming>,
}
