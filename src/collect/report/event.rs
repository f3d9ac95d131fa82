//! Things that happened between two reports.

use std::net::Ipv4Addr;

use serde::Serialize;

use crate::mac::Mac;

/// Something that happened, told by hostapd or by a DHCP server.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Event {
    /// Seconds since the epoch by the system clock.
    pub at: u64,
    /// `join`, `leave`, `key-mismatch`, `channel-switch`, `radar-detected`, `lease`, `release`,
    /// `expire` or `lost`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The network of hostapd, or the network device of the DHCP server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// Of `leave`: hostapd's word, `disassoc`, `deauth` (by the station), `local-deauth` (by us) or
    /// `inactive-deauth`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Of `join`: the VLAN the station was put into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u32>,
    /// Of `join`: `open`, `sae`, `ft`, … as hostapd has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
    /// Of `lease`, `release` and `expire`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<Ipv4Addr>,
    /// Of `lease`: what the station calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// MHz; of `channel-switch` and `radar-detected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency: Option<u32>,
    /// Of `lost`: so many could not be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}
