//! Who has which address and calls itself what, as the DHCP servers tell it: dnsmasq by its lease
//! file, odhcpd and rpcd (which reads the files of both) by the bus.
//!
//! ```text
//! <expiry, seconds since the epoch; 0 = never> <mac> <ip> <name or *> <client id or *>
//! duid <the server's own>                      from here on leases of IPv6:
//! <expiry> <iaid, T in front = temporary> <ip6> <name or *> <client's duid or *>
//! ```
//!
//! The file is rewritten in place, so a reader may find it half written, and clients choose their
//! names: a line that is not as above is skipped.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::reply::{cut, Field, Fields, MAX_ENTRIES};
use super::report::Lease;
use crate::mac::Mac;

/// The lease file of dnsmasq, below the root directory.
pub(super) const PATH: &str = "tmp/dhcp.leases";

/// Lines of the file that are looked at.
const MAX_LINES: usize = 4096;

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
    /// Reads the content of dnsmasq's file; `now` in seconds since the epoch.
    pub(super) fn of_file(file: &[u8], now: u64) -> Self {
        let mut leases = Leases::default();
        for (at, line) in file.split_inclusive(|byte| *byte == b'\n').enumerate() {
            if at == MAX_LINES {
                leases.cut_short = true;
                break;
            }
            leases.line(line, now);
        }
        leases
    }

    /// Takes one line in; skips what is none of ours.
    fn line(&mut self, line: &[u8], now: u64) -> Option<()> {
        let mut words = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let expires: u64 = ascii(words.next()?)?.parse().ok()?;
        let (client, ip, name) = (ascii(words.next()?)?, ascii(words.next()?)?, words.next()?);
        let id = words.next();
        // The last line may be half written; only what stands before another word is whole.
        if !line.ends_with(b"\n") && id.is_none() {
            return None;
        }
        if expires != 0 && expires <= now {
            return None;
        }
        let name = (name != b"*").then(|| cut(String::from_utf8_lossy(name).into_owned()));
        if let Ok(ip) = ip.parse() {
            self.v4.push(Lease {
                mac: Mac::parse(hardware(client))?,
                ip,
                name,
                expires: (expires != 0).then_some(expires),
            });
        } else if let Ok(ip) = ip.parse() {
            let mac = mac_of_duid(ascii(id?)?)?;
            self.v6.push(Lease6 { mac, ip, name });
        }
        Some(())
    }

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

fn ascii(word: &[u8]) -> Option<&str> {
    std::str::from_utf8(word)
        .ok()
        .filter(|word| word.is_ascii())
}

/// The address without the type that dnsmasq puts before hardware that is not Ethernet (`06-…`).
fn hardware(client: &str) -> &str {
    match client.split_at_checked(3) {
        Some((kind, mac)) if kind.ends_with('-') && mac.len() >= 17 => mac,
        _ => client,
    }
}

