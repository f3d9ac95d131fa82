//! dnsmasq's lease file: who has which address and calls itself what.
//!
//! ```text
//! <expiry, seconds since the epoch; 0 = never> <mac> <ip> <name or *> <client id or *>
//! duid <the server's own>                      from here on leases of IPv6:
//! <expiry> <iaid, T in front = temporary> <ip6> <name or *> <client's duid or *>
//! ```
//!
//! The file is rewritten in place, so a reader may find it half written, and clients choose their
//! names: a line that is not as above is skipped.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::files::Files;
use super::reply::cut;
use super::report::Lease;
use crate::mac::Mac;

/// The lease file of dnsmasq, below the root directory.
pub(super) const PATH: &str = "tmp/dhcp.leases";

/// What the file is called where missing sources are told.
pub(super) const SOURCE: &str = "dhcp.leases";

/// Bytes of the file that are looked at.
const MAX_BYTES: u64 = 1 << 20;

/// Lines of the file that are looked at.
const MAX_LINES: usize = 4096;

/// The leases that have not expired.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Leases {
    v4: Vec<(Mac, Lease)>,
    v6: Vec<(Mac, Ipv6Addr)>,
    /// The file was longer than what is looked at.
    pub(super) cut_short: bool,
}

/// What the leases know of one station.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Names<'a> {
    pub(super) ip: Option<&'a str>,
    pub(super) ip6: Option<Ipv6Addr>,
    pub(super) name: Option<&'a str>,
}

impl Leases {
    /// Reads the file; `now` in seconds since the epoch.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened or read.
    pub(super) fn read(files: &Files, now: u64) -> io::Result<Self> {
        let (bytes, more) = files.read(PATH, MAX_BYTES)?;
        let mut leases = Self::parse(&bytes, now);
        leases.cut_short |= more;
        Ok(leases)
    }

    /// Reads the content of the file.
    pub(super) fn parse(file: &[u8], now: u64) -> Self {
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
        if let Ok(ip) = ip.parse::<Ipv4Addr>() {
            let mac = hardware(client);
            self.v4.push((
                Mac::parse(mac)?,
                Lease {
                    mac: mac.to_owned(),
                    ip: ip.to_string(),
                    name: (name != b"*").then(|| cut(String::from_utf8_lossy(name).into_owned())),
                    expires: (expires != 0).then_some(expires),
                },
            ));
        } else if let Ok(ip) = ip.parse::<Ipv6Addr>() {
            self.v6.push((mac_of_duid(ascii(id?)?)?, ip));
        }
        Some(())
    }

    /// What is known of each station; of several leases the one that lasts longest.
    pub(super) fn by_mac(&self) -> HashMap<Mac, Names<'_>> {
        let lasts = |lease: &Lease| lease.expires.unwrap_or(u64::MAX);
        let mut chosen: HashMap<Mac, &Lease> = HashMap::with_capacity(self.v4.len());
        for (mac, lease) in &self.v4 {
            let known = chosen.entry(*mac).or_insert(lease);
            if lasts(lease) >= lasts(known) {
                *known = lease;
            }
        }
        let mut names: HashMap<Mac, Names<'_>> = chosen
            .into_iter()
            .map(|(mac, lease)| {
                let names = Names {
                    ip: Some(&lease.ip),
                    ip6: None,
                    name: lease.name.as_deref(),
                };
                (mac, names)
            })
            .collect();
        for (mac, ip6) in &self.v6 {
            names.entry(*mac).or_default().ip6.get_or_insert(*ip6);
        }
        names
    }

    /// The stations with an IPv4 lease, once each, in the order of the file.
    pub(super) fn stations(&self) -> impl Iterator<Item = Mac> + '_ {
        let mut seen = std::collections::HashSet::with_capacity(self.v4.len());
        self.v4
            .iter()
            .map(|(mac, _)| *mac)
            .filter(move |mac| seen.insert(*mac))
    }

    /// The leases of IPv4, as the report lists them.
    pub(super) fn into_list(self) -> Vec<Lease> {
        self.v4.into_iter().map(|(_, lease)| lease).collect()
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
/// address), RFC 8415 sections 11.2 and 11.4.
fn mac_of_duid(duid: &str) -> Option<Mac> {
    let mac = match duid.get(..12)? {
        "00:01:00:01:" => duid.get(24..)?,
        "00:03:00:01:" => duid.get(12..)?,
        _ => return None,
    };
    Mac::parse(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_751_450_000;

    fn lease(mac: &str, ip: &str, name: Option<&str>, expires: Option<u64>) -> Lease {
        Lease {
            mac: mac.into(),
            ip: ip.into(),
            name: name.map(Into::into),
            expires,
        }
    }

    fn list(file: &[u8]) -> Vec<Lease> {
        Leases::parse(file, NOW).into_list()
    }

    #[test]
    fn leases_of_both_families_are_read_and_expired_ones_dropped() {
        let file = include_bytes!("../../tests/data/samples/dhcp.leases.with-ipv6");
        let leases = Leases::parse(file, NOW);
        let names = leases.by_mac();
        let laptop = names[&Mac::parse("3c:22:fb:10:20:31").unwrap()];
        assert_eq!(
            (laptop.ip, laptop.name),
            (Some("192.168.8.121"), Some("anna-macbook"))
        );
        assert_eq!(laptop.ip6, "2001:db8:100::c4e".parse().ok());
        let nas = names[&Mac::parse("00:11:32:9c:4d:5e").unwrap()];
        assert_eq!(nas.ip6, "2001:db8:100::7ff1".parse().ok());

        let list = leases.into_list();
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
    fn of_two_leases_the_one_that_lasts_longest_names_the_station() {
        let file = b"1751489120 00:11:32:9c:4d:5e 10.0.0.1 a *\n\
            0 00:11:32:9c:4d:5e 10.0.0.2 b *\n1751489121 00:11:32:9c:4d:5e 10.0.0.3 c *\n";
        let leases = Leases::parse(file, NOW);
        let names = leases.by_mac();
        assert_eq!(
            names[&Mac::parse("00:11:32:9c:4d:5e").unwrap()].ip,
            Some("10.0.0.2")
        );
        assert_eq!(leases.stations().count(), 1);
    }

    #[test]
    fn a_huge_file_is_read_in_part_and_says_so() {
        let line = b"0 00:11:32:9c:4d:5e 10.0.0.1 a *\n";
        let leases = Leases::parse(&line.repeat(5000), NOW);
        assert!(leases.cut_short);
        assert_eq!(leases.into_list().len(), 4096);

        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("tmp")).unwrap();
        std::fs::write(dir.path().join(PATH), vec![b'x'; 2 << 20]).unwrap();
        let leases = Leases::read(&Files::below(dir.path()), NOW).unwrap();
        assert!(leases.cut_short);
        assert_eq!(leases.into_list(), []);
    }
}
