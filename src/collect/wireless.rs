//! Radios and networks: hostapd, iwinfo and netifd's wireless status, joined by the name of the
//! network device.

use std::collections::HashMap;

use serde::Deserialize;

use super::reply::{dbm, lenient, number, text, List, Table};
use super::report::Ssid;
use super::stations::{Assoclist, Clients};
use crate::mac::Mac;

/// Everything that was asked about Wi-Fi.
#[derive(Debug, Default)]
pub(super) struct Air {
    /// The objects `hostapd.*`; `None` if nobody could say which there are.
    pub(super) aps: Option<Vec<Ap>>,
    /// The devices that iwinfo lists.
    pub(super) netdevs: Vec<Netdev>,
    pub(super) radios: Option<Table<Radio>>,
}

/// One object `hostapd.<name>`.
#[derive(Debug, Default)]
pub(super) struct Ap {
    pub(super) name: String,
    pub(super) status: Option<Status>,
    pub(super) clients: Option<Clients>,
}

/// One network device, as iwinfo knows it.
#[derive(Debug, Default)]
pub(super) struct Netdev {
    pub(super) name: String,
    pub(super) info: Option<Info>,
    pub(super) stations: Option<Assoclist>,
}

/// Reply of `hostapd.* get_status`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Status {
    /// "wired" for 802.1X on Ethernet; absent in older releases.
    #[serde(default, deserialize_with = "text")]
    driver: Option<String>,
    #[serde(default, deserialize_with = "text")]
    bssid: Option<String>,
    #[serde(default, deserialize_with = "text")]
    ssid: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    freq: Option<u32>,
    #[serde(default, deserialize_with = "lenient")]
    channel: Option<u32>,
    #[serde(default, deserialize_with = "text")]
    phy: Option<String>,
}

/// Reply of `iwinfo info`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Info {
    #[serde(default, deserialize_with = "text")]
    phy: Option<String>,
    #[serde(default, deserialize_with = "text")]
    ssid: Option<String>,
    #[serde(default, deserialize_with = "text")]
    bssid: Option<String>,
    /// "Master", "Master (VLAN)", "Client", "Mesh Point", "Monitor", …
    #[serde(default, deserialize_with = "text")]
    mode: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    channel: Option<u32>,
    #[serde(default, deserialize_with = "lenient")]
    frequency: Option<u32>,
    #[serde(default, deserialize_with = "lenient")]
    txpower: Option<i32>,
    #[serde(default, deserialize_with = "lenient")]
    quality: Option<u32>,
    #[serde(default, deserialize_with = "lenient")]
    quality_max: Option<u32>,
    #[serde(default, deserialize_with = "lenient")]
    signal: Option<i32>,
    #[serde(default, deserialize_with = "lenient")]
    noise: Option<i32>,
    #[serde(default, deserialize_with = "lenient")]
    bitrate: Option<u32>,
}

/// One radio of `network.wireless status`.
///
/// The reply is full of keys; only what is named here is ever read out of it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Radio {
    #[serde(default, deserialize_with = "lenient")]
    config: Option<RadioConfig>,
    #[serde(default)]
    interfaces: List<Vif>,
}

#[derive(Debug, Deserialize)]
struct RadioConfig {
    #[serde(default, deserialize_with = "text")]
    band: Option<String>,
    /// "auto" on many.
    #[serde(default, deserialize_with = "number")]
    channel: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Vif {
    /// Absent until it is set up.
    #[serde(default, deserialize_with = "text")]
    ifname: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    config: Option<VifConfig>,
    #[serde(default)]
    vlans: List<Vlan>,
    #[serde(default)]
    stations: List<Assigned>,
}

#[derive(Debug, Deserialize)]
struct VifConfig {
    #[serde(default, deserialize_with = "text")]
    ssid: Option<String>,
}

/// A VLAN of a network: a network device of its own, beside that of the network.
#[derive(Debug, Deserialize)]
struct Vlan {
    #[serde(default, deserialize_with = "text")]
    ifname: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    config: Option<VlanConfig>,
}

#[derive(Debug, Deserialize)]
struct VlanConfig {
    #[serde(default, deserialize_with = "number")]
    vid: Option<u32>,
}

/// A station that the configuration puts into a VLAN.
#[derive(Debug, Deserialize)]
struct Assigned {
    #[serde(default, deserialize_with = "lenient")]
    config: Option<AssignedConfig>,
}

#[derive(Debug, Deserialize)]
struct AssignedConfig {
    #[serde(default, deserialize_with = "text")]
    mac: Option<String>,
    #[serde(default, deserialize_with = "number")]
    vid: Option<u32>,
}

/// One network with all that is known of it.
#[derive(Debug, Default)]
pub(super) struct Cell<'a> {
    pub(super) name: &'a str,
    ap: Option<&'a Ap>,
    netdev: Option<&'a Netdev>,
    radio: Option<(&'a str, &'a Radio)>,
    vif: Option<&'a Vif>,
    /// The devices of its VLANs.
    vlans: Vec<(&'a Netdev, Option<u32>)>,
}

impl Ap {
    /// It exists, and that is all.
    fn is_silent(&self) -> bool {
        self.status.is_none() && self.clients.is_none()
    }

