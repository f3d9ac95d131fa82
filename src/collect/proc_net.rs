//! Network devices and routes as /proc and /sys have them: for a device without ubus.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::fib_trie;
use super::files::Files;
use super::network::{better_v6, Wan};
use super::report::{Counters, Interface};
use crate::mac::Mac;

/// Devices that are looked at.
const MAX_DEVICES: usize = 256;

/// Default routes that are looked at.
const MAX_WAYS: usize = 8;

/// Flags of a device and of a route, from the kernel's headers.
const IFF_UP: u32 = 1;
const RTF_UP: u32 = 1;
const RTF_REJECT: u32 = 0x200;

/// The kernel's view of the network, read when it is asked for.
#[derive(Debug)]
pub(super) struct Network<'a> {
    files: &'a Files,
}

/// A line of /proc/net/route.
struct Route<'a> {
    device: &'a str,
    target: Ipv4Addr,
    gateway: Ipv4Addr,
    mask: Ipv4Addr,
    metric: u32,
}

impl<'a> Network<'a> {
    pub(super) fn of(files: &'a Files) -> Self {
        Network { files }
    }

    /// Name and counters of each device; /proc/net/dev.
    fn devices(&self) -> Vec<(String, Counters)> {
        let Some(table) = self.files.text("proc/net/dev") else {
            return Vec::new();
        };
        table
            .lines()
            .filter_map(|line| {
                let (name, numbers) = line.split_once(':')?;
                let name = name.trim();
                if name.is_empty() || name.contains(['/', ' ', '|']) || name.starts_with('.') {
                    return None;
                }
                let mut numbers = numbers.split_ascii_whitespace().map(|n| n.parse().ok());
                let mut next = |skip| numbers.nth(skip).flatten();
                // bytes packets errs drop fifo frame compressed multicast, then the same for
                // sending.
                let (rx_bytes, rx_packets, rx_errors, rx_dropped) =
                    (next(0), next(0), next(0), next(0));
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
            })
            .take(MAX_DEVICES)
            .collect()
    }

    pub(super) fn counters(&self, device: &str) -> Option<Counters> {
        let devices = self.devices();
        let mut named = devices.into_iter();
        named
            .find(|(name, _)| name == device)
            .map(|(_, counters)| counters)
    }

    /// Every device but the loopback.
    pub(super) fn interfaces(&self) -> Option<Vec<Interface>> {
        let devices = self.devices();
        if devices.is_empty() {
            return None;
        }
        let v6 = self.addresses_v6();
        let routes = self.files.text("proc/net/route").unwrap_or_default();
        let local = self.addresses_v4();
        let interfaces = devices
            .into_iter()
            .filter(|(name, _)| name != "lo")
            .map(|(name, counters)| {
                let of = |attribute: &str| format!("sys/class/net/{name}/{attribute}");
                let flags = self
                    .files
                    .text(&of("flags"))
                    .and_then(|flags| u32::from_str_radix(flags.strip_prefix("0x")?, 16).ok());
                Interface {
                    up: flags.map(|flags| flags & IFF_UP != 0),
                    carrier: self.carrier(&name),
                    speed: self
                        .files
                        .number::<i64>(&of("speed"))
                        .and_then(|speed| u32::try_from(speed).ok())
                        .filter(|speed| *speed > 0),
                    mtu: self.files.number(&of("mtu")),
                    mac: self.files.text(&of("address")).and_then(|a| Mac::parse(&a)),
                    counters,
                    ip: address_on(&name, &routes, &local),
                    ip6: v6.get(&name).copied(),
                    name,
                }
            })
            .collect();
        Some(interfaces)
    }

    /// Whether the device has a link; `None` while it is down.
    pub(super) fn carrier(&self, device: &str) -> Option<bool> {
        let path = format!("sys/class/net/{device}/carrier");
        self.files.number::<u8>(&path).map(|carrier| carrier == 1)
    }

    /// Whether the device has an address of IPv4, or one of IPv6 that is not link-local.
    pub(super) fn has_address(&self, device: &str) -> bool {
        let table = self.files.text("proc/net/route").unwrap_or_default();
        address_on(device, &table, &self.addresses_v4()).is_some()
            || self.addresses_v6().contains_key(device)
    }

    /// The way out of IPv4, else that of IPv6, each by the route with the lowest metric.
    ///
    /// IPv4 is looked for in the main table, the only one whose routes /proc tells in full; IPv6 in
    /// all of them.
    pub(super) fn wan(&self) -> Option<Wan> {
        let (device, gateway) = self.ways().into_iter().next()?;
        let table = self.files.text("proc/net/route").unwrap_or_default();
        Some(Wan {
            gateway: Some(gateway).filter(|gateway| !gateway.is_unspecified()),
            ip: address_on(&device, &table, &self.addresses_v4()),
            ip6: self.addresses_v6().get(&device).copied(),
            device,
        })
    }

    /// Device and gateway of each default route, those of IPv4 first, each family by its metric. On a
    /// point-to-point link the gateway is unspecified.
    pub(super) fn ways(&self) -> Vec<(String, IpAddr)> {
        let table = self.files.text("proc/net/route").unwrap_or_default();
        let v4 = default_v4(&table);
        let v4 = v4
            .into_iter()
            .map(|route| (route.device.to_owned(), IpAddr::V4(route.gateway)));
        let mut ways = Vec::new();
        for way in v4.chain(self.default_v6()) {
            if ways.len() < MAX_WAYS && !ways.contains(&way) {
                ways.push(way);
            }
        }
        ways
    }

