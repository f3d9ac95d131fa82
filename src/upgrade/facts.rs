//! The state of upgrades, as `status.upgrade` shows it.

use serde::Serialize;

/// The upgrade under way, or the one that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// `idle`, `waiting` (for its window), `fetching`, `flashing`, `installing`, `trial` or `undoing`.
    pub state: &'static str,
    /// Of the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Since when it is in this state, seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Bytes of the file that are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received: Option<u64>,
    /// Bytes of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// When the next one begins, seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begins: Option<u64>,
    /// Why the file does not come at the moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Default for Facts {
    fn default() -> Self {
        Facts {
            state: "idle",
            id: None,
            since: None,
            received: None,
            size: None,
            begins: None,
            error: None,
        }
    }
}
