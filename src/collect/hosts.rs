//! Names and addresses of stations, from whoever knows them.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::leases::Leases;
use super::network::better_v6;
use super::reply::{Fields, List};
use super::report::Lease;
use crate::mac::Mac;

/// What is known of one station.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Host {
    pub(super) ip: Option<Ipv4Addr>,
    /// A public one if there is one.
    pub(super) ip6: Option<Ipv6Addr>,
    pub(super) name: Option<String>,
}

/// A host as one source has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hint {
    mac: Mac,
    host: Host,
}

/// All hosts by address. Whoever is asked first decides; the next fills in what is still missing.
#[derive(Debug, Default)]
pub(super) struct Hosts(HashMap<Mac, Host>);

impl Hosts {
    pub(super) fn get(&self, mac: Mac) -> Option<&Host> {
        self.0.get(&mac)
    }

    /// Takes leases in; of several of one station that which lasts longest.
    pub(super) fn add_leases(&mut self, leases: &Leases) {
        let mut v4: Vec<&Lease> = leases.v4.iter().rev().collect();
        v4.sort_by_key(|lease| Reverse(lease.expires.unwrap_or(u64::MAX)));
        for lease in v4 {
            self.add(lease.mac, Some(lease.ip), None, lease.name.as_ref());
        }
        for lease in &leases.v6 {
            self.add(lease.mac, None, Some(lease.ip), lease.name.as_ref());
        }
    }

    pub(super) fn add_hints(&mut self, hints: &[Hint]) {
        for Hint { mac, host } in hints {
            self.add(*mac, host.ip, host.ip6, host.name.as_ref());
        }
    }

    fn add(
        &mut self,
        mac: Mac,
        ip: Option<Ipv4Addr>,
        ip6: Option<Ipv6Addr>,
        name: Option<&String>,
    ) {
        let host = self.0.entry(mac).or_default();
        host.ip = host.ip.or(ip);
        if let Some(ip6) = ip6 {
            better_v6(&mut host.ip6, ip6);
        }
        if host.name.is_none() {
            host.name = name.cloned();
        }
    }
}

impl Hint {
    /// The hosts of `luci-rpc getHostHints`.
    pub(super) fn read_all(reply: Fields<'_>) -> Vec<Self> {
        let hints: List<Hint> = reply.list(|mac, hint| {
            let mac = Mac::parse(std::str::from_utf8(mac).ok()?)?;
            let mut host = Host::default();
            for (name, field) in hint.table()? {
                match name {
                    b"ipaddrs" => host.ip = field.fields().find_map(|(_, ip)| ip.parse()),
                    b"ip6addrs" => {
                        let addresses = field.fields().filter_map(|(_, ip)| ip.parse());
                        let routed = addresses.filter(|ip: &Ipv6Addr| !ip.is_unicast_link_local());
                        routed.for_each(|ip| better_v6(&mut host.ip6, ip));
                    }
                    b"name" => host.name = field.text(),
                    _ => {}
                }
            }
            Some(Hint { mac, host })
        });
        hints.items
    }

    /// The neighbours in /proc/net/arp: address, type of hardware, flags, MAC, mask, device.
    pub(super) fn read_neighbours(table: &str) -> Vec<Self> {
        let neighbours = table.lines().skip(1).filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let ip = words.next()?.parse().ok()?;
            let flags = u32::from_str_radix(words.nth(1)?.strip_prefix("0x")?, 16).ok()?;
            let mac = Mac::parse(words.next()?)?;
            (flags & ATF_COM != 0 && mac.is_individual()).then(|| Hint {
                mac,
                host: Host {
                    ip: Some(ip),
                    ..Host::default()
                },
            })
        });
        neighbours.take(MAX_NEIGHBOURS).collect()
    }
}

/// The neighbour has answered; from the kernel's headers.
const ATF_COM: u32 = 2;

/// Neighbours that are looked at.
const MAX_NEIGHBOURS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::tests::samples::value;

    fn mac(text: &str) -> Mac {
        Mac::parse(text).unwrap()
    }

    #[test]
    fn of_two_leases_the_one_that_lasts_longest_names_the_station() {
        let file = b"1751489120 00:11:32:9c:4d:5e 10.0.0.1 a *\n\
            0 00:11:32:9c:4d:5e 10.0.0.2 b *\n1751489121 00:11:32:9c:4d:5e 10.0.0.3 c *\n";
        let mut hosts = Hosts::default();
        hosts.add_leases(&Leases::of_file(file, 1_751_450_000));
        let host = hosts.get(mac("00:11:32:9c:4d:5e")).unwrap();
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
        hosts.add_hints(&Hint::read_neighbours(neighbours));
        let ip = |last: &str| {
            let host = hosts.get(mac(&format!("00:11:32:9c:4d:{last}")));
            host.and_then(|host| host.ip).map(|ip| ip.to_string())
        };
        assert_eq!(ip("5e").as_deref(), Some("10.0.0.1"));
        assert_eq!(ip("5f").as_deref(), Some("10.0.0.3"));
        assert_eq!(ip("60").as_deref(), Some("10.0.0.4"));
        assert_eq!(ip("61"), None);
        assert_eq!(hosts.0.len(), 3);
        let nas = hosts.get(mac("00:11:32:9c:4d:5e")).unwrap();
        assert_eq!(nas.name.as_deref(), Some("nas"));
    }

    #[test]
    fn hints_name_hosts_and_an_address_of_the_link_alone_is_none() {
        let reply = value("luci-rpc__getHostHints.json").to_members();
        let mut hosts = Hosts::default();
        hosts.add_hints(&Hint::read_all(Fields::of(&reply)));
        let laptop = hosts.get(mac("3c:22:fb:10:20:31")).unwrap();
        assert_eq!(laptop.name.as_deref(), Some("anna-macbook"));
        assert_eq!(laptop.ip6, "2001:db8:100::c4e".parse().ok());
        let phone = hosts.get(mac("da:5b:0e:4c:99:17")).unwrap();
        assert_eq!((phone.ip6, &phone.name), (None, &None));
        assert_eq!(phone.ip, "192.168.8.174".parse().ok());
    }
}
