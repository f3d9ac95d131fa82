//! Who has which address and calls itself what, as odhcpd and rpcd (which reads the files of all
//! DHCP servers) tell it.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::reply::{Field, Fields, MAX_ENTRIES};
use super::report::Lease;
use crate::mac::Mac;

/// The leases of one source that have not expired.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Leases {
    pub(super) v4: Vec<Lease>,
    pub(super) v6: Vec<Lease6>,
    /// There were more than are looked at.
    pub(super) cut_short: bool,
}

/// An address of IPv6 of a station.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lease6 {
    pub(super) mac: Mac,
    pub(super) ip: Ipv6Addr,
    pub(super) name: Option<String>,
}

impl Leases {
    /// `dhcp ipv4leases`; `None` if it is something else.
    pub(super) fn of_odhcpd_v4(reply: Fields<'_>, now: u64) -> Option<Self> {
        let mut leases = Leases::default();
        for lease in of_odhcpd(reply)? {
            let mut read = Read::default();
            for (name, field) in lease.fields() {
                match name {
                    b"mac" => read.mac = field.str().and_then(Mac::parse),
                    b"hostname" => read.name = field.text(),
                    b"address" => read.v4 = field.parse(),
                    b"flags" => {
                        read.unbound = !field.fields().any(|(_, flag)| flag.str() == Some("bound"))
                    }
                    b"valid" => read.left = field.i32(),
                    _ => {}
                }
            }
            leases.v4.extend(read.lease(now));
        }
        Some(leases)
    }

    /// `dhcp ipv6leases`; `None` if it is something else. Delegated prefixes are no addresses.
    pub(super) fn of_odhcpd_v6(reply: Fields<'_>) -> Option<Self> {
        let mut leases = Leases::default();
        for lease in of_odhcpd(reply)? {
            let mut read = Read::default();
            for (name, field) in lease.fields() {
                match name {
                    b"duid" => read.mac = field.str().and_then(mac_of_duid),
                    b"hostname" => read.name = field.text(),
                    b"ipv6-addr" => {
                        let list = field.fields();
                        read.v6 = list
                            .list(|_, one| one.fields().named(b"address")?.parse())
                            .items;
                    }
                    b"valid" => read.left = field.i32(),
                    _ => {}
                }
            }
            leases.v6.extend(read.leases6());
        }
        Some(leases)
    }

    /// `luci-rpc getDHCPLeases`; `None` if it is something else.
    pub(super) fn of_luci(reply: Fields<'_>, now: u64) -> Option<Self> {
        let mut leases = Leases::default();
        let mut known = false;
        for (family, list) in reply {
            let v4 = match family {
                b"dhcp_leases" => true,
                b"dhcp6_leases" => false,
                _ => continue,
            };
            let Some(list) = list.array() else { continue };
            known = true;
            for (at, (_, lease)) in list.enumerate() {
                if at == MAX_ENTRIES {
                    leases.cut_short = true;
                    break;
                }
                let read = Read::of_luci(lease.fields());
                match v4 {
                    true => leases.v4.extend(read.lease(now)),
                    false => leases.v6.extend(read.leases6()),
                }
            }
        }
        known.then_some(leases)
    }
}

/// The leases of all interfaces of odhcpd; `None` if there is no table of interfaces.
fn of_odhcpd<'a>(reply: Fields<'a>) -> Option<impl Iterator<Item = Field<'a>>> {
    let interfaces = reply.named(b"device")?.table()?;
    let leases = interfaces.flat_map(|(_, of)| of.fields().named(b"leases"));
    let leases = leases.flat_map(|leases| leases.fields());
    Some(leases.map(|(_, lease)| lease).take(MAX_ENTRIES))
}

/// A lease of a reply, before it is clear whether it is one.
#[derive(Default)]
struct Read {
    mac: Option<Mac>,
    name: Option<String>,
    v4: Option<Ipv4Addr>,
    v6: Vec<Ipv6Addr>,
    /// Reserved, not given out.
    unbound: bool,
    /// Seconds; below 0 = for ever.
    left: Option<i32>,
}

impl Read {
    fn of_luci(lease: Fields<'_>) -> Self {
        let mut read = Read::default();
        let mut first: Option<Ipv6Addr> = None;
        for (name, field) in lease {
            match name {
                b"macaddr" => read.mac = field.str().and_then(Mac::parse),
                b"hostname" => read.name = field.text(),
                b"ipaddr" => read.v4 = field.parse(),
                b"ip6addr" => first = field.parse(),
                // Those of other lengths are prefixes.
                b"ip6addrs" => {
                    let whole = |field: Field<'_>| field.str()?.strip_suffix("/128")?.parse().ok();
                    read.v6 = field.fields().list(|_, one| whole(one)).items;
                    first = None;
                }
                // "false" is for ever.
                b"expires" => read.left = field.bool().map_or_else(|| field.i32(), |_| Some(-1)),
                _ => {}
            }
        }
        read.v6.extend(first);
        read
    }

