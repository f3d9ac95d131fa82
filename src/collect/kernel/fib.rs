//! Default routes over rtnetlink: those of every table, and the one that is in force.
//!
//! In force is the route by which a packet to the world would leave. Metrics do not tell it: rules choose the
//! table, and routes of IPv6 may be for some source addresses alone. So the kernel is asked, in two steps:
//!
//! 1. A UDP socket is connected, by which nothing is sent; its own address is the one that others would see.
//! 2. The route is looked up for a packet from there.
//!
//! If that leads nowhere, a default route of some table may still serve what the device forwards.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;

use rustix::net::AddressFamily;

use super::netlink::{ask, attributes, dump, ip, socket, u16_at, u32_at};
use super::routes::{covers_global_v6, Ways};

/// Types of messages, a type of route, and flags, from the kernel's headers.
const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;
const UNICAST: u8 = 1;
/// The answer is the entry of the table, with the length of its prefix; since Linux 4.13.
const FIB_MATCH: u32 = 0x2000;
const DEAD: u32 = 1;

/// Attributes of a route.
const TARGET: u16 = 1;
const SOURCE: u16 = 2;
const DEVICE: u16 = 4;
const GATEWAY: u16 = 5;
const METRIC: u16 = 6;
const MULTIPATH: u16 = 9;
const TABLE: u16 = 15;
/// A gateway of the other family.
const VIA: u16 = 18;

/// Addresses in the world (those of a root name server), which hardly anybody has a route of its own to.
const WORLD_V4: Ipv4Addr = Ipv4Addr::new(198, 41, 0, 4);
const WORLD_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30);

const HALF: Ipv4Addr = Ipv4Addr::new(128, 0, 0, 0);

/// Tables of which halves of a default route are kept.
const MAX_TABLES: usize = 256;

/// The route of a family that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InForce {
    pub(crate) device: String,
    /// Absent on a point-to-point link.
    pub(crate) gateway: Option<IpAddr>,
    /// Our address towards the world; absent if the route serves forwarded packets alone.
    pub(crate) source: Option<IpAddr>,
}

/// A route that leads somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    target: IpAddr,
    /// Of its prefix, bits.
    length: u8,
    table: u32,
    metric: u32,
    /// Of its device.
    index: u32,
    /// Unspecified on a point-to-point link.
    hop: IpAddr,
}

/// The default routes of a family: the one in force, and then by their metric; two halves count where there is no
/// whole one.
pub(crate) fn ways(v6: bool) -> io::Result<Ways> {
    let socket = socket()?;
    let found = our_address(v6).and_then(|ours| look_up(&socket, ours));
    all(&socket, v6, found.as_ref())
}

/// The route in force, by what a connected socket and a look-up tell.
pub(crate) fn in_force(v6: bool) -> io::Result<Option<InForce>> {
    let socket = socket()?;
    let ours = our_address(v6);
    let found = ours.and_then(|ours| look_up(&socket, ours));
    let named = |entry: &Entry| {
        let device = name(&socket, entry.index)?;
        Some((device, entry.hop))
    };
    let found_way = found.as_ref().and_then(named);
    let way = match (&found, &found_way) {
        (Some(entry), Some(_)) if entry.length == 0 => found_way.clone(),
        _ => {
            let ways = all(&socket, v6, found.as_ref())?;
            ways.best().map(|way| (way.device.clone(), way.hop))
        }
    };
    Ok(way.map(|(device, hop)| InForce {
        source: ours.filter(|_| found_way.is_some_and(|(of, _)| of == device)),
        gateway: Some(hop).filter(|hop| !hop.is_unspecified()),
        device,
    }))
}

/// The address that this device has towards the world, if it has a way there. Nothing is sent.
fn our_address(v6: bool) -> Option<IpAddr> {
    let (any, world): (IpAddr, IpAddr) = match v6 {
        false => (Ipv4Addr::UNSPECIFIED.into(), WORLD_V4.into()),
        true => (Ipv6Addr::UNSPECIFIED.into(), WORLD_V6.into()),
    };
    let connected = || {
        let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        // The port has no meaning where nothing is sent.
        socket.connect(SocketAddr::new(world, 9))?;
        socket.local_addr()
    };
    // An error says that there is no way, or no such family.
    let ours = connected().ok()?.ip();
    (!ours.is_unspecified() && !ours.is_loopback()).then_some(ours)
}

