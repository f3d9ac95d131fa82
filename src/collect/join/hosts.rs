//! Names and addresses of stations, from every source that knows them.
//!
//! A station may have leases in several networks, and others guess: rpcd lists for a host that answers ARP for
//! its neighbours all their addresses. So all that is said is kept, and an address is chosen when it is
//! known which network the station is in.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::collect::report::Lease;
use crate::collect::sources::dhcp::leases::{host_name, Leases};
use crate::collect::sources::netifd::network::{better_v6, Dump, Subnet};
use crate::collect::sources::reply::{Fields, List};
use crate::mac::Mac;
use crate::sorted;

/// Addresses that are kept of one station.
const MAX_CLAIMS: usize = 32;

/// The facts about a station in the network it is in.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Host {
    pub(crate) ip: Option<Ipv4Addr>,
    /// A public one if there is one.
    pub(crate) ip6: Option<Ipv6Addr>,
    pub(crate) name: Option<String>,
}

/// Everything said of one station.
#[derive(Debug, Default)]
struct Known {
    v4: Vec<Claim>,
    v6: Vec<Ipv6Addr>,
    name: Option<String>,
}

/// An address that a station is said to have.
#[derive(Debug, Clone, Copy)]
struct Claim {
    ip: Ipv4Addr,
    leased: bool,
    /// It is in the kernel's neighbour table.
    heard: bool,
}

/// A host as one source has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hint {
    mac: Mac,
    v4: Vec<Ipv4Addr>,
    v6: Vec<Ipv6Addr>,
    name: Option<String>,
}

/// This device itself, which others take for its stations.
pub(crate) struct Ours<'a> {
    pub(crate) dump: &'a Dump,
    pub(crate) name: Option<&'a str>,
}

/// Where a station is.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// The networks it may have addresses of, if that is known.
    pub(crate) own: Vec<Subnet>,
    /// The other networks of this device, unless it may be in one of them.
    pub(crate) elsewhere: Vec<Subnet>,
}

/// All hosts by address. The first source decides; the next fills in what is still missing.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    stations: HashMap<Mac, usize>,
    known: Vec<Known>,
    /// The holder of each address's lease.
    leased: HashMap<IpAddr, Mac>,
}

impl Place {
    fn is_inside(&self, ip: IpAddr) -> bool {
        self.own.iter().any(|subnet| subnet.contains(ip))
    }

    /// The address belongs to a network that the station is not in.
    fn has_left(&self, ip: IpAddr) -> bool {
        let known = self.own.iter().any(|subnet| subnet.is_of(ip));
        known && !self.is_inside(ip) && self.elsewhere.iter().any(|subnet| subnet.contains(ip))
    }
}

impl Hosts {
    /// The facts about a station in that place.
    pub(crate) fn host(&self, mac: Mac, place: &Place) -> Host {
        let Some(at) = self.stations.get(&mac) else {
            return Host::default();
        };
        let known = &self.known[*at];
        let possible = known.v4.iter().rev();
        let possible = possible.filter(|claim| claim.heard || !place.has_left(claim.ip.into()));
        // Of equals the last counts, which was reported first.
        let best = possible
            .max_by_key(|claim| (place.is_inside(claim.ip.into()), claim.leased, claim.heard));
        let (mut inside, mut other) = (None, None);
        for ip in &known.v6 {
            match place.is_inside((*ip).into()) {
                true => better_v6(&mut inside, *ip),
                false if place.has_left((*ip).into()) => {}
                false => better_v6(&mut other, *ip),
            }
        }
        Host {
            ip: best.map(|claim| claim.ip),
            ip6: inside.or(other),
            name: known.name.clone(),
        }
    }

    /// Takes leases in; of several of one station that which lasts longest comes first.
    pub(crate) fn add_leases(&mut self, leases: &Leases) {
        let mut v4: Vec<&Lease> = leases.v4.iter().rev().collect();
        sorted::by_key(&mut v4, |lease| Reverse(lease.expires.unwrap_or(u64::MAX)));
        for lease in v4 {
            self.leased.entry(lease.ip.into()).or_insert(lease.mac);
            self.known(lease.mac, lease.name.as_ref())
                .claim(lease.ip, true);
        }
        for lease in &leases.v6 {
            self.leased.entry(lease.ip.into()).or_insert(lease.mac);
            self.known(lease.mac, lease.name.as_ref()).add_v6(lease.ip);
        }
    }

