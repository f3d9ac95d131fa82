//! The facts of the world at one moment, to compare reports with.

use super::netdev::Netdev;
use super::station::{Mac, Traffic};

/// The router at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Seconds since the epoch, by the router's clock.
    pub now: u64,
    /// s
    pub uptime: u32,
    pub boot_id: String,
    /// Stations that came and that went since the story began.
    pub joins: u32,
    pub leaves: u32,
    /// Everyone associated, the unauthorized included.
    pub stations: Vec<StationFacts>,
    pub devices: Vec<NetdevFacts>,
    pub radios: Vec<RadioFacts>,
}

/// A radio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RadioFacts {
    pub name: &'static str,
    pub beacons: bool,
    /// The number of times that calls of `network.wireless` took it down, and brought it up.
    pub downs: u32,
    pub ups: u32,
}

/// An associated station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StationFacts {
    pub mac: Mac,
    /// Network device of its access point.
    pub interface: String,
    pub ssid: Vec<u8>,
    pub vlan: Option<u32>,
    pub authorized: bool,
    /// dBm
    pub signal: i32,
    /// From the station, and to it.
    pub rx: Traffic,
    pub tx: Traffic,
    pub name: Option<String>,
    pub ip: Option<String>,
    pub ip6: Option<String>,
}

/// The counters of one network device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetdevFacts {
    pub name: String,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub rx_packets: u64,
    pub tx_packets: u64,
    pub rx_errors: u64,
    pub tx_errors: u64,
    pub rx_dropped: u64,
    pub tx_dropped: u64,
}

impl NetdevFacts {
    pub(super) fn of(device: &Netdev) -> Self {
        NetdevFacts {
            name: device.name.clone(),
            rx_bytes: device.counter("rx_bytes"),
            tx_bytes: device.counter("tx_bytes"),
            rx_packets: device.counter("rx_packets"),
            tx_packets: device.counter("tx_packets"),
            rx_errors: device.counter("rx_errors"),
            tx_errors: device.counter("tx_errors"),
            rx_dropped: device.counter("rx_dropped"),
            tx_dropped: device.counter("tx_dropped"),
        }
    }
}

impl Facts {
    /// The number of stations that are usable clients.
    pub fn authorized(&self) -> usize {
        self.stations.iter().filter(|s| s.authorized).count()
    }

    /// Their addresses, upper case, sorted.
    pub fn macs(&self) -> Vec<String> {
        let authorized = self.stations.iter().filter(|s| s.authorized);
        let mut macs: Vec<String> = authorized.map(|s| s.mac.upper()).collect();
        macs.sort();
        macs
    }

    /// The station of that address, in either spelling.
    pub fn station(&self, mac: &str) -> Option<&StationFacts> {
        self.stations
            .iter()
            .find(|s| s.mac.to_string().eq_ignore_ascii_case(mac))
    }

    pub fn device(&self, name: &str) -> Option<&NetdevFacts> {
        self.devices.iter().find(|device| device.name == name)
    }
}
