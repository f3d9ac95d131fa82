//! Stations: hostapd knows who is authorized, iwinfo how well it goes, the leases who it is.

use std::collections::{HashMap, HashSet};

use super::hostapd::Client;
use super::hosts::{Host, Hosts};
use super::iwinfo::{Assoc, Direction};
use super::report::{Lease, Source, Ssid, Station};
use super::system::Version;
use super::wireless::{Air, Cell};
use crate::mac::Mac;

/// Stations in one report.
pub(super) const MAX_STATIONS: usize = 4096;

/// What is known of stations beside Wi-Fi itself.
pub(super) struct Known<'a> {
    pub(super) hosts: &'a Hosts,
    /// The VLANs that hostapd said it put stations into.
    pub(super) vlans: &'a HashMap<Mac, u32>,
    pub(super) version: Option<Version>,
}

/// What the replies about Wi-Fi come to.
#[derive(Debug, Default)]
pub(super) struct Joined {
    pub(super) ssids: Option<Vec<Ssid>>,
    pub(super) stations: Option<Vec<Station>>,
    /// Authorized stations; `None` if nobody could say.
    pub(super) connected: Option<usize>,
    /// Stations beyond [`MAX_STATIONS`] and beyond what is kept of one reply.
    pub(super) beyond: usize,
}

/// Joins everything known about Wi-Fi; without any list of stations the leases stand in.
pub(super) fn join(air: &Air, leases: Option<&[Lease]>, known: &Known<'_>) -> Joined {
    let cells = air.cells();
    let mut joined = Joined::default();
    let mut stations = Vec::new();
    let mut ssids = Vec::with_capacity(cells.len());
    for cell in &cells {
        let before = stations.len();
        let listed = cell.is_ap() && append(cell, known, &mut stations, &mut joined.beyond);
        let clients = listed.then(|| {
            let new = &stations[before..];
            new.iter().filter(|of| of.authorized == Some(true)).count()
        });
        if let Some(clients) = clients {
            joined.connected = Some(joined.connected.unwrap_or(0) + clients);
        }
        ssids.push(cell.report(clients));
    }
    joined.ssids = (air.is_complete() || !ssids.is_empty()).then_some(ssids);
    joined.stations = match leases {
        _ if joined.connected.is_some() => Some(stations),
        Some(leases) => {
            let mut seen = HashSet::with_capacity(leases.len());
            let macs = leases.iter().map(|lease| lease.mac);
            let once = macs.filter(|mac| seen.insert(*mac));
            Some(once.map(|mac| leased(mac, known.hosts)).collect())
        }
        None => None,
    };
    joined
}

/// Appends the stations of one network; false if nobody lists them.
fn append(
    cell: &Cell<'_>,
    known: &Known<'_>,
    stations: &mut Vec<Station>,
    beyond: &mut usize,
) -> bool {
    let mut listed = false;
    let mut assocs: HashMap<Mac, (&Assoc, Option<u32>)> = HashMap::new();
    let mut order = Vec::new();
    for (list, vlan) in cell.assoclists() {
        listed = true;
        *beyond += list.0.beyond * usize::from(cell.clients().is_none());
        for (mac, assoc) in &list.0.items {
            if assocs.insert(*mac, (assoc, vlan)).is_none() {
                order.push(*mac);
            }
        }
    }
    let assigned = cell.assigned_vlans();
    let mut push = |mac: Mac, client: Option<(&Client, u64)>| {
        if stations.len() == MAX_STATIONS {
            *beyond += 1;
            return;
        }
        let (assoc, vlan) = match assocs.get(&mac) {
            Some((assoc, vlan)) => (Some(*assoc), *vlan),
            None => (None, None),
        };
        let told = || known.vlans.get(&mac).copied();
        stations.push(Station {
            interface: Some(cell.name.to_owned()),
            ssid: cell.ssid().map(str::to_owned),
            vlan: vlan.or_else(|| assigned.get(&mac).copied()).or_else(told),
            ..station(mac, client, assoc, known.hosts.get(mac))
        });
    };
    let Some(clients) = cell.clients() else {
        order.into_iter().for_each(|mac| push(mac, None));
        return listed;
    };
    let unit = clients.rate_unit(known.version);
    for (mac, client) in &clients.clients.items {
        push(*mac, Some((client, unit)));
    }
    *beyond += clients.clients.beyond;
    true
}

/// Puts together what hostapd (with the unit of its rates), iwinfo and the leases know of one
/// station.
fn station(
    mac: Mac,
    client: Option<(&Client, u64)>,
    assoc: Option<&Assoc>,
    host: Option<&Host>,
) -> Station {
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
        rx_packets: client.and_then(|c| c.packets.rx).or_else(|| rx?.packets),
        tx_packets: client.and_then(|c| c.packets.tx).or_else(|| tx?.packets),
        rx_bytes: client.and_then(|c| c.bytes.rx).or_else(|| rx?.bytes),
        tx_bytes: client.and_then(|c| c.bytes.tx).or_else(|| tx?.bytes),
        tx_retries: tx.and_then(|tx| tx.retries),
        tx_failed: tx.and_then(|tx| tx.failed),
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
        ip: host.and_then(|host| host.ip),
        ip6: host.and_then(|host| host.ip6),
        name: host.and_then(|host| host.name.clone()),
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
        ..station(mac, None, None, hosts.get(mac))
    }
}
