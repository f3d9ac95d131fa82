//! Stations: hostapd knows who is authorized, iwinfo how well it goes, the leases who it is.

use std::collections::HashMap;

use serde::Deserialize;

use super::leases::{Leases, Names};
use super::reply::{dbm, lenient, text, List, Table};
use super::report::{Source, Ssid, Station};
use super::system::Version;
use super::wireless::{Air, Cell};
use crate::mac::Mac;

/// Stations in one report.
pub(super) const MAX_STATIONS: usize = 4096;

/// No rate of 802.11be is above this, kbit/s.
const MAX_KBITS: u32 = 46_200_000;

/// No rate of 802.11 is below this, kbit/s.
const MIN_KBITS: u32 = 1_000;

/// Reply of `hostapd.* get_clients`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Clients {
    #[serde(default, deserialize_with = "lenient")]
    freq: Option<u32>,
    #[serde(default)]
    clients: Table<Client>,
}

/// A station of hostapd.
#[derive(Debug, Default, Deserialize)]
struct Client {
    #[serde(default, deserialize_with = "lenient")]
    auth: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    assoc: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    authorized: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    wmm: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    mfp: Option<bool>,
    // From here on: from the driver, and absent while it does not know the station.
    #[serde(default, deserialize_with = "lenient")]
    bytes: Option<Both>,
    #[serde(default, deserialize_with = "lenient")]
    packets: Option<Both>,
    /// kbit/s, or a hundred times that; see [`Clients::rate_unit`].
    #[serde(default, deserialize_with = "lenient")]
    rate: Option<Both<u32>>,
    #[serde(default, deserialize_with = "lenient")]
    signal: Option<i32>,
}

/// A number for each direction; `rx` is from the station.
#[derive(Debug, Deserialize)]
struct Both<N = u64> {
    #[serde(
        default = "none",
        deserialize_with = "lenient",
        bound = "N: Deserialize<'de>"
    )]
    rx: Option<N>,
    #[serde(
        default = "none",
        deserialize_with = "lenient",
        bound = "N: Deserialize<'de>"
    )]
    tx: Option<N>,
}

fn none<N>() -> Option<N> {
    None
}

/// Reply of `iwinfo assoclist`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Assoclist {
    #[serde(default)]
    results: List<Assoc>,
}

/// A station of iwinfo.
#[derive(Debug, Deserialize)]
struct Assoc {
    #[serde(default, deserialize_with = "text")]
    mac: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    signal: Option<i32>,
    #[serde(default, deserialize_with = "lenient")]
    signal_avg: Option<i32>,
    /// ms.
    #[serde(default, deserialize_with = "lenient")]
    inactive: Option<u64>,
    /// s.
    #[serde(default, deserialize_with = "lenient")]
    connected_time: Option<u64>,
    /// kbit/s; 0 = unknown.
    #[serde(default, deserialize_with = "lenient")]
    thr: Option<u32>,
    #[serde(default, deserialize_with = "lenient")]
    authorized: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    authenticated: Option<bool>,
    #[serde(default, deserialize_with = "text")]
    preamble: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    wme: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    mfp: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    tdls: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    rx: Option<Direction>,
    #[serde(default, deserialize_with = "lenient")]
    tx: Option<Direction>,
}

#[derive(Debug, Deserialize)]
struct Direction {
    #[serde(default, deserialize_with = "lenient")]
    packets: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    bytes: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    failed: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    retries: Option<u64>,
    /// kbit/s, in every release.
    #[serde(default, deserialize_with = "lenient")]
    rate: Option<u32>,
    #[serde(default, deserialize_with = "lenient")]
    mcs: Option<u8>,
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

impl Clients {
    pub(super) fn freq(&self) -> Option<u32> {
        self.freq
    }