    /// 802.1X on Ethernet has the same objects, but no frequency and no network name.
    fn is_wired(&self) -> bool {
        let Some(status) = &self.status else {
            return self.clients.as_ref().is_some_and(|of| of.freq().is_none());
        };
        status.driver.as_deref() == Some("wired")
            || (status.freq.is_none() && status.ssid.is_none() && status.bssid.is_none())
    }
}

impl Netdev {
    fn mode(&self) -> Option<&str> {
        self.info.as_ref()?.mode.as_deref()
    }
}

impl Air {
    /// The networks: those of hostapd, then what else iwinfo knows the network name of.
    pub(super) fn cells(&self) -> Vec<Cell<'_>> {
        let netdevs: HashMap<&str, &Netdev> = self
            .netdevs
            .iter()
            .map(|netdev| (netdev.name.as_str(), netdev))
            .collect();
        let mut cells: Vec<Cell<'_>> = self
            .aps
            .iter()
            .flatten()
            .filter(|ap| !ap.is_silent() && !ap.is_wired())
            .map(|ap| Cell {
                name: &ap.name,
                ap: Some(ap),
                netdev: netdevs.get(ap.name.as_str()).copied(),
                ..Cell::default()
            })
            .collect();

        let mut parents: HashMap<&str, (&str, Option<u32>)> = HashMap::new();
        let mut vifs: HashMap<&str, (&str, &Radio, &Vif)> = HashMap::new();
        for (name, radio) in self.radios.iter().flat_map(|radios| &radios.members) {
            for vif in &radio.interfaces.items {
                let Some(ifname) = vif.ifname.as_deref() else {
                    continue;
                };
                vifs.entry(ifname).or_insert((name, radio, vif));
                for vlan in &vif.vlans.items {
                    let vid = vlan.config.as_ref().and_then(|config| config.vid);
                    if let Some(vlan) = vlan.ifname.as_deref() {
                        parents.entry(vlan).or_insert((ifname, vid));
                    }
                }
            }
        }

        let mut known: HashMap<&str, usize> = HashMap::new();
        for (at, cell) in cells.iter().enumerate() {
            known.insert(cell.name, at);
        }
        let is_vlan = |netdev: &Netdev| {
            parents.contains_key(netdev.name.as_str()) || netdev.mode() == Some("Master (VLAN)")
        };
        for netdev in &self.netdevs {
            let named = netdev.info.as_ref().is_some_and(|info| info.ssid.is_some());
            let name = netdev.name.as_str();
            let wired = |ap: &Ap| ap.name == name && ap.is_wired();
            if named
                && !known.contains_key(name)
                && !is_vlan(netdev)
                && !self.aps.iter().flatten().any(wired)
            {
                known.insert(name, cells.len());
                cells.push(Cell {
                    name,
                    netdev: Some(netdev),
                    ..Cell::default()
                });
            }
        }
        for cell in &mut cells {
            if let Some(&(name, radio, vif)) = vifs.get(cell.name) {
                (cell.radio, cell.vif) = (Some((name, radio)), Some(vif));
            }
        }
        for netdev in self.netdevs.iter().filter(|netdev| is_vlan(netdev)) {
            let name = netdev.name.as_str();
            let (parent, vid) = match parents.get(name) {
                Some((parent, vid)) => (known.get(parent), *vid),
                // Made for a VLAN that RADIUS assigned: named after its network.
                None => {
                    let mut dashes = name.rmatch_indices('-').map(|(at, _)| &name[..at]);
                    (dashes.find_map(|parent| known.get(parent)), None)
                }
            };
            if let Some(at) = parent.filter(|at| cells[**at].name != name) {
                cells[*at].vlans.push((netdev, vid));
            }
        }
        cells
    }

    /// Whether every network is among [`Air::cells`].
    pub(super) fn is_complete(&self) -> bool {
        let known = |aps: &Vec<Ap>| !aps.iter().any(Ap::is_silent);
        self.aps.as_ref().is_some_and(known)
    }

