//! /proc/net/route and /proc/net/ipv6_route: which way out is in force.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::files::Files;

/// Flags of a route, from the kernel's headers.
const RTF_UP: u32 = 1;
const RTF_REJECT: u32 = 0x200;

/// Routes to what a device is connected to that are kept.
const MAX_CONNECTED: usize = 4096;

/// Default routes of a kind that are kept.
const MAX_WAYS: usize = 8;

/// A default route.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    pub(crate) device: String,
    /// Unspecified on a point-to-point link.
    pub(crate) hop: IpAddr,
    metric: u32,
}

/// Default routes of one kind, the one in force first, as far as it is known, and then by their metric; of those that differ in nothing else the best.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ways(Vec<Way>);

/// A route of the main table of IPv4.
#[derive(Debug)]
struct Route {
    device: String,
    target: Ipv4Addr,
    mask: Ipv4Addr,
}

/// As much of the main table of IPv4 as matters here.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    /// The table could be read to its end, so that what is not in it is not in force.
    pub(crate) whole: bool,
    /// 0.0.0.0/0, 0.0.0.0/1 and 128.0.0.0/1.
    defaults: [Ways; 3],
    /// Without a gateway, in the order of the table.
    connected: Vec<Route>,
}

impl Routes {
    pub(crate) fn read(files: &Files) -> Self {
        let mut routes = Routes::default();
        routes.whole = files.lines("proc/net/route", &mut |line| {
            // Another shape of line is none of a route's.
            routes.line(line).unwrap_or_default();
        });
        routes
    }

    /// Interface, destination, gateway, flags, two counters, metric, mask, …; skips what is not up.
    fn line(&mut self, line: &str) -> Option<()> {
        let mut words = line.split_ascii_whitespace();
        let device = words.next()?;
        let (target, gateway) = (hex_v4(words.next()?)?, hex_v4(words.next()?)?);
        let flags = u32::from_str_radix(words.next()?, 16).ok()?;
        let (metric, mask) = (words.nth(2)?.parse().ok()?, hex_v4(words.next()?)?);
        // A reject route makes what it covers unreachable.
        (flags & (RTF_UP | RTF_REJECT) == RTF_UP).then_some(())?;
        let route = || Route {
            device: device.to_owned(),
            target,
            mask,
        };
        const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
        const HALF: Ipv4Addr = Ipv4Addr::new(128, 0, 0, 0);
        let defaults = [(ANY, ANY), (ANY, HALF), (HALF, HALF)];
        if let Some(at) = defaults.iter().position(|of| *of == (target, mask)) {
            self.defaults[at].add(device, gateway.into(), metric);
        } else if gateway.is_unspecified() && self.connected.len() < MAX_CONNECTED {
            // A node of a mesh has thousands of routes to single hosts; of each device one says enough.
            let to_host = mask == Ipv4Addr::BROADCAST;
            let mut known = self.connected.iter();
            if !to_host || !known.any(|of| of.mask == mask && of.device == device) {
                self.connected.push(route());
            }
        }
        Some(())
    }

    /// The default routes, else the first of their two halves, which VPNs lay over them.
    pub(crate) fn ways(&self) -> &Ways {
        let [any, lower, upper] = &self.defaults;
        match any.0.is_empty() && !upper.0.is_empty() {
            true => lower,
            false => any,
        }
    }

    /// Which of our own addresses the device has.
    ///
    /// It lies in a network that the device is connected to. A link of a single peer (PPP, WireGuard, a lease
    /// of one address) has no such network; it has the one address that no other device can have.
    pub(crate) fn address_on(&self, device: &str, local: &[Ipv4Addr]) -> Option<Ipv4Addr> {
        let networks = self.connected.iter().filter(|of| of.device == device);
        let mut inside = networks.filter_map(|network| {
            let mut inside = local.iter().copied();
            inside.find(|ip| network.has_neighbours() && network.covers(*ip))
        });
        if let Some(ip) = inside.next() {
            return Some(ip);
        }
        let mut left = self.left(local);
        let only = left.next().filter(|_| left.next().is_none())?;
        self.lacks_network(device, local).then_some(only)
    }

    /// True if the device may have one of our addresses that lie in nobody's network.
    pub(crate) fn may_have_address(&self, device: &str, local: &[Ipv4Addr]) -> bool {
        self.lacks_network(device, local) && self.left(local).next().is_some()
    }

    /// The addresses that lie in no network of any device.
    fn left<'a>(&'a self, local: &'a [Ipv4Addr]) -> impl Iterator<Item = Ipv4Addr> + 'a {
        local.iter().copied().filter(|ip| {
            let mut networks = self.connected.iter();
            !ip.is_loopback() && !networks.any(|of| of.has_neighbours() && of.covers(*ip))
        })
    }

    /// True for a device that routes lead to and that no address of ours lies in a network of.
    fn lacks_network(&self, device: &str, local: &[Ipv4Addr]) -> bool {
        let mut ways = self.defaults.iter().flat_map(|ways| &ways.0);
        let mut routes = self.connected.iter();
        let mut connected = self.connected.iter().filter(|of| of.device == device);
        let mut ours = local.iter();
        device != "lo"
            && (routes.any(|of| of.device == device) || ways.any(|way| way.device == device))
            && !connected.any(|of| of.has_neighbours() && ours.any(|ip| of.covers(*ip)))
    }
}

