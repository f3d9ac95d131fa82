//! Network devices, their addresses and the way out, as /proc and /sys have them.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::fib;
use super::fib_trie::Trie;
use super::files::Files;
use super::netlink::{self, Own};
use super::routes::{hex_v6, ways_v6, Routes, Way};
use crate::collect::report::{Counters, Interface};
use crate::collect::sources::netifd::network::{better_v6, Wan};
use crate::collect::sources::reply::mbits;
use crate::mac::Mac;

/// Flag of a device, from the kernel's headers.
const IFF_UP: u32 = 1;

/// The kernel's view of the network, read when it is asked for.
#[derive(Debug)]
pub(crate) struct Network<'a> {
    files: &'a Files,
}

/// The kernel's addresses of this device.
#[derive(Debug)]
pub(crate) enum Addresses {
    /// Its own word.
    Asked(Vec<(String, Own)>),
    /// The state that its files describe.
    Read {
        routes: Routes,
        /// Of all devices.
        v4: Vec<Ipv4Addr>,
        v6: Vec<(String, Option<Ipv6Addr>)>,
    },
}

/// The routes in force of IPv4 and IPv6.
pub(crate) type InForce = [Option<fib::InForce>; 2];

impl<'a> Network<'a> {
    pub(crate) fn of(files: &'a Files) -> Self {
        Network { files }
    }

    /// Name and counters of each device, in the order of /proc/net/dev, and whether these are all there are.
    pub(crate) fn devices(&self) -> (Vec<(String, Counters)>, bool) {
        let mut devices = Vec::new();
        let whole = self
            .files
            .lines("proc/net/dev", &mut |line| devices.extend(device(line)));
        if !whole && !devices.is_empty() {
            log::debug!("/proc/net/dev could be read in part only");
        }
        // Without even the loopback, it is not the kernel's.
        let whole = whole && !devices.is_empty();
        (devices, whole)
    }

    /// Fills in what is absent of a device and the kernel knows.
    pub(crate) fn complete(&self, interface: &mut Interface, addresses: &Addresses) {
        let name = interface.name.as_str();
        let of = |attribute: &str| format!("sys/class/net/{name}/{attribute}");
        if interface.up.is_none() {
            let flags = self.files.text(&of("flags"));
            let flags =
                flags.and_then(|flags| u32::from_str_radix(flags.strip_prefix("0x")?, 16).ok());
            interface.up = flags.map(|flags| flags & IFF_UP != 0);
            interface.speed = self.files.number(&of("speed")).and_then(mbits);
        }
        interface.carrier = interface.carrier.or_else(|| self.carrier(name));
        interface.mtu = interface.mtu.or_else(|| self.files.number(&of("mtu")));
        interface.mac = interface.mac.or_else(|| {
            let address = self.files.text(&of("address"))?;
            Mac::parse(&address).filter(Mac::is_individual)
        });
        interface.ip = interface.ip.or_else(|| addresses.v4_on(name));
        interface.ip6 = interface.ip6.or_else(|| addresses.v6_on(name));
    }

    /// True if there is hardware behind the device.
    pub(crate) fn is_hardware(&self, device: &str) -> bool {
        self.files.exists(&format!("sys/class/net/{device}/device"))
    }

    /// True if the device has a link; `None` while it is down.
    pub(crate) fn carrier(&self, device: &str) -> Option<bool> {
        let path = format!("sys/class/net/{device}/carrier");
        self.files.number::<u8>(&path).map(|carrier| carrier == 1)
    }

    /// True if the device has an address of IPv4, or one of IPv6 that is not link-local.
    pub(crate) fn has_address(&self, device: &str) -> bool {
        let addresses = self.addresses();
        addresses.v4_on(device).is_some()
            || addresses.v6_on(device).is_some()
            || addresses.may_be_on(device)
    }

    /// The ways out that are in force, if the kernel can be asked.
    pub(crate) fn in_force(&self) -> Option<InForce> {
        self.asked("routes", || {
            Ok([fib::in_force(false)?, fib::in_force(true)?])
        })
    }

    /// The way out of IPv4, else that of IPv6, each by the route with the lowest metric, as the files tell.
    ///
    /// IPv4 is looked for in the main table, the only one whose routes /proc tells in full; IPv6 in
    /// all of them.
    pub(crate) fn wan(&self, routes: &Routes, addresses: &Addresses) -> Option<Wan> {
        let v6 = ways_v6(self.files);
        let way = routes.ways().best().or(v6.best())?;
        Some(Wan {
            gateway: way.gateway(),
            ip: addresses.v4_on(&way.device),
            ip6: addresses.v6_on(&way.device),
            device: way.device.clone(),
        })
    }

