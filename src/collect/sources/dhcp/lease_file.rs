//! dnsmasq's lease file.
//!
//! ```text
//! <end, seconds since the epoch; 0 = never> <mac> <ip> <name or *> <client id or *>
//! duid <the server's own>                      from here on leases of IPv6:
//! <end> <iaid, T in front = temporary> <ip6> <name or *> <client's duid or *>
//! ```
//!
//! The file is rewritten in place, so a reader may find it half written, and clients choose their
//! names: a line that is not as above is skipped and counted, unless it begins with a word, as lines of other
//! kinds do. A dnsmasq built for devices without a clock (HAVE_BROKEN_RTC) writes how long a lease lasts instead
//! of its end; when it began nobody knows.

use super::leases::{mac_of_duid, name_of, Lease6, Leases, Row};
use crate::collect::report::Lease;
use crate::mac::Mac;

/// Lines of the file that are looked at.
const MAX_LINES: usize = 4096;

/// A number below this one, the year 2000, is no time of a lease's end but its length.
const CENTURY: u64 = 946_684_800;

impl Leases {
    /// Reads the content of dnsmasq's file; `now` in seconds since the epoch.
    pub(crate) fn of_file(file: &[u8], now: u64) -> Self {
        let mut leases = Leases::default();
        for (at, line) in file.split_inclusive(|byte| *byte == b'\n').enumerate() {
            match at < MAX_LINES {
                true => leases.take(row(line, now).unwrap_or(Row::Unread)),
                false => leases.left_out += 1,
            }
        }
        leases
    }
}

/// A line; `None` if it is not as expected.
fn row(line: &[u8], now: u64) -> Option<Row> {
    let mut words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let Some(first) = words.next() else {
        return Some(Row::Over);
    };
    // `duid`, `agent-info`, `vendorclass`.
    if first
        .iter()
        .all(|byte| byte.is_ascii_lowercase() || *byte == b'-')
        && first.len() > 2
    {
        return Some(Row::Over);
    }
    let end: u64 = ascii(first)?.parse().ok()?;
    let (client, ip, name) = (ascii(words.next()?)?, ascii(words.next()?)?, words.next()?);
    let id = words.next();
    // The last line may be half written; only what stands before another word is whole.
    if !line.ends_with(b"\n") && id.is_none() {
        return None;
    }
    let expires = (end >= CENTURY).then_some(end);
    let over = expires.is_some_and(|end| end <= now);
    let name = name_of(&String::from_utf8_lossy(name));
    if let Ok(ip) = ip.parse() {
        let mac = Mac::parse(hardware(client)).filter(Mac::is_individual)?;
        return Some(match over {
            true => Row::Over,
            false => Row::V4(Lease {
                mac,
                ip,
                name,
                expires,
            }),
        });
    }
    let ip = ip.parse().ok()?;
    Some(match mac_of_duid(ascii(id?)?) {
        Some(mac) if !over => Row::V6(vec![Lease6 { mac, ip, name }]),
        // A client that names itself by something else than an address is nobody's station.
        _ => Row::Over,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

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
        let file = include_bytes!("../../../../tests/data/samples/dhcp.leases.with-ipv6");
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
        assert_eq!(leases.left_out, 904);
        assert_eq!(leases.v4.len(), 4096);
    }
}
