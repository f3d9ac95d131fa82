//! The state of the guard, as `status.guard` shows it.

use serde::Serialize;

/// The guard now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// A change is on trial, or being undone.
    pub armed: bool,
    /// When it is decided at the latest, seconds since the epoch; `None` while the command runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// The job that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
}