/// The Ethernet address in a DUID of type 1 (link-layer address and time) or 3 (link-layer
/// address), RFC 8415 sections 11.2 and 11.4; in hex, with or without colons.
fn mac_of_duid(duid: &str) -> Option<Mac> {
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
    use crate::collect::tests::samples::{json, value};

    const NOW: u64 = 1_751_450_000;

    fn lease(mac: &str, ip: &str, name: Option<&str>, expires: Option<u64>) -> Lease {
        Lease {
            mac: Mac::parse(mac).unwrap(),
            ip: ip.parse().unwrap(),
            name: name.map(Into::into),
            expires,
        }
    }

    fn list(file: &[u8]) -> Vec<Lease> {
        Leases::of_file(file, NOW).v4
    }

    #[test]
    fn leases_of_both_families_are_read_and_expired_ones_dropped() {
        let file = include_bytes!("../../tests/data/samples/dhcp.leases.with-ipv6");
        let leases = Leases::of_file(file, NOW);
        let [laptop, nas] = &leases.v6[..] else {
            panic!("{:?}", leases.v6);
        };
        assert_eq!(laptop.mac, Mac::parse("3c:22:fb:10:20:31").unwrap());
        assert_eq!(laptop.ip.to_string(), "2001:db8:100::c4e");
        assert_eq!(laptop.name.as_deref(), Some("anna-macbook"));
        assert_eq!(nas.mac, Mac::parse("00:11:32:9c:4d:5e").unwrap());
        assert_eq!(nas.ip.to_string(), "2001:db8:100::7ff1");

        let list = leases.v4;
        assert_eq!(list.len(), 6);
        assert_eq!(
            list[1],
            lease(
                "da:5b:0e:4c:99:17",
                "192.168.8.174",
                None,
                Some(1_751_490_877)
            )
        );
        assert_eq!(list[2].expires, None);
        assert!(list
            .iter()
            .all(|lease| lease.name.as_deref() != Some("old-laptop")));
    }

    #[test]
    fn garbage_and_empty_lines_of_the_lease_file_are_skipped() {
        let file = b"\n\n   \ngarbage\n\xff\xfe\x00\x01\n1751489120\n1751489120 zz:zz 1.2.3.4 x *\n\
            99999999999999999999999 3c:22:fb:10:20:31 1.2.3.4 x *\n\
            -5 3c:22:fb:10:20:31 1.2.3.4 x *\n\
            1751489120 3c:22:fb:10:20:31 1.2.3.400 x *\n\
            1751489120 \xc3\xa9c:22:fb:10:20:3 1.2.3.4 x *\n\
            agent-info 3c:22:fb:10:20:31 1.2.3.4 x *\n\
            1751489120 00:11:32:9c:4d:5e 192.168.8.10 nas *\n\
            duid\nduid \xff\n1751489120 1 ::1 x\n1751489120 1 ::1 x \xff\n1751489120 1 ::1 x 00:01\n";
        assert_eq!(
            list(file),
            [lease(
                "00:11:32:9c:4d:5e",
                "192.168.8.10",
                Some("nas"),
                Some(1_751_489_120)
            )]
        );
        assert_eq!(list(b""), []);
    }

    #[test]
    fn a_name_that_is_not_utf_8_gets_replacement_characters_and_a_long_one_is_cut() {
        let mut file =
            b"0 00:11:32:9c:4d:5e 10.0.0.1 caf\xe9 *\n0 00:11:32:9c:4d:5f 10.0.0.2 ".to_vec();
        file.extend([b'x'; 5000]);
        file.extend(b" *\n");
        let list = list(&file);
        assert_eq!(list[0].name.as_deref(), Some("caf\u{fffd}"));
        assert_eq!(list[1].name.as_ref().unwrap().len(), 256);
    }

    #[test]
    fn a_last_line_that_is_half_written_counts_only_as_far_as_it_is_whole() {
        let whole = b"0 00:11:32:9c:4d:5e 192.168.8.174 nas 01:00";
        assert_eq!(list(whole).len(), 1);
        for end in 0..=whole.len() - 6 {
            assert_eq!(list(&whole[..end]), [], "{end}");
        }
    }

    #[test]
    fn hardware_that_is_not_ethernet_has_its_type_taken_off() {
        assert_eq!(
            list(b"0 06-00:11:32:9c:4d:5e 10.0.0.1 * *\n0 20-80:00:02:08:fe:80:00 10.0.0.2 * *\n"),
            [lease("00:11:32:9c:4d:5e", "10.0.0.1", None, None)]
        );
    }

    #[test]
    fn a_huge_file_is_read_in_part_and_says_so() {
        let line = b"0 00:11:32:9c:4d:5e 10.0.0.1 a *\n";
        let leases = Leases::of_file(&line.repeat(5000), NOW);
        assert!(leases.cut_short);
        assert_eq!(leases.v4.len(), 4096);
    }

    fn reply(path: &str) -> Vec<u8> {
        value(path).to_members()
    }

    #[test]
    fn all_servers_tell_the_same_of_the_same_leases() {
        let file = list(include_bytes!("../../tests/data/samples/dhcp.leases"));
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
            [lease(
                "3c:22:fb:10:20:33",
                "10.0.0.3",
                None,
                Some(NOW + 100)
            )]
        );
        for strange in ["{}", r#"{"device":[]}"#, r#"{"dhcp_leases":{}}"#] {
            let reply = json(strange).to_members();
            assert_eq!(Leases::of_odhcpd_v4(Fields::of(&reply), NOW), None);
            assert_eq!(Leases::of_odhcpd_v6(Fields::of(&reply)), None);
            assert_eq!(Leases::of_luci(Fields::of(&reply), NOW), None);
        }
    }
}
