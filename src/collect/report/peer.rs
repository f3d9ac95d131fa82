//! Peers of a mesh.

use serde::Serialize;

use super::Traffic;
use crate::mac::Mac;

/// A peer of a mesh or of an ad-hoc network; `rx` is what came from it. All but `interface` is
/// iwinfo's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Peer {
    /// Our network device.
    pub interface: String,
    pub mac: Mac,
    /// State of the link to it: `ESTAB`, `LISTEN`, `BLOCKED`, …; absent in ad-hoc networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plink: Option<String>,
    /// ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inactive_time: Option<u64>,
    /// s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conn_time: Option<u64>,
    /// dBm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// dBm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal_avg: Option<i32>,
    #[serde(flatten)]
    pub traffic: Traffic,
    /// kbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_bitrate: Option<u32>,
    /// kbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_bitrate: Option<u32>,
    /// kbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_tput: Option<u32>,
}