    /// True if any table of IPv4 has a default route, or its two halves: policy routing keeps them
    /// out of the main one.
    pub(super) fn has_default_v4(&self) -> bool {
        let trie = self.files.text("proc/net/fib_trie").unwrap_or_default();
        fib_trie::has_default(&trie)
    }

    /// /proc/net/ipv6_route, all tables: target, its length, source, its length, next hop, metric,
    /// two counters, flags, device.
    ///
    /// A route that covers 2000::/3 leads to the whole of the world: `::/0`, that half of it, or
    /// just this, which some routers announce.
    fn default_v6(&self) -> Vec<(String, IpAddr)> {
        let table = self.files.text("proc/net/ipv6_route").unwrap_or_default();
        let mut found: Vec<(u32, &str, Ipv6Addr)> = table
            .lines()
            .filter_map(|line| {
                let words: Vec<&str> = line.split_ascii_whitespace().collect();
                let [target, length, _, _, hop, metric, _, _, flags, device] = words[..] else {
                    return None;
                };
                let number = |hex| u32::from_str_radix(hex, 16).ok();
                let usable = number(flags)? & (RTF_UP | RTF_REJECT) == RTF_UP && device != "lo";
                let to_all = usable && covers_global_v6(hex_v6(target)?, number(length)?);
                to_all.then_some((number(metric)?, device, hex_v6(hop)?))
            })
            .collect();
        found.sort_by_key(|(metric, _, _)| *metric);
        let found = found.into_iter();
        found
            .map(|(_, device, hop)| (device.to_owned(), IpAddr::V6(hop)))
            .collect()
    }

    /// The address of each device in /proc/net/if_inet6 that is no link-local one: address, index,
    /// prefix length, scope (00 = global), flags, device.
    fn addresses_v6(&self) -> HashMap<String, Ipv6Addr> {
        let mut addresses = HashMap::new();
        let table = self.files.text("proc/net/if_inet6").unwrap_or_default();
        for line in table.lines() {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            if let [address, _, _, "00", _, device] = words[..] {
                if let Some(address) = hex_v6(address) {
                    let known = addresses.entry(device.to_owned()).or_insert(None);
                    better_v6(known, address);
                }
            }
        }
        addresses
            .into_iter()
            .filter_map(|(device, address)| Some((device, address?)))
            .collect()
    }

    /// This device's own addresses.
    fn addresses_v4(&self) -> Vec<Ipv4Addr> {
        let trie = self.files.text("proc/net/fib_trie").unwrap_or_default();
        fib_trie::local(&trie)
    }
}

/// The default routes in the text of /proc/net/route, by metric; else the first of the two halves
/// (0.0.0.0/1 and 128.0.0.0/1), which VPNs lay over them.
fn default_v4(table: &str) -> Vec<Route<'_>> {
    let to = |target: Ipv4Addr, mask: Ipv4Addr| {
        let to = routes(table).filter(|route| route.target == target && route.mask == mask);
        let mut to: Vec<Route<'_>> = to.collect();
        to.sort_by_key(|route| route.metric);
        to
    };
    const HALF: Ipv4Addr = Ipv4Addr::new(128, 0, 0, 0);
    let any = Ipv4Addr::UNSPECIFIED;
    let whole = to(any, any);
    match whole.is_empty() && !to(HALF, HALF).is_empty() {
        true => to(any, HALF),
        false => whole,
    }
}

/// True if every global unicast address (2000::/3) lies in this network.
fn covers_global_v6(target: Ipv6Addr, length: u32) -> bool {
    const GLOBAL: u128 = 0x2000 << 112;
    length <= 3 && (target.to_bits() ^ GLOBAL).leading_zeros() >= length
}

/// The lines of /proc/net/route that are up.
fn routes(table: &str) -> impl Iterator<Item = Route<'_>> {
    table.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [device, target, gateway, flags, _, _, metric, mask, ..] = words[..] else {
            return None;
        };
        // What a reject route covers is known to be unreachable.
        (u32::from_str_radix(flags, 16).ok()? & (RTF_UP | RTF_REJECT) == RTF_UP).then_some(())?;
        Some(Route {
            device,
            target: hex_v4(target)?,
            gateway: hex_v4(gateway)?,
            mask: hex_v4(mask)?,
            metric: metric.parse().ok()?,
        })
    })
}

/// Which of our own addresses lies in a network that `device` is connected to.
fn address_on(device: &str, table: &str, local: &[Ipv4Addr]) -> Option<Ipv4Addr> {
    let connected = |route: &Route<'_>| {
        route.device == device && route.gateway.is_unspecified() && !route.mask.is_unspecified()
    };
    routes(table).filter(connected).find_map(|route| {
        let mut inside = local.iter().copied();
        inside.find(|ip| ip.to_bits() & route.mask.to_bits() == route.target.to_bits())
    })
}

/// The kernel prints the address as the number its four bytes make on this machine.
fn hex_v4(hex: &str) -> Option<Ipv4Addr> {
    let number = u32::from_str_radix(hex, 16).ok()?;
    Some(Ipv4Addr::from(number.to_ne_bytes()))
}

fn hex_v6(hex: &str) -> Option<Ipv6Addr> {
    (hex.len() == 32).then_some(())?;
    Some(Ipv6Addr::from_bits(u128::from_str_radix(hex, 16).ok()?))
}
