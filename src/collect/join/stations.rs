//! Stations: hostapd knows who is authorized, iwinfo how well it goes, the leases who it is.

use std::collections::HashMap;

use super::hosts::{Host, Hosts, Place};
use super::wireless::{Air, Cell, Cells, Part};
use crate::collect::events::event_log::Log;
use crate::collect::report::{Airtime, Lease, Peer, Source, Ssid, Station, Traffic};
use crate::collect::sources::hostapd::{Both, Client};
use crate::collect::sources::iwinfo::{Assoc, Assoclist, Direction, Netdev};
use crate::collect::sources::netifd::network::{Dump, Subnet};
use crate::mac::Mac;

/// Stations in one report.
pub(crate) const MAX_STATIONS: usize = 4096;

/// Knowledge of stations beside Wi-Fi itself.
pub(crate) struct Known<'a> {
    pub(crate) hosts: &'a Hosts,
    /// Knows the VLANs that hostapd said it put stations into.
    pub(crate) log: &'a Log,
    pub(crate) dump: &'a Dump,
    /// hostapd counts rates in hundreds.
    pub(crate) multiplied: bool,
}

/// The result of the replies about Wi-Fi.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    pub(crate) ssids: Option<Vec<Ssid>>,
    pub(crate) stations: Option<Vec<Station>>,
    /// `None` if there is no mesh.
    pub(crate) mesh: Option<Vec<Peer>>,
    /// Authorized stations; `None` if nobody could say.
    pub(crate) connected: Option<usize>,
    /// Stations beyond [`MAX_STATIONS`] and beyond what is kept of one reply.
    pub(crate) beyond: usize,
}

/// Joins everything known about Wi-Fi; without any list of stations the leases stand in.
pub(crate) fn join(
    air: &Air,
    Cells { cells, strays }: Cells<'_>,
    leases: Option<&[Lease]>,
    known: &Known<'_>,
) -> Joined {
    let mut joined = Joined::default();
    let mut found = Found {
        known,
        stations: Vec::new(),
        beyond: 0,
    };
    let mut ssids = Vec::with_capacity(cells.len());
    for cell in &cells {
        let before = found.stations.len();
        let listed = cell.is_ap() && found.append(cell);
        let clients = listed.then(|| found.authorized(before));
        if let Some(clients) = clients {
            joined.connected = Some(joined.connected.unwrap_or(0) + clients);
        }
        if cell.is_of_peers() {
            let peers = joined.mesh.get_or_insert_default();
            found.beyond += append_peers(cell, peers);
        }
        ssids.push(cell.report(clients));
    }
    for netdev in strays {
        let before = found.stations.len();
        if found.append_stray(netdev) {
            joined.connected = Some(joined.connected.unwrap_or(0) + found.authorized(before));
        }
    }
    let listed = joined.connected.is_some();
    if !listed && air.has_no_ap() && !cells.iter().any(Cell::is_ap) {
        joined.connected = Some(0);
    }
    joined.beyond = found.beyond;
    joined.ssids = (air.is_complete() || !ssids.is_empty()).then_some(ssids);
    joined.stations = match leases {
        _ if listed => Some(found.stations),
        Some(leases) => {
            let mut first = HashMap::new();
            let macs = leases.iter().map(|lease| lease.mac).enumerate();
            let once = macs.filter(|(at, mac)| first.entry(*mac).or_insert(*at) == at);
            let once = once.map(|(_, mac)| mac);
            Some(once.map(|mac| leased(mac, known.hosts)).collect())
        }
        None => joined.connected.map(|_| found.stations),
    };
    joined
}

/// The stations found so far.
struct Found<'a> {
    known: &'a Known<'a>,
    stations: Vec<Station>,
    beyond: usize,
}