/// The route for a packet of ours to the world; `None` if the kernel refuses it or leads it nowhere.
fn look_up(socket: &OwnedFd, ours: IpAddr) -> Option<Entry> {
    let mut found = None;
    let asked = ask(socket, GET_ROUTE, &question(ours), &mut |kind, body| {
        found = (kind == NEW_ROUTE).then(|| entry(body)).flatten();
    });
    asked
        .inspect_err(|error| log::trace!("route from {ours}: {error}"))
        .ok()?;
    found
}

/// Family, lengths of the addresses' prefixes, zeros, flags, the addresses.
fn question(ours: IpAddr) -> Vec<u8> {
    let (family, world, ours) = match ours {
        IpAddr::V4(ours) => (
            AddressFamily::INET,
            WORLD_V4.octets().to_vec(),
            ours.octets().to_vec(),
        ),
        IpAddr::V6(ours) => (
            AddressFamily::INET6,
            WORLD_V6.octets().to_vec(),
            ours.octets().to_vec(),
        ),
    };
    let bits = (world.len() * 8) as u8;
    let mut body = vec![family.as_raw() as u8, bits, bits, 0, 0, 0, 0, 0];
    body.extend(FIB_MATCH.to_ne_bytes());
    for (kind, address) in [(TARGET, world), (SOURCE, ours)] {
        body.extend((4 + address.len() as u16).to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(address);
    }
    body
}

/// The default routes of every table, `found` first if it is among them.
fn all(socket: &OwnedFd, v6: bool, found: Option<&Entry>) -> io::Result<Ways> {
    let family = [AddressFamily::INET, AddressFamily::INET6][usize::from(v6)];
    let mut wanted = Wanted::default();
    dump(socket, GET_ROUTE, family, &mut |kind, body| {
        if let Some(entry) = (kind == NEW_ROUTE).then(|| entry(body)).flatten() {
            wanted.take(entry);
        }
    })?;
    let mut names: Vec<(u32, Option<String>)> = Vec::new();
    let mut named = |index| {
        if let Some((_, known)) = names.iter().find(|(of, _)| *of == index) {
            return known.clone();
        }
        let name = name(socket, index);
        names.push((index, name.clone()));
        name
    };
    let mut ways = Ways::default();
    for entry in wanted.defaults() {
        if let Some(device) = named(entry.index) {
            ways.add(&device, entry.hop, entry.metric);
        }
    }
    if let Some((entry, device)) = found.and_then(|entry| Some((entry, named(entry.index)?))) {
        let whole = entry.length == 0 || v6;
        // A half alone leads to half of the world; what is longer may be one of many that lead to all of it.
        if whole || ways.best().is_none() && entry.length > 1 {
            ways.put_first(&device, entry.hop, entry.metric);
        }
    }
    Ok(ways)
}

/// The device's name; `None` if it is gone meanwhile.
fn name(socket: &OwnedFd, index: u32) -> Option<String> {
    rustix::net::netdevice::index_to_name(socket, index).ok()
}

/// The routes of a dump that matter.
#[derive(Debug, Default)]
struct Wanted {
    whole: Vec<Entry>,
    lower: Vec<Entry>,
    /// The tables that have the upper half.
    upper: Vec<u32>,
}

impl Wanted {
    fn take(&mut self, entry: Entry) {
        let of = match (entry.target, entry.length) {
            (IpAddr::V4(_), 0) => &mut self.whole,
            (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 1) => &mut self.lower,
            (IpAddr::V4(HALF), 1) if self.upper.len() < MAX_TABLES => {
                if !self.upper.contains(&entry.table) {
                    self.upper.push(entry.table);
                }
                return;
            }
            (IpAddr::V6(target), length) if covers_global_v6(target, length.into()) => {
                &mut self.whole
            }
            _ => return,
        };
        if of.len() < MAX_TABLES {
            of.push(entry);
        }
    }

    fn defaults(self) -> Vec<Entry> {
        if !self.whole.is_empty() {
            return self.whole;
        }
        let lower = self.lower.into_iter();
        lower
            .filter(|entry| self.upper.contains(&entry.table))
            .collect()
    }
}

/// Family, lengths of target and source, tos, table, protocol, scope, type, flags (32 bits), attributes. `None` for
/// a route that is not to be used, or has no device.
fn entry(body: &[u8]) -> Option<Entry> {
    let (family, length, kind) = (*body.first()?, *body.get(1)?, *body.get(7)?);
    let v6 = u16::from(family) == AddressFamily::INET6.as_raw();
    let any: IpAddr = match v6 {
        true => Ipv6Addr::UNSPECIFIED.into(),
        false => Ipv4Addr::UNSPECIFIED.into(),
    };
    (kind == UNICAST && u32_at(body, 8)? & DEAD == 0).then_some(())?;
    let mut entry = Entry {
        target: any,
        length,
        table: u32::from(*body.get(4)?),
        metric: 0,
        index: 0,
        hop: any,
    };
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            TARGET => entry.target = ip(value).filter(|ip| ip.is_ipv6() == v6)?,
            METRIC => entry.metric = u32_at(value, 0)?,
            TABLE => entry.table = u32_at(value, 0)?,
            MULTIPATH => {
                // The first of several ways that is not dead.
                let mut hops = hops(value).filter(|(flags, _, _)| u32::from(*flags) & DEAD == 0);
                let (_, index, of) = hops.next()?;
                entry.index = index;
                attributes(of).for_each(|(kind, value)| entry.by(kind, value));
            }
            _ => entry.by(kind, value),
        }
    }
    (entry.index != 0).then_some(entry)
}

