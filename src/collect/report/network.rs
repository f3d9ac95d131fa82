//! Wi-Fi networks: this device's own, and those around it.

use serde::Serialize;

use crate::mac::Mac;

/// A Wi-Fi network of this device, or the one it is a client of.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Ssid {
    pub interface: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<u32>,
    /// dBm; iwinfo info "noise".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<i32>,
    /// MHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency: Option<u32>,
    /// dBm, mean over its stations; iwinfo info "signal".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Of `quality_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<u32>,
    /// kbit/s, mean over its stations; iwinfo info "bitrate".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bssid: Option<Mac>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssid: Option<String>,
    /// dBm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_power: Option<i32>,
    /// `2g`, `5g`, `6g` or `60g`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band: Option<String>,
    /// The section of /etc/config/wireless, or the kernel's name of the radio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub radio: Option<String>,
    /// Authorized stations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<usize>,
}

/// A network of somebody else's, as a survey found it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Neighbour {
    /// Its BSSID.
    pub mac: Mac,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<u32>,
    /// `None` if it is hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssid: Option<String>,
    /// In words, such as `WPA2 PSK (CCMP)`; `none` for an open network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<String>,
    /// dBm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Of `quality_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality_max: Option<u32>,
    /// MHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency: Option<u32>,
    /// ms between the scan that found it and the report.
    pub last_seen: u64,
}