    /// The default routes: those of IPv4 first, each family by its metric, but the one in force before others. True
    /// for those of IPv6.
    pub(crate) fn ways(&self) -> Vec<(bool, Way)> {
        let asked = self.asked("routes", || Ok((fib::ways(false)?, fib::ways(true)?)));
        let (v4, v6) = asked.unwrap_or_else(|| {
            let v4 = Routes::read(self.files).ways().clone();
            (v4, ways_v6(self.files))
        });
        let v4 = v4.iter().map(|way| (false, way.clone()));
        let v6 = v6.iter().map(|way| (true, way.clone()));
        v4.chain(v6).collect()
    }

    /// The kernel's answer; `None` if the files are not those of this machine, or it refuses to answer.
    fn asked<T>(&self, topic: &str, ask: impl FnOnce() -> io::Result<T>) -> Option<T> {
        let asked = self.files.is_this_machine().then(ask)?;
        asked
            .inspect_err(|error| log::debug!("{topic} of the kernel: {error}"))
            .ok()
    }

    /// True if any table of IPv4 has a default route, or its two halves: policy routing keeps them
    /// out of the main one.
    pub(crate) fn has_default_v4(&self) -> bool {
        self.trie().has_default()
    }

    fn trie(&self) -> Trie {
        let mut trie = Trie::default();
        self.files
            .lines("proc/net/fib_trie", &mut |line| trie.line(line));
        trie
    }

    pub(crate) fn addresses(&self) -> Addresses {
        match self.asked("addresses", netlink::addresses) {
            Some(own) => Addresses::Asked(own),
            None => Addresses::Read {
                routes: Routes::read(self.files),
                v4: self.trie().local().to_vec(),
                v6: self.addresses_v6(),
            },
        }
    }

    /// The address of each device in /proc/net/if_inet6 that is no link-local one: address, index,
    /// prefix length, scope (00 = global), flags, device.
    fn addresses_v6(&self) -> Vec<(String, Option<Ipv6Addr>)> {
        let mut addresses: Vec<(String, Option<Ipv6Addr>)> = Vec::new();
        self.files.lines("proc/net/if_inet6", &mut |line| {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            if let [address, _, _, "00", _, device] = words[..] {
                if let Some(address) = hex_v6(address) {
                    let known = addresses.iter().position(|(of, _)| of == device);
                    let at = known.unwrap_or(addresses.len());
                    if at == addresses.len() {
                        addresses.push((device.to_owned(), None));
                    }
                    better_v6(&mut addresses[at].1, address);
                }
            }
        });
        addresses
    }
}

impl Addresses {
    /// Leaves out addresses of IPv4 whose device is known otherwise.
    pub(crate) fn forget(&mut self, known: impl Fn(Ipv4Addr) -> bool) {
        if let Addresses::Read { v4, .. } = self {
            v4.retain(|ip| !known(*ip));
        }
    }

    pub(crate) fn v4_on(&self, device: &str) -> Option<Ipv4Addr> {
        match self {
            Addresses::Asked(own) => of(own, device)?.v4,
            Addresses::Read { routes, v4, .. } => routes.address_on(device, v4),
        }
    }

    pub(crate) fn v6_on(&self, device: &str) -> Option<Ipv6Addr> {
        match self {
            Addresses::Asked(own) => of(own, device)?.v6,
            Addresses::Read { v6, .. } => *of(v6, device)?,
        }
    }

    /// True if the files leave open whose one of our addresses is, and it may be the device's.
    fn may_be_on(&self, device: &str) -> bool {
        match self {
            Addresses::Asked(_) => false,
            Addresses::Read { routes, v4, .. } => routes.may_have_address(device, v4),
        }
    }
}

/// The entry of a device.
fn of<'a, T>(known: &'a [(String, T)], device: &str) -> Option<&'a T> {
    let mut known = known.iter();
    known.find(|(of, _)| of == device).map(|(_, known)| known)
}

/// A line of /proc/net/dev.
fn device(line: &str) -> Option<(String, Counters)> {
    let (name, numbers) = line.split_once(':')?;
    let name = name.trim();
    if name.is_empty() || name.contains(['/', ' ', '|']) || name.starts_with('.') {
        return None;
    }
    let mut numbers = numbers.split_ascii_whitespace().map(|n| n.parse().ok());
    let mut next = |skip| numbers.nth(skip).flatten();
    // bytes packets errs drop fifo frame compressed multicast, then the same for sending.
    let (rx_bytes, rx_packets, rx_errors, rx_dropped) = (next(0), next(0), next(0), next(0));
    let counters = Counters {
        rx_bytes,
        rx_packets,
        rx_errors,
        rx_dropped,
        tx_bytes: next(4),
        tx_packets: next(0),
        tx_errors: next(0),
        tx_dropped: next(0),
    };
    Some((name.to_owned(), counters))
}
