//! Radios and networks: hostapd, iwinfo and netifd's wireless status, joined by the name of the
//! network device.

use std::collections::HashMap;

use super::hostapd::{Ap, Clients, Status};
use super::iwinfo::{Assoclist, Info, Netdev};
use super::radio::{Radio, Vif};
use super::reply::dbm;
use super::report::Ssid;
use crate::mac::Mac;

/// Everything that was asked about Wi-Fi.
#[derive(Debug, Default)]
pub(super) struct Air {
    /// The objects `hostapd.*`; `None` if nobody could say which there are.
    pub(super) aps: Option<Vec<Ap>>,
    /// The devices that iwinfo lists.
    pub(super) netdevs: Vec<Netdev>,
    pub(super) radios: Option<Vec<Radio>>,
}

/// One network with all that is known of it.
#[derive(Debug, Default)]
pub(super) struct Cell<'a> {
    pub(super) name: &'a str,
    ap: Option<&'a Ap>,
    netdev: Option<&'a Netdev>,
    radio: Option<&'a Radio>,
    vif: Option<&'a Vif>,
    /// The devices of its VLANs.
    vlans: Vec<(&'a Netdev, Option<u32>)>,
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
        let mut vifs: HashMap<&str, (&Radio, &Vif)> = HashMap::new();
        for radio in self.radios.iter().flatten() {
            for vif in &radio.vifs {
                let Some(ifname) = vif.ifname.as_deref() else {
                    continue;
                };
                vifs.entry(ifname).or_insert((radio, vif));
                for (vlan, vid) in &vif.vlans {
                    parents.entry(vlan).or_insert((ifname, *vid));
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
            if let Some(&(radio, vif)) = vifs.get(cell.name) {
                (cell.radio, cell.vif) = (Some(radio), Some(vif));
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
        let known = |aps: &Vec<Ap>| aps.iter().all(|ap| ap.gone || !ap.is_silent());
        self.aps.as_ref().is_some_and(known)
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
        let vif = self.vif.into_iter();
        vif.flat_map(|vif| vif.assigned.iter().copied()).collect()
    }

    pub(super) fn ssid(&self) -> Option<&'a str> {
        let configured = || self.vif?.ssid.as_deref();
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
        let positive = |number: &u32| *number > 0;
        let frequency = self.frequency();
        let phy = status.and_then(|status| status.phy.as_deref());
        let phy = phy.or_else(|| info?.phy.as_deref());
        let radio = self.radio.map(|radio| radio.name.as_str());
        Ssid {
            interface: self.name.to_owned(),
            channel: status
                .and_then(|status| status.channel)
                .or_else(|| info?.channel)
                .or_else(|| self.radio?.channel)
                .filter(positive),
            noise: dbm(info.and_then(|info| info.noise)),
            frequency,
            signal: dbm(info.and_then(|info| info.signal)),
            quality: info.and_then(|info| info.quality),
            bitrate: info.and_then(|info| info.bitrate).filter(positive),
            quality_max: info.and_then(|info| info.quality_max),
            bssid: status
                .and_then(|status| status.bssid)
                .or_else(|| info?.bssid),
            ssid: self.ssid().map(str::to_owned),
            tx_power: info.and_then(|info| info.txpower),
            band: frequency
                .and_then(band)
                .map(str::to_owned)
                .or_else(|| self.radio?.band.clone()),
            radio: radio.or(phy).map(str::to_owned),
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
