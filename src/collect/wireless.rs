//! Radios and networks: hostapd, iwinfo and netifd's wireless status.
//!
//! All of them name a network by its network device. What they do not agree on the name of (the devices of
//! VLANs and of single stations, networks that netifd tells no device of) is joined by MAC, BSSID and phy; names
//! say nothing, for users and drivers choose them.

use std::collections::HashMap;

use super::hostapd::{Ap, Clients, Status};
use super::iwinfo::{Assoclist, Info, Netdev};
use super::radio::{Radio, Vif, Vlan};
use super::reply::dbm;
use super::report::{self, OnAir, Ssid};
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
    /// The devices of its VLANs and of single stations.
    parts: Vec<(&'a Netdev, Option<&'a Vlan>)>,
}

/// The part of a network that a list of stations is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part<'a> {
    Network,
    /// A VLAN that is configured.
    Vlan(&'a Vlan),
    /// A VLAN that RADIUS assigned, or a single station.
    Unknown,
}

/// The networks, and the devices with stations that belong to none of them.
#[derive(Debug, Default)]
pub(super) struct Cells<'a> {
    pub(super) cells: Vec<Cell<'a>>,
    pub(super) strays: Vec<&'a Netdev>,
}

impl Air {
    /// The networks: those of hostapd, then what else iwinfo knows the network name of.
    pub(super) fn cells(&self) -> Cells<'_> {
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

        let mut parents: HashMap<&str, (&str, &Vlan)> = HashMap::new();
        let mut vifs: HashMap<&str, (&Radio, &Vif)> = HashMap::new();
        for radio in self.radios.iter().flatten() {
            for vif in &radio.vifs {
                let Some(ifname) = vif.ifname.as_deref() else {
                    continue;
                };
                vifs.entry(ifname).or_insert((radio, vif));
                for vlan in &vif.vlans {
                    if let Some(device) = vlan.ifname.as_deref() {
                        parents.entry(device).or_insert((ifname, vlan));
                    }
                }
            }
        }

        let mut known: HashMap<&str, usize> = HashMap::new();
        for (at, cell) in cells.iter().enumerate() {
            known.insert(cell.name, at);
        }
        let wired = |name: &str| {
            let mut aps = self.aps.iter().flatten();
            aps.any(|ap| ap.name == name && ap.is_wired())
        };
        let mut parts = Vec::new();
        for netdev in &self.netdevs {
            let named = netdev.info.as_ref().is_some_and(|info| info.ssid.is_some());
            let name = netdev.name.as_str();
            if known.contains_key(name) || wired(name) {
                continue;
            }
            if parents.contains_key(name) || netdev.mode() == Some("Master (VLAN)") {
                parts.push(netdev);
            } else if named {
                known.insert(name, cells.len());
                cells.push(Cell {
                    name,
                    netdev: Some(netdev),
                    ..Cell::default()
                });
            } else if netdev.may_have_clients() {
                parts.push(netdev);
            }
        }
        for cell in &mut cells {
            if let Some(&(radio, vif)) = vifs.get(cell.name) {
                (cell.radio, cell.vif) = (Some(radio), Some(vif));
            }
        }
        self.complete(&mut cells);
        let mut strays = Vec::new();
        let owners = Owners::of(&cells);
        let mut found = Vec::new();
        for netdev in parts {
            let configured = parents.get(netdev.name.as_str());
            let parent = configured.and_then(|(parent, _)| known.get(parent).copied());
            match parent.or_else(|| owners.of_part(&cells, netdev)) {
                Some(at) => found.push((at, (netdev, configured.map(|(_, vlan)| *vlan)))),
                None => strays.push(netdev),
            }
        }
        for (at, part) in found {
            cells[at].parts.push(part);
        }
        Cells { cells, strays }
    }

    /// Finds the radios of networks that netifd does not tell the device of: each belongs to the radio whose
    /// other networks are on its phy, or, if several radios share that, to the one of its band.
    fn complete<'a>(&'a self, cells: &mut [Cell<'a>]) {
        let known: Vec<(&str, &Radio)> = cells
            .iter()
            .filter_map(|cell| cell.phy().zip(cell.radio))
            .collect();
        for cell in cells.iter_mut().filter(|cell| cell.radio.is_none()) {
            let Some(phy) = cell.phy() else { continue };
            let on_phy = known.iter().filter(|(of, _)| *of == phy);
            let mut radios: Vec<&Radio> = on_phy.map(|(_, radio)| *radio).collect();
            radios.sort_by_key(|radio| radio.name.as_str());
            radios.dedup_by_key(|radio| radio.name.as_str());
            if radios.len() > 1 {
                let band = cell.frequency().and_then(band);
                radios.retain(|radio| band.is_some() && radio.band.as_deref() == band);
            }
            let [radio] = radios[..] else { continue };
            cell.radio = Some(radio);
            let ssid = cell.ssid();
            let nameless = radio.vifs.iter().filter(|vif| vif.ifname.is_none());
            let mut fitting = nameless.filter(|vif| ssid.is_some() && vif.ssid.as_deref() == ssid);
            cell.vif = fitting.next().filter(|_| fitting.next().is_none());
        }
    }

    /// Whether every network is among [`Air::cells`].
    pub(super) fn is_complete(&self) -> bool {
        let known = |aps: &Vec<Ap>| aps.iter().all(|ap| ap.gone || !ap.is_silent());
        self.aps.as_ref().is_some_and(known)
    }

    /// The radios as configured.
    pub(super) fn configured_radios(&self) -> impl Iterator<Item = report::Radio> + '_ {
        let radios = self.radios.iter().flatten();
        // A link of several radios (MLO) is listed like a radio, without a band of its own.
        radios
            .filter(|radio| radio.band.is_some())
            .map(|radio| report::Radio {
                name: radio.name.clone(),
                band: radio.band.clone(),
                ..report::Radio::default()
            })
    }
}

