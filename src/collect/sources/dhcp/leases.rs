//! Leases: addresses and host names of stations, as odhcpd and rpcd (which reads the files of all
//! DHCP servers) tell it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::collect::report::Lease;
use crate::collect::sources::reply::Place::{Field as Any, Mac as Address, I32, V4};
use crate::collect::sources::reply::{cut, Field, Fields, MAX_ENTRIES};
use crate::mac::Mac;

/// The leases of one source that have not expired.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Leases {
    pub(crate) v4: Vec<Lease>,
    pub(crate) v6: Vec<Lease6>,
    /// Rows that are understood, those of expired leases among them.
    pub(crate) rows: usize,
    /// Rows that are no lease of anybody, and rows beyond those that are looked at.
    pub(crate) left_out: usize,
}

/// The outcome of reading a row of a list of leases.
pub(crate) enum Row {
    V4(Lease),
    /// Addresses of a station, or only prefixes.
    V6(Vec<Lease6>),
    /// Expired, reserved, or about something else than a station.
    Over,
    Unread,
}

/// An address of IPv6 of a station.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lease6 {
    pub(crate) mac: Mac,
    pub(crate) ip: Ipv6Addr,
    pub(crate) name: Option<String>,
}

impl Leases {
    pub(crate) fn take(&mut self, row: Row) {
        self.rows += usize::from(!matches!(row, Row::Unread));
        match row {
            Row::V4(lease) => self.v4.push(lease),
            Row::V6(leases) => self.v6.extend(leases),
            Row::Over => {}
            Row::Unread => self.left_out += 1,
        }
    }

    /// Reads each of `rows` with `read`, as far as there is room.
    fn read_all<'a>(
        &mut self,
        rows: impl Iterator<Item = Field<'a>>,
        read: impl Fn(Fields<'a>) -> Row,
    ) {
        for (at, row) in rows.enumerate() {
            match row.table() {
                Some(fields) if at < MAX_ENTRIES => self.take(read(fields)),
                _ => self.left_out += 1,
            }
        }
    }

    /// `dhcp ipv4leases`; `None` if it is something else.
    pub(crate) fn of_odhcpd_v4(reply: Fields<'_>, now: u64) -> Option<Self> {
        let mut leases = Leases::default();
        leases.read_all(of_odhcpd(reply)?, |lease| {
            let mut read = Read::default();
            let (mut name, mut flags) = (Field::default(), Field::default());
            lease.read(&mut [
                ("mac", Address(&mut read.mac)),
                ("hostname", Any(&mut name)),
                ("address", V4(&mut read.v4)),
                ("flags", Any(&mut flags)),
                ("valid", I32(&mut read.left)),
            ]);
            read.name = host_name(name);
            let bound = flags.fields().any(|(_, flag)| flag.str() == Some("bound"));
            read.unbound = flags.is_there() && !bound;
            read.lease(now)
        });
        Some(leases)
    }

    /// `dhcp ipv6leases`; `None` if it is something else. Delegated prefixes are no addresses.
    pub(crate) fn of_odhcpd_v6(reply: Fields<'_>) -> Option<Self> {
        let mut leases = Leases::default();
        leases.read_all(of_odhcpd(reply)?, |lease| {
            let mut read = Read::default();
            let (mut duid, mut name) = (Field::default(), Field::default());
            let (mut prefix, mut addresses) = (Field::default(), Field::default());
            lease.read(&mut [
                ("duid", Any(&mut duid)),
                ("hostname", Any(&mut name)),
                ("ipv6-prefix", Any(&mut prefix)),
                ("ipv6-addr", Any(&mut addresses)),
                ("valid", I32(&mut read.left)),
            ]);
            read.duid(duid);
            read.name = host_name(name);
            read.prefix = prefix.is_there();
            let addresses = addresses.fields();
            let addresses = addresses.list(|_, one| one.fields().named(b"address")?.parse());
            read.v6 = addresses.items;
            read.leases6()
        });
        Some(leases)
    }

    /// `luci-rpc getDHCPLeases`; `None` if it is something else.
    pub(crate) fn of_luci(reply: Fields<'_>, now: u64) -> Option<Self> {
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
            leases.read_all(list.map(|(_, lease)| lease), |lease| {
                let read = Read::of_luci(lease);
                match v4 {
                    true => read.lease(now),
                    false => read.leases6(),
                }
            });
        }
        known.then_some(leases)
    }
}

/// The leases of all interfaces of odhcpd; `None` if there is no table of interfaces.
fn of_odhcpd<'a>(reply: Fields<'a>) -> Option<impl Iterator<Item = Field<'a>>> {
    let interfaces = reply.named(b"device")?.table()?;
    let leases = interfaces.flat_map(|(_, of)| of.fields().named(b"leases"));
    let leases = leases.flat_map(|leases| leases.fields());
    Some(leases.map(|(_, lease)| lease))
}