impl Way {
    pub(crate) fn gateway(&self) -> Option<IpAddr> {
        Some(self.hop).filter(|hop| !hop.is_unspecified())
    }
}

impl Ways {
    pub(super) fn add(&mut self, device: &str, hop: IpAddr, metric: u32) {
        let at = self.0.partition_point(|way| way.metric <= metric);
        let is_same = |way: &Way| way.device == device && way.hop == hop;
        if self.0[..at].iter().any(is_same) {
            return;
        }
        self.0.retain(|way| !is_same(way));
        self.insert(at, device, hop, metric);
    }

    /// Puts the way that is in force before the others.
    pub(super) fn put_first(&mut self, device: &str, hop: IpAddr, metric: u32) {
        self.0.retain(|way| way.device != device || way.hop != hop);
        self.insert(0, device, hop, metric);
    }

    /// Inserts a way; of too many one without a gateway is left out, which cannot be asked whether it works, but not the
    /// best.
    fn insert(&mut self, at: usize, device: &str, hop: IpAddr, metric: u32) {
        let way = Way {
            device: device.to_owned(),
            hop,
            metric,
        };
        self.0.insert(at, way);
        if let Some((_, others)) = self.0.split_first().filter(|_| self.0.len() > MAX_WAYS) {
            let mute = others.iter().rposition(|way| way.gateway().is_none());
            self.0.remove(mute.map_or(MAX_WAYS, |at| at + 1));
        }
    }

    pub(crate) fn best(&self) -> Option<&Way> {
        self.0.first()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Way> {
        self.0.iter()
    }
}

impl Route {
    fn covers(&self, ip: Ipv4Addr) -> bool {
        ip.to_bits() & self.mask.to_bits() == self.target.to_bits()
    }

    /// The network has room for more than its peer.
    fn has_neighbours(&self) -> bool {
        self.mask != Ipv4Addr::BROADCAST && !self.mask.is_unspecified()
    }
}

/// The default routes of IPv6, of all tables: target, its length, source, its length, next hop, metric,
/// two counters, flags, device.
///
/// A route that covers 2000::/3 leads to the whole of the world: `::/0`, that half of it, or just
/// this, which some routers announce.
pub(crate) fn ways_v6(files: &Files) -> Ways {
    let mut ways = Ways::default();
    let mut line = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let number = |hex| u32::from_str_radix(hex, 16).ok();
        let (target, length) = (words.next()?, number(words.next()?)?);
        // Nearly all are longer, and done with here.
        (length <= 3).then_some(())?;
        let (hop, metric) = (hex_v6(words.nth(2)?)?, number(words.next()?)?);
        let (flags, device) = (number(words.nth(2)?)?, words.next()?);
        let usable = flags & (RTF_UP | RTF_REJECT) == RTF_UP && device != "lo";
        let to_all = usable && covers_global_v6(hex_v6(target)?, length);
        if to_all {
            ways.add(device, hop.into(), metric);
        }
        Some(())
    };
    files.lines("proc/net/ipv6_route", &mut |text| {
        line(text).unwrap_or_default()
    });
    ways
}

/// True if every global unicast address (2000::/3) lies in this network.
pub(super) fn covers_global_v6(target: Ipv6Addr, length: u32) -> bool {
    const GLOBAL: u128 = 0x2000 << 112;
    length <= 3 && (target.to_bits() ^ GLOBAL).leading_zeros() >= length
}

/// The kernel prints the address as the number its four bytes make on this machine.
fn hex_v4(hex: &str) -> Option<Ipv4Addr> {
    let number = u32::from_str_radix(hex, 16).ok()?;
    Some(Ipv4Addr::from(number.to_ne_bytes()))
}

pub(crate) fn hex_v6(hex: &str) -> Option<Ipv6Addr> {
    (hex.len() == 32).then_some(())?;
    Some(Ipv6Addr::from_bits(u128::from_str_radix(hex, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tunnels_without_a_gateway_leave_room_for_every_gateway() {
        let mut ways = Ways::default();
        for tunnel in 0..MAX_WAYS {
            ways.add(&format!("wg{tunnel}"), Ipv4Addr::UNSPECIFIED.into(), 0);
        }
        let hops = [[192, 0, 2, 1], [198, 51, 100, 1]].map(IpAddr::from);
        ways.add("wan", hops[0], 10);
        ways.add("wanb", hops[1], 20);
        ways.add("wg9", Ipv4Addr::UNSPECIFIED.into(), 30);
        let gateways: Vec<IpAddr> = ways.iter().filter_map(Way::gateway).collect();
        assert_eq!(gateways, hops);
        assert_eq!(ways.iter().count(), MAX_WAYS);
        assert_eq!(ways.best().unwrap().device, "wg0");

        // Of gateways alone those of the best metrics are kept, and the one that is in force.
        for host in 0..MAX_WAYS {
            ways.add("lan", IpAddr::from([203, 0, 113, host as u8]), 40);
        }
        ways.put_first("wwan", hops[0], 50);
        assert_eq!(ways.iter().count(), MAX_WAYS);
        let devices: Vec<&str> = ways.iter().map(|way| &*way.device).collect();
        assert_eq!(devices[..3], ["wwan", "wan", "wanb"]);
    }
}