    /// Takes in what rpcd makes of the neighbour table and of the DNS: a guess, so nothing that
    /// belongs to this device or to the holder of a lease is believed of others.
    pub(crate) fn add_hints(&mut self, hints: &[Hint], ours: &Ours<'_>) {
        for hint in hints {
            let belongs = |ip: &IpAddr| self.may_have(hint.mac, *ip, ours);
            let (all, v4, v6) = hint.of(belongs);
            // Named after the first of its addresses, whosever it is.
            let name = hint.name.as_ref();
            let name = name.filter(|name| all && !ours.is_called(name));
            let known = self.known(hint.mac, name);
            v4.into_iter().for_each(|ip| known.claim(ip, false));
            v6.into_iter().for_each(|ip| known.add_v6(ip));
        }
    }

    /// Takes in the kernel's neighbour table: who answered for an address lately.
    pub(crate) fn add_neighbours(&mut self, neighbours: &[Hint], ours: &Ours<'_>) {
        for hint in neighbours {
            let (_, v4, v6) = hint.of(|ip| self.may_have(hint.mac, *ip, ours));
            let known = self.known(hint.mac, None);
            for ip in v4 {
                known.claim(ip, false);
                let claims = known.v4.iter_mut().filter(|claim| claim.ip == ip);
                claims.for_each(|claim| claim.heard = true);
            }
            v6.into_iter().for_each(|ip| known.add_v6(ip));
        }
    }

    fn may_have(&self, mac: Mac, ip: IpAddr, ours: &Ours<'_>) -> bool {
        !ours.dump.is_ours(ip) && self.leased.get(&ip).is_none_or(|of| *of == mac)
    }

    fn known(&mut self, mac: Mac, name: Option<&String>) -> &mut Known {
        let at = *self.stations.entry(mac).or_insert(self.known.len());
        if at == self.known.len() {
            self.known.push(Known::default());
        }
        let known = &mut self.known[at];
        if known.name.is_none() {
            known.name = name.cloned();
        }
        known
    }
}

impl Known {
    fn claim(&mut self, ip: Ipv4Addr, leased: bool) {
        let known = self.v4.iter().any(|claim| claim.ip == ip);
        if !known && self.v4.len() < MAX_CLAIMS {
            let heard = false;
            self.v4.push(Claim { ip, leased, heard });
        }
    }

    fn add_v6(&mut self, ip: Ipv6Addr) {
        if !self.v6.contains(&ip) && self.v6.len() < MAX_CLAIMS {
            self.v6.push(ip);
        }
    }
}

impl Ours<'_> {
    /// Is this our name, with a domain or without?
    fn is_called(&self, name: &str) -> bool {
        let first = name.split('.').next();
        let ours = self.name.and_then(|ours| ours.split('.').next());
        ours.zip(first)
            .is_some_and(|(ours, first)| ours.eq_ignore_ascii_case(first))
    }
}

impl Hint {
    /// The addresses that belong to the host, and whether these are all of them.
    fn of(&self, belongs: impl Fn(&IpAddr) -> bool) -> (bool, Vec<Ipv4Addr>, Vec<Ipv6Addr>) {
        let v4 = self.v4.iter().copied();
        let v4: Vec<Ipv4Addr> = v4.filter(|ip| belongs(&(*ip).into())).collect();
        let v6 = self.v6.iter().copied();
        let v6: Vec<Ipv6Addr> = v6.filter(|ip| belongs(&(*ip).into())).collect();
        let all = v4.len() + v6.len() == self.v4.len() + self.v6.len();
        (all, v4, v6)
    }

    /// The hosts of `luci-rpc getHostHints`.
    pub(crate) fn read_all(reply: Fields<'_>) -> List<Self> {
        reply.list(|mac, hint| {
            let mut host = Hint {
                mac: Mac::parse(std::str::from_utf8(mac).ok()?)?,
                v4: Vec::new(),
                v6: Vec::new(),
                name: None,
            };
            for (name, field) in hint.table()? {
                match name {
                    b"ipaddrs" => host.v4 = field.each().filter_map(|ip| ip.parse()).collect(),
                    b"ip6addrs" => {
                        let addresses = field.each().filter_map(|ip| ip.parse());
                        let routed = addresses.filter(|ip: &Ipv6Addr| !ip.is_unicast_link_local());
                        host.v6 = routed.collect();
                    }
                    b"name" => host.name = host_name(field),
                    _ => {}
                }
            }
            Some(host)
        })
    }

    /// Neighbours of IPv6, the likeliest address of each first, and how many did not fit.
    pub(crate) fn of_neighbours(found: Vec<(Mac, Ipv6Addr)>) -> (Vec<Self>, usize) {
        bounded(found.into_iter().map(|(mac, ip)| Hint {
            mac,
            v4: Vec::new(),
            v6: vec![ip],
            name: None,
        }))
    }

