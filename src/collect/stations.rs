//! Stations: hostapd knows who is authorized, iwinfo how well it goes, the leases who it is.

use std::collections::{HashMap, HashSet};

use super::hosts::{Host, Hosts};
use super::reply::{dbm, Fields, List};
use super::report::{Lease, Source, Ssid, Station};
use super::system::Version;
use super::wireless::{Air, Cell};
use crate::mac::Mac;

/// Stations in one report.
pub(super) const MAX_STATIONS: usize = 4096;

/// No rate of 802.11be is above this, kbit/s.
const MAX_KBITS: u64 = 46_200_000;

/// No rate of 802.11 is below this, kbit/s.
const MIN_KBITS: u64 = 1_000;

/// Reply of `hostapd.* get_clients`.
#[derive(Debug, Default)]
pub(super) struct Clients {
    freq: Option<u32>,
    clients: List<(Mac, Client)>,
}

/// A station of hostapd.
#[derive(Debug, Default)]
struct Client {
    auth: Option<bool>,
    assoc: Option<bool>,
    authorized: Option<bool>,
    wmm: Option<bool>,
    mfp: Option<bool>,
    // From here on: from the driver, and absent while it does not know the station.
    bytes: Both,
    packets: Both,
    /// kbit/s, or a hundred times that; see [`Clients::rate_unit`].
    rate: Both,
    signal: Option<i32>,
}

/// A number for each direction; `rx` is from the station.
#[derive(Debug, Default)]
struct Both {
    rx: Option<u64>,
    tx: Option<u64>,
}

/// Reply of `iwinfo assoclist`.
#[derive(Debug, Default)]
pub(super) struct Assoclist(List<(Mac, Assoc)>);

/// A station of iwinfo.
#[derive(Debug, Default)]
struct Assoc {
    signal: Option<i32>,
    signal_avg: Option<i32>,
    /// ms.
    inactive: Option<u64>,
    /// s.
    connected_time: Option<u64>,
    /// kbit/s; 0 = unknown.
    thr: Option<u32>,
    authorized: Option<bool>,
    authenticated: Option<bool>,
    /// 1 = short, 2 = long.
    preamble: Option<u8>,
    wme: Option<bool>,
    mfp: Option<bool>,
    tdls: Option<bool>,
    rx: Direction,
    tx: Direction,
}

#[derive(Debug, Default)]
struct Direction {
    packets: Option<u64>,
    bytes: Option<u64>,
    failed: Option<u64>,
    retries: Option<u64>,
    /// kbit/s, in every release.
    rate: Option<u32>,
    mcs: Option<u8>,
}

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

impl Clients {
    /// `None` if there is no table of clients in it.
    pub(super) fn read(reply: Fields<'_>) -> Option<Self> {
        let mut freq = None;
        let mut clients = None;
        for (name, field) in reply {
            match name {
                b"freq" => freq = field.u32(),
                b"clients" => {
                    clients = field.table().map(|clients| {
                        clients.list(|mac, client| {
                            let mac = Mac::parse(std::str::from_utf8(mac).ok()?)?;
                            Some((mac, Client::read(client.table()?)))
                        })
                    });
                }
                _ => {}
            }
        }
        clients.map(|clients| Clients { freq, clients })
    }

    pub(super) fn freq(&self) -> Option<u32> {
        self.freq
    }

    /// What the rates of this reply are divided by to have kbit/s: 1, or 100 from 23.05 on.
    ///
    /// It is one for the whole reply, so a rate that is impossible in one unit decides; else the
    /// release does, and an unknown release counts as a recent one.
    fn rate_unit(&self, version: Option<Version>) -> u64 {
        let mut by_release = match version {
            Some(version) if version < Version::V23_05 => 1,
            _ => 100,
        };
        for (_, client) in &self.clients.items {
            for rate in [client.rate.rx, client.rate.tx] {
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

impl Client {
    fn read(fields: Fields<'_>) -> Self {
        let mut client = Client::default();
        for (name, field) in fields {
            match name {
                b"auth" => client.auth = field.bool(),
                b"assoc" => client.assoc = field.bool(),
                b"authorized" => client.authorized = field.bool(),
                b"wmm" => client.wmm = field.bool(),
                b"mfp" => client.mfp = field.bool(),
                b"bytes" => client.bytes = Both::read(field.fields()),
                b"packets" => client.packets = Both::read(field.fields()),
                b"rate" => client.rate = Both::read(field.fields()),
                b"signal" => client.signal = dbm(field.i32()),
                _ => {}
            }
        }
        client
    }
}

impl Both {
    fn read(fields: Fields<'_>) -> Self {
        let mut both = Both::default();
        for (name, field) in fields {
            match name {
                b"rx" => both.rx = field.u64(),
                b"tx" => both.tx = field.u64(),
                _ => {}
            }
        }
        both
    }
}

impl Assoclist {
    /// `None` if there is no list in it.
    pub(super) fn read(reply: Fields<'_>) -> Option<Self> {
        let results = reply.named(b"results")?.array()?;
        Some(Assoclist(
            results.list(|_, station| Assoc::read(station.table()?)),
        ))
    }
}

impl Assoc {
    fn read(fields: Fields<'_>) -> Option<(Mac, Self)> {
        let mut assoc = Assoc::default();
        let mut mac = None;
        for (name, field) in fields {
            match name {
                b"mac" => mac = field.str().and_then(Mac::parse),
                b"signal" => assoc.signal = dbm(field.i32()),
                b"signal_avg" => assoc.signal_avg = dbm(field.i32()),
                b"inactive" => assoc.inactive = field.u64(),
                b"connected_time" => assoc.connected_time = field.u64(),
                b"thr" => assoc.thr = field.u32(),
                b"authorized" => assoc.authorized = field.bool(),
                b"authenticated" => assoc.authenticated = field.bool(),
                b"preamble" => {
                    assoc.preamble = match field.str() {
                        Some("short") => Some(1),
                        Some("long") => Some(2),
                        _ => None,
                    };
                }
                b"wme" => assoc.wme = field.bool(),
                b"mfp" => assoc.mfp = field.bool(),
                b"tdls" => assoc.tdls = field.bool(),
                b"rx" => assoc.rx = Direction::read(field.fields()),
                b"tx" => assoc.tx = Direction::read(field.fields()),
                _ => {}
            }
        }
        Some((mac?, assoc))
    }
}

impl Direction {
    fn read(fields: Fields<'_>) -> Self {
        let mut direction = Direction::default();
        for (name, field) in fields {
            match name {
                b"packets" => direction.packets = field.u64(),
                b"bytes" => direction.bytes = field.u64(),
                b"failed" => direction.failed = field.u64(),
                b"retries" => direction.retries = field.u64(),
                b"rate" => direction.rate = field.u32(),
                b"mcs" => direction.mcs = field.u32().and_then(|mcs| mcs.try_into().ok()),
                _ => {}
            }
        }
        direction
    }
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
