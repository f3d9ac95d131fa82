//! Stations, and the leases they hold.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Serialize, Serializer};

use crate::mac::Mac;

/// The source that reported a station.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    Hostapd,
    Iwinfo,
    /// Only a lease is known: the station may be gone.
    Dhcp,
}

/// A station: a client of one of our Wi-Fi networks, or the holder of a lease.
///
/// `rx` is what came from the station, `tx` what went to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Station {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssid: Option<String>,
    pub mac: Mac,
    /// ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inactive_time: Option<u64>,
    #[serde(flatten)]
    pub traffic: Traffic,
    /// dBm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// dBm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal_avg: Option<i32>,
    /// kbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_bitrate: Option<u32>,
    /// kbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_bitrate: Option<u32>,
    /// False while the key handshake is under way or failed: not a usable client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorized: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authenticated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub associated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wmm: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfp: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tdls: Option<bool>,
    /// 1 = short, 2 = long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preamble: Option<u8>,
    /// s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conn_time: Option<u64>,
    /// kbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_tput: Option<u32>,
    /// Of the last frame to the station.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcs: Option<u8>,
    /// Time on the air.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub airtime: Option<Airtime>,
    /// Enabled capabilities of radio measurement (802.11k), five bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rrm: Option<[u8; 5]>,
    /// Understands BSS transition requests (802.11v).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wnm: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<Ipv4Addr>,
    /// A public address if one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip6: Option<Ipv6Addr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u32>,
    pub source: Source,
}

/// Traffic over the air between this device and a station or a peer; `rx` is from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Traffic {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_packets: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_packets: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_retries: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_failed: Option<u64>,
}

/// Time on the air since the station came, ms; `rx` is from the station.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Airtime {
    pub rx: u64,
    pub tx: u64,
}

/// A lease of the DHCP server that has not expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lease {
    /// Written in lower case, as the server's file has it.
    #[serde(serialize_with = "lower")]
    pub mac: Mac,
    pub ip: Ipv4Addr,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Seconds since the epoch; `None` = never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
}

fn lower<S: Serializer>(mac: &Mac, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&mac.to_string().to_ascii_lowercase())
}