    /// The neighbours in /proc/net/arp: address, type of hardware, flags, MAC, mask, device. With the number of those
    /// that did not fit.
    pub(crate) fn read_neighbours(table: &str) -> (Vec<Self>, usize) {
        let neighbours = table.lines().skip(1).filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let ip = words.next()?.parse().ok()?;
            let flags = u32::from_str_radix(words.nth(1)?.strip_prefix("0x")?, 16).ok()?;
            let mac = Mac::parse(words.next()?)?;
            (flags & ATF_COM != 0 && mac.is_individual()).then(|| Hint {
                mac,
                v4: vec![ip],
                v6: Vec::new(),
                name: None,
            })
        });
        bounded(neighbours)
    }
}

fn bounded(mut neighbours: impl Iterator<Item = Hint>) -> (Vec<Hint>, usize) {
    let kept = neighbours.by_ref().take(MAX_NEIGHBOURS).collect();
    (kept, neighbours.count())
}

/// The neighbour has answered; from the kernel's headers.
const ATF_COM: u32 = 2;

/// Neighbours of each family that are looked at.
pub(crate) const MAX_NEIGHBOURS: usize = 4096;

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::collect::tests::samples::value;

    static NOTHING: LazyLock<Dump> = LazyLock::new(Dump::default);

    fn ours() -> Ours<'static> {
        Ours {
            dump: &NOTHING,
            name: None,
        }
    }

    fn mac(text: &str) -> Mac {
        Mac::parse(text).unwrap()
    }

    #[test]
    fn of_two_leases_the_one_that_lasts_longest_names_the_station() {
        let file = b"1751489120 00:11:32:9c:4d:5e 10.0.0.1 a *\n\
            0 00:11:32:9c:4d:5e 10.0.0.2 b *\n1751489121 00:11:32:9c:4d:5e 10.0.0.3 c *\n";
        let mut hosts = Hosts::default();
        hosts.add_leases(&Leases::of_file(file, 1_751_450_000));
        let host = hosts.host(mac("00:11:32:9c:4d:5e"), &Place::default());
        assert_eq!(host.ip, "10.0.0.2".parse().ok());
        assert_eq!(host.name.as_deref(), Some("b"));
    }

    #[test]
    fn the_first_source_decides_and_the_next_fill_in_what_is_missing() {
        let first = Leases::of_file(b"0 00:11:32:9c:4d:5e 10.0.0.1 * *\n", 1);
        let second = Leases::of_file(
            b"0 00:11:32:9c:4d:5e 10.0.0.2 nas *\n0 00:11:32:9c:4d:5f 10.0.0.3 * *\n",
            1,
        );
        let neighbours = "IP address HW type Flags HW address Mask Device\n\
            10.0.0.9 0x1 0x2 00:11:32:9c:4d:5e * br-lan\n\
            10.0.0.4 0x1 0x6 00:11:32:9c:4d:60 * br-lan\n\
            10.0.0.5 0x1 0x0 00:11:32:9c:4d:61 * br-lan\n\
            10.0.0.6 0x1 0x2 00:00:00:00:00:00 * br-lan\n\
            garbage\n\n10.0.0.7 0x1\n";
        let mut hosts = Hosts::default();
        hosts.add_leases(&first);
        hosts.add_leases(&second);
        hosts.add_neighbours(&Hint::read_neighbours(neighbours).0, &ours());
        let ip = |last: &str| {
            let host = hosts.host(mac(&format!("00:11:32:9c:4d:{last}")), &Place::default());
            host.ip.map(|ip| ip.to_string())
        };
        assert_eq!(ip("5e").as_deref(), Some("10.0.0.1"));
        assert_eq!(ip("5f").as_deref(), Some("10.0.0.3"));
        assert_eq!(ip("60").as_deref(), Some("10.0.0.4"));
        assert_eq!(ip("61"), None);
        assert_eq!(hosts.stations.len(), 3);
        let nas = hosts.host(mac("00:11:32:9c:4d:5e"), &Place::default());
        assert_eq!(nas.name.as_deref(), Some("nas"));
    }

    #[test]
    fn hints_name_hosts_and_an_address_of_the_link_alone_is_none() {
        let reply = value("luci-rpc__getHostHints.json").to_members();
        let mut hosts = Hosts::default();
        hosts.add_hints(&Hint::read_all(Fields::of(&reply)).items, &ours());
        let laptop = hosts.host(mac("3c:22:fb:10:20:31"), &Place::default());
        assert_eq!(laptop.name.as_deref(), Some("anna-macbook"));
        assert_eq!(laptop.ip6, "2001:db8:100::c4e".parse().ok());
        let phone = hosts.host(mac("da:5b:0e:4c:99:17"), &Place::default());
        assert_eq!((phone.ip6, &phone.name), (None, &None));
        assert_eq!(phone.ip, "192.168.8.174".parse().ok());
    }
}