    /// How many radios there are.
    pub(super) fn radios(&self) -> usize {
        if let Some(radios) = &self.radios {
            // A link of several radios (MLO) is listed like a radio, without a band of its own.
            let real = |radio: &Radio| radio.config.as_ref().is_some_and(|c| c.band.is_some());
            let count = radios
                .members
                .iter()
                .filter(|(_, radio)| real(radio))
                .count();
            if count > 0 {
                return count;
            }
            return radios.members.len();
        }
        let statuses = self
            .aps
            .iter()
            .flatten()
            .filter_map(|ap| ap.status.as_ref());
        let mut phys: Vec<&str> = statuses
            .filter_map(|status| status.phy.as_deref())
            .collect();
        phys.sort_unstable();
        phys.dedup();
        phys.len()
    }
}

impl<'a> Cell<'a> {
    fn info(&self) -> Option<&'a Info> {
        self.netdev?.info.as_ref()
    }

    fn status(&self) -> Option<&'a Status> {
        self.ap?.status.as_ref()
    }

    /// The stations that hostapd lists.
    pub(super) fn clients(&self) -> Option<&'a Clients> {
        self.ap?.clients.as_ref()
    }

    /// True for a network of ours, false for one that this device is a client of.
    pub(super) fn is_ap(&self) -> bool {
        self.ap.is_some() || self.netdev.and_then(Netdev::mode) == Some("Master")
    }

    /// What iwinfo lists for the network and for each of its VLANs.
    pub(super) fn assoclists(&self) -> impl Iterator<Item = (&'a Assoclist, Option<u32>)> + '_ {
        let own = self.netdev.map(|netdev| (netdev, None));
        own.into_iter()
            .chain(self.vlans.iter().copied())
            .filter_map(|(netdev, vid)| Some((netdev.stations.as_ref()?, vid)))
    }

    /// The VLANs that the configuration puts stations into.
    pub(super) fn assigned_vlans(&self) -> HashMap<Mac, u32> {
        let assigned = self.vif.iter().flat_map(|vif| &vif.stations.items);
        assigned
            .filter_map(|station| {
                let config = station.config.as_ref()?;
                Some((Mac::parse(config.mac.as_deref()?)?, config.vid?))
            })
            .collect()
    }

    pub(super) fn ssid(&self) -> Option<&'a str> {
        let configured = || self.vif?.config.as_ref()?.ssid.as_deref();
        let told = || self.info()?.ssid.as_deref();
        self.status()
            .and_then(|status| status.ssid.as_deref())
            .or_else(told)
            .or_else(configured)
    }

    fn frequency(&self) -> Option<u32> {
        let frequency = self.status().and_then(|status| status.freq);
        let frequency = frequency.or_else(|| self.clients()?.freq());
        frequency
            .or_else(|| self.info()?.frequency)
            .filter(|mhz| *mhz > 0)
    }

    /// Its line in the report; `clients` = authorized stations, if they are known.
    pub(super) fn report(&self, clients: Option<usize>) -> Ssid {
        let (status, info) = (self.status(), self.info());
        let config = self.radio.and_then(|(_, radio)| radio.config.as_ref());
        let positive = |number: &u32| *number > 0;
        let frequency = self.frequency();
        let bssid = status.and_then(|status| status.bssid.as_deref());
        let bssid = bssid.or_else(|| info?.bssid.as_deref());
        let phy = status.and_then(|status| status.phy.as_deref());
        let phy = phy.or_else(|| info?.phy.as_deref());
        Ssid {
            interface: self.name.to_owned(),
            channel: status
                .and_then(|status| status.channel)
                .or_else(|| info?.channel)
                .or_else(|| config?.channel)
                .filter(positive),
            noise: dbm(info.and_then(|info| info.noise)),
            frequency,
            signal: dbm(info.and_then(|info| info.signal)),
            quality: info.and_then(|info| info.quality),
            bitrate: info.and_then(|info| info.bitrate).filter(positive),
            quality_max: info.and_then(|info| info.quality_max),
            bssid: bssid.and_then(Mac::parse),
            ssid: self.ssid().map(str::to_owned),
            tx_power: info.and_then(|info| info.txpower),
            band: frequency
                .and_then(band)
                .map(str::to_owned)
                .or_else(|| config?.band.clone()),
            radio: self.radio.map(|(name, _)| name).or(phy).map(str::to_owned),
            clients,
        }
    }
}

/// The band a frequency in MHz is in, named as in /etc/config/wireless.
fn band(mhz: u32) -> Option<&'static str> {
    match mhz {
        2400..2500 => Some("2g"),
        4900..5925 => Some("5g"),
        5925..7200 => Some("6g"),
        57000..71000 => Some("60g"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_band_follows_from_the_frequency() {
        assert_eq!(band(2437), Some("2g"));
        assert_eq!(band(5180), Some("5g"));
        assert_eq!(band(5955), Some("6g"));
        assert_eq!(band(58320), Some("60g"));
        assert_eq!(band(0), None);
    }
}
