//! Radios of this device.

use serde::Serialize;

/// A radio, as the part that watches over radios knows it, with the use of its channel.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Radio {
    /// Its name in UCI; without netifd, the kernel's.
    pub name: String,
    /// `2g`, `5g`, `6g` or `60g`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<u32>,
    /// netifd has brought it up; it need not beacon yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<bool>,
    /// `ok`, `off`, `waiting`, `setup_failed`, `not_beaconing` or `unknown`; `None` until the radio was
    /// looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<&'static str>,
    #[serde(rename = "airtime", skip_serializing_if = "Option::is_none")]
    pub channel_use: Option<ChannelUse>,
    /// `None` if hostapd says nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dfs: Option<Dfs>,
}

/// hostapd's measurements on the channel of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::collect) struct OnAir {
    pub(in crate::collect) channel_use: Option<ChannelUse>,
    pub(in crate::collect) dfs: Option<Dfs>,
}

/// The share of time in which the channel is in use, by anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ChannelUse {
    /// Lately, of 255; hostapd get_status "utilization".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utilization: Option<u8>,
    /// ms, since the radio was set up.
    pub busy: u64,
    /// ms that were measured.
    pub time: u64,
}

/// Listening for radar before a channel is used (CAC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Dfs {
    pub cac_active: bool,
    pub cac_seconds_left: u32,
}