impl Found<'_> {
    /// The number of stations from `first` on that may use their network.
    fn authorized(&self, first: usize) -> usize {
        let new = self.stations[first..].iter();
        new.filter(|of| of.authorized == Some(true)).count()
    }

    /// Appends the stations of one network; false if nobody lists them.
    fn append(&mut self, cell: &Cell<'_>) -> bool {
        let mut listed = false;
        let mut places: HashMap<Mac, usize> = HashMap::new();
        let mut assocs: Vec<(Mac, &Assoc, Part<'_>)> = Vec::new();
        for (list, part) in cell.assoclists() {
            listed = true;
            self.beyond += list.0.beyond * usize::from(cell.clients().is_none());
            for (mac, assoc) in &list.0.items {
                let at = *places.entry(*mac).or_insert(assocs.len());
                match assocs.get_mut(at) {
                    Some(known) => *known = (*mac, assoc, part),
                    None => assocs.push((*mac, assoc, part)),
                }
            }
        }
        let known = self.known;
        let networks = Places::of(cell, known);
        let mut push = |mac: Mac, client: Option<(&Client, u64)>| {
            let listed = places.get(&mac).map(|at| assocs[*at]);
            let (assoc, part) = listed.map(|(_, assoc, part)| (assoc, part)).unzip();
            let (vlan, place) = networks.of_station(mac, part);
            let host = known.hosts.host(mac, place);
            self.push(Station {
                interface: Some(cell.name.to_owned()),
                ssid: cell.ssid().map(str::to_owned),
                vlan,
                ..station(mac, client, assoc, host)
            });
        };
        let Some(clients) = cell.clients() else {
            for (mac, _, _) in &assocs {
                push(*mac, None);
            }
            return listed;
        };
        let unit = clients.rate_unit(known.multiplied);
        for (mac, client) in &clients.clients.items {
            push(*mac, Some((client, unit)));
        }
        self.beyond += clients.clients.beyond;
        true
    }

    /// Appends the stations of a device that belongs to no network that is known; false if it has
    /// none.
    fn append_stray(&mut self, netdev: &Netdev) -> bool {
        let Some(Assoclist(list)) = &netdev.stations else {
            return false;
        };
        self.beyond += list.beyond;
        let info = netdev.info.as_ref();
        for (mac, assoc) in &list.items {
            let host = self.known.hosts.host(*mac, &Place::default());
            self.push(Station {
                interface: Some(netdev.name.clone()),
                ssid: info.and_then(|info| info.ssid.clone()),
                ..station(*mac, None, Some(assoc), host)
            });
        }
        !list.items.is_empty()
    }

    fn push(&mut self, station: Station) {
        match self.stations.len() < MAX_STATIONS {
            true => self.stations.push(station),
            false => self.beyond += 1,
        }
    }
}

/// The networks of IP that the stations of one network are in, by VLAN.
struct Places<'a> {
    cell: &'a Cell<'a>,
    known: &'a Known<'a>,
    assigned: &'a [(Mac, u32)],
    main: Place,
    vlans: Vec<(u32, Place)>,
    anywhere: Place,
}

impl<'a> Places<'a> {
    fn of(cell: &'a Cell<'a>, known: &'a Known<'a>) -> Self {
        let all: Vec<Subnet> = known.dump.all_subnets().collect();
        let place = |networks: &[String]| Place {
            own: known.dump.subnets(networks).collect(),
            elsewhere: all.clone(),
        };
        let vif = cell.vif();
        let vlans = vif.iter().flat_map(|vif| &vif.vlans);
        Places {
            main: vif.map_or_else(Place::default, |vif| place(&vif.networks)),
            vlans: vlans
                .filter_map(|vlan| Some((vlan.vid?, place(&vlan.networks))))
                .collect(),
            assigned: vif.map_or(&[], |vif| &vif.assigned),
            anywhere: Place::default(),
            cell,
            known,
        }
    }

    /// The VLAN of a station, and the networks it may have addresses of; `part` is where iwinfo lists
    /// it.
    fn of_station(&self, mac: Mac, part: Option<Part<'_>>) -> (Option<u32>, &Place) {
        let listed = match part {
            Some(Part::Vlan(vlan)) => vlan.vid,
            _ => None,
        };
        // The last one counts, as in netifd.
        let assigned = || self.assigned.iter().rfind(|(of, _)| *of == mac);
        let told = || self.known.log.vlan(mac, self.cell.name);
        let vlan = listed
            .or_else(|| assigned().map(|(_, vlan)| *vlan))
            .or_else(told);
        let place = match (vlan, part) {
            (Some(vid), _) => {
                let mut configured = self.vlans.iter().filter(|(of, _)| *of == vid);
                configured.next().map_or(&self.anywhere, |(_, place)| place)
            }
            // RADIUS may have put it anywhere.
            (None, Some(Part::Unknown | Part::Vlan(_))) => &self.anywhere,
            (None, _) => &self.main,
        };
        (vlan, place)
    }
}