/// Which networks list a station.
struct Owners(HashMap<Mac, Vec<usize>>);

impl Owners {
    fn of(cells: &[Cell<'_>]) -> Self {
        let mut owners: HashMap<Mac, Vec<usize>> = HashMap::new();
        for (at, cell) in cells.iter().enumerate() {
            for (mac, _) in cell.clients().iter().flat_map(|of| &of.clients.items) {
                owners.entry(*mac).or_default().push(at);
            }
        }
        Owners(owners)
    }

    /// The network that a device of single stations or of a VLAN is part of: that which lists its
    /// stations, or has its BSSID, or its name, or is the only one on its phy.
    fn of_part(&self, cells: &[Cell<'_>], netdev: &Netdev) -> Option<usize> {
        let info = netdev.info.as_ref();
        let phy = info.and_then(|info| info.phy.as_deref());
        let here = |at: &usize| {
            let cell = &cells[*at];
            cell.is_ap() && (phy.is_none() || cell.phy().is_none() || cell.phy() == phy)
        };
        let stations = netdev.stations.iter().flat_map(|list| &list.0.items);
        let mut listed = stations.filter_map(|(mac, _)| self.0.get(mac));
        if let Some(at) = listed.find_map(|of| of.iter().copied().find(|at| here(at))) {
            return Some(at);
        }
        phy?;
        let only = |fits: &dyn Fn(&Cell<'_>) -> bool| {
            let all = 0..cells.len();
            let mut fitting =
                all.filter(|at| here(at) && cells[*at].phy() == phy && fits(&cells[*at]));
            fitting.next().filter(|_| fitting.next().is_none())
        };
        let (bssid, ssid) = (info?.bssid, info?.ssid.as_deref());
        only(&|cell| bssid.is_some() && cell.bssid() == bssid)
            .or_else(|| only(&|cell| ssid.is_some() && cell.ssid() == ssid))
            .or_else(|| only(&|_| true))
    }
}

impl<'a> Cell<'a> {
    fn info(&self) -> Option<&'a Info> {
        self.netdev?.info.as_ref()
    }

    fn status(&self) -> Option<&'a Status> {
        self.ap?.status.as_ref()
    }

