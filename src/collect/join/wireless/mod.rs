//! Radios and networks: hostapd, iwinfo and netifd's wireless status.
//!
//! All of them name a network by its network device. What they do not agree on the name of (the devices of
//! VLANs and of single stations, networks that netifd tells no device of) is joined by MAC, BSSID and phy; names
//! say nothing, for users and drivers choose them.

mod cell;
mod owners;

use std::collections::HashMap;

use crate::collect::report;
use crate::collect::sources::hostapd::Ap;
use crate::collect::sources::iwinfo::Netdev;
use crate::collect::sources::netifd::radio::Radio;
use crate::sorted;
use cell::band;
use owners::Owners;

pub(crate) use cell::{Cell, Part};

/// Everything that was asked about Wi-Fi.
#[derive(Debug, Default)]
pub(crate) struct Air {
    /// The objects `hostapd.*`; `None` if nobody could say which there are.
    pub(crate) aps: Option<Vec<Ap>>,
    /// The devices that iwinfo lists.
    pub(crate) netdevs: Vec<Netdev>,
    pub(crate) radios: Option<Vec<Radio>>,
}

/// Positions in a list, by name. One type serves all lists: each further one is a kilobyte of code.
pub(super) type Places<'a> = HashMap<&'a str, usize>;

/// The networks, and the devices with stations that belong to none of them.
#[derive(Debug, Default)]
pub(crate) struct Cells<'a> {
    pub(crate) cells: Vec<Cell<'a>>,
    pub(crate) strays: Vec<&'a Netdev>,
}

impl Air {
    /// The networks: those of hostapd, then what else iwinfo knows the network name of.
    pub(crate) fn cells(&self) -> Cells<'_> {
        let mut netdevs = Places::new();
        for (at, netdev) in self.netdevs.iter().enumerate() {
            netdevs.insert(&netdev.name, at);
        }
        let mut cells: Vec<Cell<'_>> = self
            .aps
            .iter()
            .flatten()
            .filter(|ap| !ap.is_silent() && !ap.is_wired())
            .map(|ap| Cell {
                name: &ap.name,
                ap: Some(ap),
                netdev: netdevs.get(&*ap.name).map(|at| &self.netdevs[*at]),
                ..Cell::default()
            })
            .collect();

        let (mut vifs, mut vlans) = (Vec::new(), Vec::new());
        let (mut of_vifs, mut of_vlans) = (Places::new(), Places::new());
        for radio in self.radios.iter().flatten() {
            for vif in &radio.vifs {
                let Some(ifname) = vif.ifname.as_deref() else {
                    continue;
                };
                of_vifs.entry(ifname).or_insert(vifs.len());
                vifs.push((radio, vif));
                for vlan in &vif.vlans {
                    if let Some(device) = vlan.ifname.as_deref() {
                        of_vlans.entry(device).or_insert(vlans.len());
                        vlans.push((ifname, vlan));
                    }
                }
            }
        }

        let mut known = Places::new();
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
            if of_vlans.contains_key(name) || netdev.mode() == Some("Master (VLAN)") {
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
            if let Some(at) = of_vifs.get(cell.name) {
                let (radio, vif) = vifs[*at];
                (cell.radio, cell.vif) = (Some(radio), Some(vif));
            }
        }
        self.complete(&mut cells);
        let mut strays = Vec::new();
        let owners = Owners::of(&cells);
        let mut found = Vec::new();
        for netdev in parts {
            let configured = of_vlans.get(&*netdev.name).map(|at| vlans[*at]);
            let parent = configured.and_then(|(parent, _)| known.get(parent).copied());
            match parent.or_else(|| owners.of_part(&cells, netdev)) {
                Some(at) => found.push((at, (netdev, configured.map(|(_, vlan)| vlan)))),
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
            sorted::by_key(&mut radios, |radio| radio.name.as_str());
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

    /// True if every network is among [`Air::cells`].
    pub(crate) fn is_complete(&self) -> bool {
        let known = |aps: &Vec<Ap>| aps.iter().all(|ap| ap.gone || !ap.is_silent());
        self.aps.as_ref().is_some_and(known)
    }

    /// True if netifd, as far as hostapd does not contradict it, says that there are radios and that no access point
    /// is set up on any.
    pub(crate) fn has_no_ap(&self) -> bool {
        let radios = self.radios.as_deref().unwrap_or_default();
        !radios.is_empty() && self.is_complete() && !radios.iter().any(Radio::may_have_ap)
    }

    /// The radios as configured.
    pub(crate) fn configured_radios(&self) -> impl Iterator<Item = report::Radio> + '_ {
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
