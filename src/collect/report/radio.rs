//! Radios of this device.

use serde::Serialize;

/// A radio, as the part that watches over radios knows it.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Radio {
    /// Its name in UCI.
    pub name: String,
    /// `2g`, `5g`, `6g` or `60g`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<u32>,
    /// netifd has brought it up; it need not beacon yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<bool>,
    /// `ok`, `off`, `waiting`, `setup_failed`, `not_beaconing` or `unknown`.
    pub verdict: &'static str,
    /// `None` if hostapd says nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dfs: Option<Dfs>,
}

/// Listening for radar before a channel is used (CAC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Dfs {
    pub cac_active: bool,
    pub cac_seconds_left: u32,
}