impl Entry {
    /// Takes an attribute that says how a packet leaves.
    fn by(&mut self, kind: u16, value: &[u8]) {
        let hop = match kind {
            DEVICE => {
                self.index = u32_at(value, 0).unwrap_or(0);
                return;
            }
            GATEWAY => ip(value),
            VIA => value.get(2..).and_then(ip),
            _ => None,
        };
        self.hop = hop.unwrap_or(self.hop);
    }
}

/// Length (16 bits), flags, weight, index (32 bits), attributes: flags, index and attributes of each.
fn hops(mut bytes: &[u8]) -> impl Iterator<Item = (u8, u32, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let hop = (*bytes.get(2)?, u32_at(bytes, 4)?, bytes.get(8..length)?);
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
        Some(hop)
    })
}

#[cfg(test)]
mod tests {
    use super::super::netlink::attribute;
    use super::*;

    /// A route of IPv4 in a table, of a type, by a device, with more attributes.
    fn route(target: [u8; 4], length: u8, table: u8, kind: u8, more: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = vec![2, length, 0, 0, table, 3, 0, kind, 0, 0, 0, 0];
        if length > 0 {
            body.extend(attribute(TARGET, &target));
        }
        for (kind, value) in more {
            body.extend(attribute(*kind, value));
        }
        body
    }

    const BY_7: (u16, &[u8]) = (DEVICE, &7u32.to_ne_bytes());

    #[test]
    fn table_metric_device_and_gateway_of_a_route_are_read() {
        let metric = 20u32.to_ne_bytes();
        let table = 1000u32.to_ne_bytes();
        let attributes: [(u16, &[u8]); 4] = [
            BY_7,
            (GATEWAY, &[192, 0, 2, 1]),
            (METRIC, &metric),
            (TABLE, &table),
        ];
        let found = entry(&route([0; 4], 0, 252, UNICAST, &attributes)).unwrap();
        assert_eq!((found.index, found.metric, found.table), (7, 20, 1000));
        assert_eq!(found.hop, IpAddr::from([192, 0, 2, 1]));
        let plain = entry(&route([0; 4], 0, 10, UNICAST, &[BY_7])).unwrap();
        assert!(plain.hop.is_unspecified());
        assert_eq!((plain.table, plain.metric), (10, 0));
    }