/// A lease of a reply, before it is clear whether it is one.
#[derive(Default)]
struct Read {
    mac: Option<Mac>,
    name: Option<String>,
    v4: Option<Ipv4Addr>,
    v6: Vec<Ipv6Addr>,
    /// A prefix was delegated, which is no address.
    prefix: bool,
    /// Its client names itself by something else than a link-layer address.
    opaque: bool,
    /// Reserved, not given out.
    unbound: bool,
    /// Seconds; below 0 = for ever.
    left: Option<i32>,
}

impl Read {
    fn of_luci(lease: Fields<'_>) -> Self {
        let mut read = Read::default();
        let mut told = None;
        let (mut duid, mut name) = (Field::default(), Field::default());
        let (mut address, mut addresses) = (Field::default(), Field::default());
        let mut expires = Field::default();
        lease.read(&mut [
            ("macaddr", Address(&mut told)),
            ("duid", Any(&mut duid)),
            ("hostname", Any(&mut name)),
            ("ipaddr", V4(&mut read.v4)),
            ("ip6addr", Any(&mut address)),
            ("ip6addrs", Any(&mut addresses)),
            ("expires", Any(&mut expires)),
        ]);
        // Up to 24.10 that of IPv4 is the client's id instead.
        read.duid(duid);
        read.name = host_name(name);
        // "false" is for ever.
        read.left = match expires.bool() {
            Some(_) => Some(-1),
            None => expires.i32(),
        };
        match addresses.is_there() {
            // Entries of other lengths are prefixes.
            true => {
                let whole = |field: Field<'_>| field.str()?.strip_suffix("/128")?.parse().ok();
                read.v6 = addresses.fields().list(|_, one| whole(one)).items;
                read.prefix = read.v6.is_empty();
            }
            false => read.v6.extend(address.parse::<Ipv6Addr>()),
        }
        // rpcd reads the time in some DUIDs as an address.
        read.mac = match read.v4 {
            Some(_) => told.or(read.mac),
            None => read.mac.or(told),
        };
        read
    }

    fn duid(&mut self, duid: Field<'_>) {
        self.mac = duid.str().and_then(mac_of_duid);
        self.opaque = duid.is_there() && self.mac.is_none();
    }

    fn has_expired(&self) -> bool {
        self.left == Some(0) || self.unbound
    }

    fn lease(self, now: u64) -> Row {
        let over = self.has_expired();
        match (self.mac, self.v4) {
            (Some(_), Some(_)) if over => Row::Over,
            (Some(mac), Some(ip)) => Row::V4(Lease {
                mac,
                ip,
                name: self.name,
                expires: self
                    .left
                    .and_then(|left| now.checked_add(left.try_into().ok()?)),
            }),
            _ => Row::Unread,
        }
    }

    fn leases6(self) -> Row {
        let over = self.has_expired() || self.prefix || (self.opaque && self.mac.is_none());
        match self.mac {
            _ if over => Row::Over,
            Some(mac) if !self.v6.is_empty() => {
                let leases = self.v6.into_iter().map(|ip| Lease6 {
                    mac,
                    ip,
                    name: self.name.clone(),
                });
                Row::V6(leases.collect())
            }
            _ => Row::Unread,
        }
    }
}

/// The name a host gives itself, without the marks by which programs say that they know no name, or
/// that they do not like it.
pub(crate) fn name_of(text: &str) -> Option<String> {
    // odhcpd's, of a name it does not put into its file of hosts.
    let text = text.trim();
    let marks = ["broken\\x20", "broken "];
    let stripped = marks.iter().find_map(|mark| text.strip_prefix(mark));
    let name = stripped.unwrap_or(text).trim();
    let known = !matches!(name, "" | "*" | "-" | "?") && name.parse::<IpAddr>().is_err();
    known.then(|| cut(name.to_owned()))
}

/// [`name_of`] a field of a reply.
pub(crate) fn host_name(field: Field<'_>) -> Option<String> {
    name_of(&field.text()?)
}

/// The Ethernet address in a DUID of type 1 (link-layer address and time) or 3 (link-layer
/// address), RFC 8415 sections 11.2 and 11.4; in hex, with or without colons.
pub(crate) fn mac_of_duid(duid: &str) -> Option<Mac> {
    let duid: String = duid.chars().filter(|c| *c != ':').collect();
    let mac = match duid.get(..8)? {
        "00010001" => duid.get(16..)?,
        "00030001" => duid.get(8..)?,
        _ => return None,
    };
    Mac::parse(mac).filter(Mac::is_individual)
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