    /// What the rates of this reply are divided by to have kbit/s: 1, or 100 from 23.05 on.
    ///
    /// It is one for the whole reply, so a rate that is impossible in one unit decides; else the
    /// release does, and an unknown release counts as a recent one.
    fn rate_unit(&self, version: Option<Version>) -> u32 {
        let mut by_release = match version {
            Some(version) if version < Version::V23_05 => 1,
            _ => 100,
        };
        let rates = self.clients.members.iter();
        for (_, client) in rates {
            let rate = client.rate.as_ref();
            for rate in [rate.and_then(|r| r.rx), rate.and_then(|r| r.tx)] {
                match rate {
                    Some(rate) if rate > MAX_KBITS => return 100,
                    Some(rate) if rate > 0 && rate / 100 < MIN_KBITS => by_release = 1,
                    _ => {}
                }
            }
        }
        by_release
    }
}

/// Joins everything known about Wi-Fi; without any list of stations the leases stand in.
pub(super) fn join(air: &Air, leases: Option<&Leases>, version: Option<Version>) -> Joined {
    let names = leases.map(Leases::by_mac).unwrap_or_default();
    let cells = air.cells();
    let mut joined = Joined::default();
    let mut stations = Vec::new();
    let mut ssids = Vec::with_capacity(cells.len());
    for cell in &cells {
        let before = stations.len();
        let known =
            cell.is_ap() && append(cell, &names, version, &mut stations, &mut joined.beyond);
        let clients = known.then(|| {
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
            let only_leased = leases.stations().map(|mac| leased(mac, &names));
            Some(only_leased.collect())
        }
        None => None,
    };
    joined
}

/// Appends the stations of one network; false if nobody lists them.
fn append(
    cell: &Cell<'_>,
    names: &HashMap<Mac, Names<'_>>,
    version: Option<Version>,
    stations: &mut Vec<Station>,
    beyond: &mut usize,
) -> bool {
    let mut listed = false;
    let mut assocs: HashMap<Mac, (&Assoc, Option<u32>)> = HashMap::new();
    let mut order = Vec::new();
    for (list, vlan) in cell.assoclists() {
        listed = true;
        *beyond += list.results.beyond * usize::from(cell.clients().is_none());
        for assoc in &list.results.items {
            if let Some(mac) = assoc.mac.as_deref().and_then(Mac::parse) {
                if assocs.insert(mac, (assoc, vlan)).is_none() {
                    order.push(mac);
                }
            }
        }
    }
    let assigned = cell.assigned_vlans();
    let mut push = |mac: Mac, client: Option<(&Client, u32)>| {
        if stations.len() == MAX_STATIONS {
            *beyond += 1;
            return;
        }
        let (assoc, vlan) = match assocs.get(&mac) {
            Some((assoc, vlan)) => (Some(*assoc), *vlan),
            None => (None, None),
        };
        let names = names.get(&mac).copied().unwrap_or_default();
        stations.push(Station {
            interface: Some(cell.name.to_owned()),
            ssid: cell.ssid().map(str::to_owned),
            vlan: vlan.or_else(|| assigned.get(&mac).copied()),
            ..station(mac, client, assoc, names)
        });
    };
    let Some(clients) = cell.clients() else {
        order.into_iter().for_each(|mac| push(mac, None));
        return listed;
    };
    let unit = clients.rate_unit(version);
    for (mac, client) in &clients.clients.members {
        if let Some(mac) = Mac::parse(mac) {
            push(mac, Some((client, unit)));
        }
    }
    *beyond += clients.clients.beyond;
    true
}

/// Puts together what hostapd (with the unit of its rates), iwinfo and the leases know of one
/// station.
fn station(
    mac: Mac,
    client: Option<(&Client, u32)>,
    assoc: Option<&Assoc>,
    names: Names<'_>,
) -> Station {
    let unit = client.map_or(1, |(_, unit)| unit);
    let client = client.map(|(client, _)| client);
    let (rx, tx) = (
        assoc.and_then(|a| a.rx.as_ref()),
        assoc.and_then(|a| a.tx.as_ref()),
    );
    let bytes = client.and_then(|client| client.bytes.as_ref());
    let packets = client.and_then(|client| client.packets.as_ref());
    let rate = client.and_then(|client| client.rate.as_ref());
    let positive = |number: &u32| *number > 0;
    // Of the two, only iwinfo's unit is certain; only hostapd's counters are 64 bits everywhere.
    let kbits = |of: Option<&Direction>, rate: Option<u32>| {
        let told = of.and_then(|of| of.rate).filter(positive);
        told.or_else(|| rate.map(|rate| rate / unit).filter(positive))
    };
    let signal = client.and_then(|client| dbm(client.signal));
    Station {
        interface: None,
        ssid: None,
        mac,
        inactive_time: assoc.and_then(|a| a.inactive),
        rx_packets: packets.and_then(|p| p.rx).or_else(|| rx?.packets),
        tx_packets: packets.and_then(|p| p.tx).or_else(|| tx?.packets),
        rx_bytes: bytes.and_then(|b| b.rx).or_else(|| rx?.bytes),
        tx_bytes: bytes.and_then(|b| b.tx).or_else(|| tx?.bytes),
        tx_retries: tx.and_then(|tx| tx.retries),
        tx_failed: tx.and_then(|tx| tx.failed),
        signal: signal.or_else(|| dbm(assoc?.signal)),
        signal_avg: assoc.and_then(|a| dbm(a.signal_avg)),
        tx_bitrate: kbits(tx, rate.and_then(|rate| rate.tx)),
        rx_bitrate: kbits(rx, rate.and_then(|rate| rate.rx)),
        authorized: client.map_or_else(|| assoc?.authorized, |client| client.authorized),
        authenticated: client.map_or_else(|| assoc?.authenticated, |client| client.auth),
        associated: client.and_then(|client| client.assoc),
        wmm: client.and_then(|c| c.wmm).or_else(|| assoc?.wme),
        mfp: client.and_then(|c| c.mfp).or_else(|| assoc?.mfp),
        tdls: assoc.and_then(|a| a.tdls),
        preamble: match assoc.and_then(|a| a.preamble.as_deref()) {
            Some("short") => Some(1),
            Some("long") => Some(2),
            _ => None,
        },
        conn_time: assoc.and_then(|a| a.connected_time),
        expected_tput: assoc.and_then(|a| a.thr).filter(positive),
        mcs: tx.and_then(|tx| tx.mcs),
        ip: names.ip.map(str::to_owned),
        ip6: names.ip6.map(|ip6| ip6.to_string()),
        name: names.name.map(str::to_owned),
        vlan: None,
        source: match client {
            Some(_) => Source::Hostapd,
            None => Source::Iwinfo,
        },
    }
}

/// A station that only a lease tells of.
fn leased(mac: Mac, names: &HashMap<Mac, Names<'_>>) -> Station {
    Station {
        source: Source::Dhcp,
        ..station(
            mac,
            None,
            None,
            names.get(&mac).copied().unwrap_or_default(),
        )
    }
}