    #[test]
    fn a_gateway_of_the_other_family_and_the_first_living_one_of_several_count() {
        let mut via = 10u16.to_ne_bytes().to_vec();
        via.extend("fe80::1".parse::<Ipv6Addr>().unwrap().octets());
        let found = entry(&route([0; 4], 0, 254, UNICAST, &[BY_7, (VIA, &via)])).unwrap();
        assert_eq!(found.hop, "fe80::1".parse::<IpAddr>().unwrap());
        let hop = |flags: u8, index: u32, gateway: [u8; 4]| {
            let mut bytes = 16u16.to_ne_bytes().to_vec();
            bytes.extend([flags, 0]);
            bytes.extend(index.to_ne_bytes());
            bytes.extend(attribute(GATEWAY, &gateway));
            bytes
        };
        let several = [hop(1, 3, [10, 0, 0, 1]), hop(0, 4, [10, 0, 0, 2])].concat();
        let found = entry(&route([0; 4], 0, 254, UNICAST, &[(MULTIPATH, &several)])).unwrap();
        assert_eq!((found.index, found.hop), (4, IpAddr::from([10, 0, 0, 2])));
    }

    #[test]
    fn routes_that_lead_nowhere_are_none() {
        for kind in [2, 6, 7, 8, 9] {
            assert_eq!(entry(&route([0; 4], 0, 254, kind, &[BY_7])), None, "{kind}");
        }
        assert_eq!(entry(&route([0; 4], 0, 254, UNICAST, &[])), None);
        let mut dead = route([0; 4], 0, 254, UNICAST, &[BY_7]);
        dead[8..12].copy_from_slice(&DEAD.to_ne_bytes());
        assert_eq!(entry(&dead), None);
    }

    #[test]
    fn two_halves_count_where_there_is_no_whole_and_only_in_one_table() {
        let half = |target, table| entry(&route(target, 1, table, UNICAST, &[BY_7])).unwrap();
        let (lower, upper) = ([0; 4], [128, 0, 0, 0]);
        let defaults = |entries: Vec<Entry>| {
            let mut wanted = Wanted::default();
            entries.into_iter().for_each(|entry| wanted.take(entry));
            wanted.defaults().len()
        };
        assert_eq!(defaults(vec![half(lower, 9), half(upper, 9)]), 1);
        assert_eq!(defaults(vec![half(lower, 9), half(upper, 8)]), 0);
        assert_eq!(defaults(vec![half(upper, 9)]), 0);
        let whole = entry(&route([0; 4], 0, 10, UNICAST, &[BY_7])).unwrap();
        let all = vec![half(lower, 9), half(upper, 9), whole.clone(), whole];
        assert_eq!(defaults(all), 2);
        let network = entry(&route([10, 0, 0, 0], 8, 254, UNICAST, &[BY_7])).unwrap();
        assert_eq!(defaults(vec![network]), 0);
    }

    #[test]
    fn bytes_at_random_never_panic() {
        let mut rng = fastrand::Rng::with_seed(3);
        let hop = [12, 0, 0, 0, 7, 0, 0, 0, 4, 0, 5, 0];
        for _ in 0..20_000 {
            let mut body = route([0; 4], 1, 254, UNICAST, &[BY_7, (MULTIPATH, &hop)]);
            for _ in 0..3 {
                let at = rng.usize(..body.len());
                body[at] = rng.u8(..);
            }
            body.truncate(rng.usize(..=body.len()));
            entry(&body);
        }
    }

    #[test]
    fn the_kernel_and_a_connected_socket_agree_on_the_way_out_of_this_machine() {
        for v6 in [false, true] {
            let (ways, way) = (ways(v6).unwrap(), in_force(v6).unwrap());
            let best = ways.best().map(|way| way.device.as_str());
            assert_eq!(best, way.as_ref().map(|way| way.device.as_str()));
            if let Some(source) = way.and_then(|way| way.source) {
                assert_eq!((source.is_ipv6(), Some(source)), (v6, our_address(v6)));
            }
        }
    }
}