    fn has_expired(&self) -> bool {
        self.left == Some(0) || self.unbound
    }

    fn lease(self, now: u64) -> Option<Lease> {
        if self.has_expired() {
            return None;
        }
        Some(Lease {
            mac: self.mac?,
            ip: self.v4?,
            name: self.name,
            expires: self
                .left
                .and_then(|left| now.checked_add(left.try_into().ok()?)),
        })
    }

    fn leases6(self) -> impl Iterator<Item = Lease6> {
        let mac = self.mac.filter(|_| !self.has_expired());
        self.v6.into_iter().filter_map(move |ip| {
            Some(Lease6 {
                mac: mac?,
                ip,
                name: self.name.clone(),
            })
        })
    }
}

/// The Ethernet address in a DUID of type 1 (link-layer address and time) or 3 (link-layer
/// address), RFC 8415 sections 11.2 and 11.4; in hex, with or without colons.
pub(super) fn mac_of_duid(duid: &str) -> Option<Mac> {
    let duid: String = duid.chars().filter(|c| *c != ':').collect();
    let mac = match duid.get(..8)? {
        "00010001" => duid.get(16..)?,
        "00030001" => duid.get(8..)?,
        _ => return None,
    };
    Mac::parse(mac)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::tests::samples::{data, json, value, NOW};

    fn reply(path: &str) -> Vec<u8> {
        value(path).to_members()
    }

    #[test]
    fn all_servers_tell_the_same_of_the_same_leases() {
        let file = std::fs::read(data("samples/dhcp.leases")).unwrap();
        let file = Leases::of_file(&file, NOW).v4;
        for path in [
            "luci-rpc__getDHCPLeases.json",
            "variants/luci-rpc__getDHCPLeases.25.12.json",
        ] {
            let reply = reply(path);
            let luci = Leases::of_luci(Fields::of(&reply), NOW).unwrap();
            assert_eq!(luci.v4, file, "{path}");
            // A delegated prefix is no address.
            assert_eq!(luci.v6.len(), 2, "{path}");
            assert_eq!(luci.v6[0].ip.to_string(), "2001:db8:100::c4e");
        }
        for release in ["24.10", "25.12"] {
            let path = format!("variants/dhcp__ipv4leases.odhcpd-maindhcp.{release}.json");
            let reply = reply(&path);
            let mut odhcpd = Leases::of_odhcpd_v4(Fields::of(&reply), NOW).unwrap().v4;
            let mut file = file.clone();
            for list in [&mut odhcpd, &mut file] {
                list.sort_by_key(|lease| lease.mac);
            }
            assert_eq!(odhcpd, file, "{release}");
        }
        let reply = reply("dhcp__ipv6leases.json");
        let v6 = Leases::of_odhcpd_v6(Fields::of(&reply)).unwrap().v6;
        let shown: Vec<String> = v6.iter().map(|lease| lease.ip.to_string()).collect();
        assert_eq!(shown, ["2001:db8:100::c4e", "fd5a:3c1e:7b42::c4e"]);
        assert_eq!(v6[0].mac, Mac::parse("3c:22:fb:10:20:31").unwrap());
        assert_eq!(v6[0].name.as_deref(), Some("anna-macbook"));
    }

    #[test]
    fn leases_that_expired_or_were_only_reserved_are_none() {
        let reply = json(
            r#"{"device":{"br-lan":{"leases":[
                {"mac":"3c22fb102031","address":"10.0.0.1","flags":["bound"],"valid":0},
                {"mac":"3c22fb102032","address":"10.0.0.2","flags":["static"],"valid":100},
                {"mac":"3c22fb102033","address":"10.0.0.3","flags":["bound"],"valid":100},
                {"mac":"x","address":"10.0.0.4"},{"address":"10.0.0.5"},7]}}}"#,
        );
        let leases = Leases::of_odhcpd_v4(Fields::of(&reply.to_members()), NOW).unwrap();
        assert_eq!(
            leases.v4,
            [Lease {
                mac: Mac::parse("3c:22:fb:10:20:33").unwrap(),
                ip: "10.0.0.3".parse().unwrap(),
                name: None,
                expires: Some(NOW + 100),
            }]
        );
        for strange in ["{}", r#"{"device":[]}"#, r#"{"dhcp_leases":{}}"#] {
            let reply = json(strange).to_members();
            assert_eq!(Leases::of_odhcpd_v4(Fields::of(&reply), NOW), None);
            assert_eq!(Leases::of_odhcpd_v6(Fields::of(&reply)), None);
            assert_eq!(Leases::of_luci(Fields::of(&reply), NOW), None);
        }
    }
}
