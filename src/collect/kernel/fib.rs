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
mod tests;
