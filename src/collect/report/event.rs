//! Things that happened between two reports.

use std::net::Ipv4Addr;

use serde::Serialize;

use crate::mac::Mac;

/// Something that happened, told by hostapd, by a DHCP server, or by a part of the agent.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Event {
    /// Seconds since the epoch by the system clock.
    pub at: u64,
    /// `join`, `leave`, `key-mismatch`, `btm_query`, `btm_response`, `beacon_report`, `radar`,
    /// `channel_switch`, `lease`, `release`, `expire` or `lost`; of the device itself `health`, `radio`,
    /// `recovery`, `guard` or `boot`.
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
    /// MHz; of `channel_switch` and `radar`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency: Option<u32>,
    /// Of `beacon_report`: the network heard of; of `btm_response`: the one the station moves to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bssid: Option<Mac>,
    /// Of `beacon_report`: where it was heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<u32>,
    /// dBm; of `beacon_report`: how loud it was at the station.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Of `btm_query`: why the station asks, its transition reason of IEEE 802.11.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_reason: Option<u32>,
    /// Of `btm_response`: 0 if the station moves, else the status code of its refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u32>,
    /// Of `health`: the health code, 0-9.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u8>,
    /// Of `health` and `radio`: the new verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<&'static str>,
    /// Of `radio`, and of `recovery` with step `radio`: its name in UCI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub radio: Option<String>,
    /// Of `recovery`: the step that was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<&'static str>,
    /// Of `health`, `radio`, `recovery` and `guard`: the reason, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Of `boot`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'static str>,
    /// Of `boot`: at most 4 KiB, and 16 KiB more with option `boot_log`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Of `lost`: so many could not be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}
