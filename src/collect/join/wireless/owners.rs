//! Which network a device of VLANs or of single stations is part of.

use std::collections::HashMap;

use super::cell::Cell;
use crate::collect::sources::iwinfo::Netdev;
use crate::mac::Mac;

/// Which networks list a station.
pub(super) struct Owners {
    stations: HashMap<Mac, usize>,
    /// The networks of each station.
    networks: Vec<Vec<usize>>,
}

impl Owners {
    pub(super) fn of(cells: &[Cell<'_>]) -> Self {
        let mut stations = HashMap::new();
        let mut networks = Vec::new();
        for (at, cell) in cells.iter().enumerate() {
            for (mac, _) in cell.clients().iter().flat_map(|of| &of.clients.items) {
                let station = *stations.entry(*mac).or_insert(networks.len());
                if station == networks.len() {
                    networks.push(Vec::new());
                }
                networks[station].push(at);
            }
        }
        Owners { stations, networks }
    }

    /// The network that a device of single stations or of a VLAN is part of: that which lists its
    /// stations, or has its BSSID, or its name, or is the only one on its phy.
    pub(super) fn of_part(&self, cells: &[Cell<'_>], netdev: &Netdev) -> Option<usize> {
        let info = netdev.info.as_ref();
        let phy = info.and_then(|info| info.phy.as_deref());
        let here = |at: &usize| {
            let cell = &cells[*at];
            cell.is_ap() && (phy.is_none() || cell.phy().is_none() || cell.phy() == phy)
        };
        let stations = netdev.stations.iter().flat_map(|list| &list.0.items);
        let mut listed = stations.filter_map(|(mac, _)| self.stations.get(mac));
        let networks = |of: &usize| self.networks[*of].iter().copied();
        if let Some(at) = listed.find_map(|of| networks(of).find(|at| here(at))) {
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