    fn phy(&self) -> Option<&'a str> {
        let status = self.status().and_then(|status| status.phy.as_deref());
        status.or_else(|| self.info()?.phy.as_deref())
    }

    fn bssid(&self) -> Option<Mac> {
        let status = self.status().and_then(|status| status.bssid);
        status.or_else(|| self.info()?.bssid)
    }

    /// The stations that hostapd lists.
    pub(super) fn clients(&self) -> Option<&'a Clients> {
        self.ap?.clients.as_ref()
    }

    /// True for a network of ours, false for one that this device is a client of.
    pub(super) fn is_ap(&self) -> bool {
        self.ap.is_some() || self.netdev.and_then(Netdev::mode) == Some("Master")
    }

    /// True for a network of equals: its stations are peers.
    pub(super) fn is_of_peers(&self) -> bool {
        let mode = self.netdev.and_then(Netdev::mode);
        matches!(mode, Some("Mesh Point" | "Ad-Hoc"))
    }

    /// iwinfo's lists for the network and for each of its parts.
    pub(super) fn assoclists(&self) -> impl Iterator<Item = (&'a Assoclist, Part<'a>)> + '_ {
        let own = self.netdev.map(|netdev| (netdev, Part::Network));
        let parts = self.parts.iter().map(|(netdev, vlan)| match vlan {
            Some(vlan) => (*netdev, Part::Vlan(vlan)),
            None => (*netdev, Part::Unknown),
        });
        let lists = own.into_iter().chain(parts);
        lists.filter_map(|(netdev, part)| Some((netdev.stations.as_ref()?, part)))
    }

    /// The network as configured.
    pub(super) fn vif(&self) -> Option<&'a Vif> {
        self.vif
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
            .filter(|mhz| *mhz > 0)
            .or_else(|| self.info()?.frequency)
            .filter(|mhz| *mhz > 0)
    }

    /// What hostapd says of a network that is switched off, the driver does not know.
    fn is_on_air(&self) -> bool {
        !self.status().is_some_and(|status| status.off)
    }

    /// The channel it is on.
    pub(super) fn channel(&self) -> Option<u32> {
        let told = self.status().and_then(|status| status.channel);
        let positive = |number: &u32| *number > 0;
        told.filter(positive)
            .or_else(|| self.info()?.channel)
            .filter(|channel| self.is_on_air() && *channel > 0)
    }

    /// The band it is in, as its frequency says, or its radio.
    pub(super) fn band(&self) -> Option<String> {
        let frequency = self.frequency().filter(|_| self.is_on_air());
        let told = frequency.and_then(band).map(str::to_owned);
        told.or_else(|| self.radio?.band.clone())
    }

    /// The section of its radio, or the kernel's name of it.
    pub(super) fn radio_name(&self) -> Option<&'a str> {
        let radio = self.radio.map(|radio| radio.name.as_str());
        radio.or_else(|| self.phy())
    }

    /// Measurements on its channel: hostapd's, else the driver's.
    pub(super) fn on_air(&self) -> OnAir {
        let told = self
            .status()
            .map(|status| status.on_air)
            .unwrap_or_default();
        let surveyed = || {
            let mhz = self.frequency()?;
            let mut channels = self.netdev?.survey.iter();
            channels.find(|of| of.mhz == mhz).map(|of| of.channel_use)
        };
        OnAir {
            channel_use: told.channel_use.or_else(surveyed),
            ..told
        }
    }

    /// Its line in the report; `clients` = authorized stations, if they are known.
    pub(super) fn report(&self, clients: Option<usize>) -> Ssid {
        // What the driver says of a network that is switched off is about the radio it would be on.
        let on_air = self.is_on_air();
        let info = self.info().filter(|_| on_air);
        let positive = |number: &u32| *number > 0;
        let frequency = self.frequency().filter(|_| on_air);
        let signal = dbm(info.and_then(|info| info.signal));
        Ssid {
            interface: self.name.to_owned(),
            channel: self
                .channel()
                .or_else(|| self.radio?.channel)
                .filter(|channel| on_air && *channel > 0),
            noise: dbm(info.and_then(|info| info.noise)),
            frequency,
            signal,
            // It says how good the signal is, and nothing without one.
            quality: info
                .and_then(|info| info.quality)
                .filter(|_| signal.is_some()),
            bitrate: info.and_then(|info| info.bitrate).filter(positive),
            quality_max: info
                .and_then(|info| info.quality_max)
                .filter(|_| signal.is_some()),
            bssid: self.bssid(),
            ssid: self.ssid().map(str::to_owned),
            tx_power: info.and_then(|info| info.txpower),
            band: self.band(),
            radio: self.radio_name().map(str::to_owned),
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