/// Appends the peers of a mesh; returns how many are beyond what is kept.
fn append_peers(cell: &Cell<'_>, peers: &mut Vec<Peer>) -> usize {
    let mut beyond = 0;
    for (Assoclist(list), _) in cell.assoclists() {
        beyond += list.beyond;
        for (mac, assoc) in &list.items {
            if peers.len() == MAX_STATIONS {
                beyond += 1;
                continue;
            }
            let positive = |number: &u32| *number > 0;
            let (rx, tx) = (&assoc.rx, &assoc.tx);
            peers.push(Peer {
                interface: cell.name.to_owned(),
                mac: *mac,
                plink: assoc.plink.clone(),
                inactive_time: assoc.inactive,
                conn_time: assoc.connected_time,
                signal: assoc.signal,
                signal_avg: assoc.signal_avg,
                traffic: Traffic {
                    rx_packets: rx.packets,
                    tx_packets: tx.packets,
                    rx_bytes: rx.bytes,
                    tx_bytes: tx.bytes,
                    tx_retries: tx.retries,
                    tx_failed: tx.failed,
                },
                rx_bitrate: rx.rate.filter(positive),
                tx_bitrate: tx.rate.filter(positive),
                expected_tput: assoc.thr.filter(positive),
            });
        }
    }
    beyond
}

/// Puts together what hostapd (with the unit of its rates), iwinfo and the leases know of one
/// station.
fn station(mac: Mac, client: Option<(&Client, u64)>, assoc: Option<&Assoc>, host: Host) -> Station {
    let unit = client.map_or(1, |(_, unit)| unit);
    let client = client.map(|(client, _)| client);
    let (rx, tx) = (assoc.map(|assoc| &assoc.rx), assoc.map(|assoc| &assoc.tx));
    let positive = |number: &u32| *number > 0;
    // Of the two, only iwinfo's unit is certain; only hostapd's counters are 64 bits everywhere.
    let kbits = |of: Option<&Direction>, rate: Option<u64>| {
        let told = of.and_then(|of| of.rate).filter(positive);
        told.or_else(|| u32::try_from(rate? / unit).ok().filter(positive))
    };
    Station {
        interface: None,
        ssid: None,
        mac,
        inactive_time: assoc.and_then(|a| a.inactive),
        traffic: Traffic {
            rx_packets: client.and_then(|c| c.packets.rx).or_else(|| rx?.packets),
            tx_packets: client.and_then(|c| c.packets.tx).or_else(|| tx?.packets),
            rx_bytes: client.and_then(|c| c.bytes.rx).or_else(|| rx?.bytes),
            tx_bytes: client.and_then(|c| c.bytes.tx).or_else(|| tx?.bytes),
            tx_retries: tx.and_then(|tx| tx.retries),
            tx_failed: tx.and_then(|tx| tx.failed),
        },
        signal: client.and_then(|c| c.signal).or_else(|| assoc?.signal),
        signal_avg: assoc.and_then(|a| a.signal_avg),
        tx_bitrate: kbits(tx, client.and_then(|c| c.rate.tx)),
        rx_bitrate: kbits(rx, client.and_then(|c| c.rate.rx)),
        authorized: client.map_or_else(|| assoc?.authorized, |client| client.authorized),
        authenticated: client.map_or_else(|| assoc?.authenticated, |client| client.auth),
        associated: client.and_then(|client| client.assoc),
        wmm: client.and_then(|c| c.wmm).or_else(|| assoc?.wme),
        mfp: client.and_then(|c| c.mfp).or_else(|| assoc?.mfp),
        tdls: assoc.and_then(|a| a.tdls),
        preamble: assoc.and_then(|a| a.preamble),
        conn_time: assoc.and_then(|a| a.connected_time),
        expected_tput: assoc.and_then(|a| a.thr).filter(positive),
        mcs: tx.and_then(|tx| tx.mcs),
        airtime: client.and_then(|client| airtime(&client.airtime)),
        rrm: client.and_then(|client| client.rrm),
        wnm: client.and_then(|client| client.wnm),
        ip: host.ip,
        ip6: host.ip6,
        name: host.name,
        vlan: None,
        source: match client {
            Some(_) => Source::Hostapd,
            None => Source::Iwinfo,
        },
    }
}

/// A station that only a lease tells of.
fn leased(mac: Mac, hosts: &Hosts) -> Station {
    Station {
        source: Source::Dhcp,
        ..station(mac, None, None, hosts.host(mac, &Place::default()))
    }
}

/// Airtime in ms of hostapd's us; 0 in both directions is what drivers say that do not count it.
fn airtime(us: &Both) -> Option<Airtime> {
    let (rx, tx) = (us.rx?, us.tx?);
    ((rx, tx) != (0, 0)).then_some(Airtime {
        rx: rx / 1000,
        tx: tx / 1000,
    })
}
