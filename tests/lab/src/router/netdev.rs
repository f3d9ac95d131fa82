//! Network devices and their counters.

use ubus::blobmsg::Value;

use super::ap::{APS, VLAN_ID};
use super::members::{remove, sample, set, table, Member};
use super::station::packets;

/// The name of the device towards the internet.
pub(super) const WAN: &str = "eth0";

const SAMPLE: &str = include_str!("../../../data/samples/network.device__status.json");

/// A network device.
#[derive(Debug, Clone, PartialEq)]
pub struct Netdev {
    pub name: String,
    /// Its status without the counters.
    pub status: Value,
    /// All counters of the kernel, in netifd's order.
    pub counters: Vec<(String, u64)>,
}

impl Netdev {
    pub fn counter(&self, name: &str) -> u64 {
        self.counters
            .iter()
            .find(|(key, _)| key == name)
            .map_or(0, |(_, n)| *n)
    }

    /// A text or number of the status, as sysfs would write it.
    pub fn shown(&self, name: &str) -> Option<String> {
        let value = self.status.get(name)?;
        value
            .as_str()
            .map(str::to_owned)
            .or_else(|| value.as_i64().map(|n| n.to_string()))
    }

    /// Full status as netifd gives it.
    pub fn full(&self) -> Value {
        let mut status = self.status.clone();
        let counters = self
            .counters
            .iter()
            .map(|(name, n)| (name.clone().into_bytes(), n.value()))
            .collect();
        set(&mut status, "statistics", Value::Table(counters));
        status
    }

    fn add(&mut self, name: &str, n: u64) {
        if let Some((_, counter)) = self.counters.iter_mut().find(|(key, _)| key == name) {
            *counter = counter.wrapping_add(n);
        }
    }

    fn carry(&mut self, rx: u64, tx: u64) {
        self.add("rx_bytes", rx);
        self.add("rx_packets", packets(rx));
        self.add("tx_bytes", tx);
        self.add("tx_packets", packets(tx));
    }
}

/// All devices of the router, sorted by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Netdevs(Vec<Netdev>);

impl Default for Netdevs {
    fn default() -> Self {
        let Value::Table(members) = sample(SAMPLE) else {
            return Netdevs(Vec::new());
        };
        let mut devices: Vec<Netdev> = members
            .into_iter()
            .map(|(name, mut status)| Netdev {
                name: String::from_utf8_lossy(&name).into_owned(),
                counters: match remove(&mut status, "statistics") {
                    Some(Value::Table(members)) => members
                        .into_iter()
                        .map(|(name, n)| {
                            let name = String::from_utf8_lossy(&name).into_owned();
                            (name, n.as_i64().unwrap_or(0).unsigned_abs())
                        })
                        .collect(),
                    _ => Vec::new(),
                },
                status,
            })
            .collect();
        // The sample's router has no second network on its first radio.
        for ap in &APS {
            if devices.iter().any(|device| device.name == ap.ifname) {
                continue;
            }
            let like = devices.iter().find(|device| device.name == "phy0-ap0");
            let mut device = like.cloned().expect("the sample has an access point");
            device.name = ap.ifname.to_owned();
            set(&mut device.status, "macaddr", ap.bssid);
            device.counters.iter_mut().for_each(|(_, n)| *n = 0);
            devices.push(device);
        }
        for device in &mut devices {
            let members: Vec<&str> = match device.name.as_str() {
                "br-lan" => vec!["eth1", "phy0-ap0", "phy0-ap1", "phy1-ap0"],
                _ => continue,
            };
            set(&mut device.status, "bridge-members", members);
        }
        devices.sort_by(|a, b| a.name.cmp(&b.name));
        Netdevs(devices)
    }
}

impl Netdevs {
    pub fn iter(&self) -> impl Iterator<Item = &Netdev> {
        self.0.iter()
    }

    pub fn get(&self, name: &str) -> Option<&Netdev> {
        self.0.iter().find(|device| device.name == name)
    }

    /// Lets `rx` bytes from and `tx` bytes to a station pass: radio, bridge, and on to the internet.
    pub fn pass(&mut self, radio: &str, bridge: &str, rx: u64, tx: u64) {
        for device in &mut self.0 {
            match device.name.as_str() {
                name if name == radio => device.carry(rx, tx),
                name if name == bridge => device.carry(rx, tx),
                WAN => device.carry(tx, rx),
                _ => {}
            }
        }
    }

    /// The traffic there is without any station: the cable, the VLAN, the router with itself.
    pub fn murmur(&mut self, ms: u32, rng: &mut fastrand::Rng) {
        for device in &mut self.0 {
            let most = match device.name.as_str() {
                WAN => 2000,
                "eth1" => 20_000,
                "br-lan" => 18_000,
                "lo" => 400,
                "eth1.30" => 30,
                _ => continue,
            };
            let rx = u64::from(ms) * rng.u64(1..=most) / 1000;
            let tx = if device.name == "lo" { rx } else { rx / 2 };
            device.carry(rx, tx);
            if device.name == WAN && rng.u8(..) < 4 {
                device.add("rx_dropped", 1);
            }
        }
    }

    /// `network.device status` without a name.
    pub fn status(&self) -> Value {
        Value::Table(
            self.0
                .iter()
                .map(|device| (device.name.clone().into_bytes(), device.full()))
                .collect(),
        )
    }
}

/// A VLAN of an access point as `network.wireless` shows it.
pub(super) fn vlan_section(ifname: &str) -> Value {
    table! {
        "section": "vlan_iot",
        "ifname": ifname,
        "config": table! { "name": "iot", "vid": VLAN_ID.to_string(), "network": vec!["iot"] },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_counters_are_64_bit_on_the_wire() {
        let devices = Netdevs::default();
        assert_eq!(devices.iter().count(), 12);
        for device in devices.iter() {
            let Some(Value::Table(counters)) = device.full().get("statistics").cloned() else {
                panic!("no counters");
            };
            assert_eq!(counters.len(), 23, "{}", device.name);
            for (_, counter) in counters {
                assert!(matches!(counter, Value::Int64(_)));
            }
        }
    }

    #[test]
    fn what_a_station_receives_came_in_from_the_internet() {
        let mut devices = Netdevs::default();
        let before = devices.clone();
        devices.pass("phy1-ap1", "br-guest", 900, 9000);
        let rise = |device: &str, counter: &str| {
            let of = |devices: &Netdevs| devices.get(device).unwrap().counter(counter);
            of(&devices) - of(&before)
        };
        assert_eq!(rise("phy1-ap1", "tx_bytes"), 9000);
        assert_eq!(rise("br-guest", "rx_packets"), 1);
        assert_eq!(rise(WAN, "rx_bytes"), 9000);
        assert_eq!(rise(WAN, "tx_bytes"), 900);
        assert_eq!(rise("br-lan", "rx_bytes"), 0);
    }
}
