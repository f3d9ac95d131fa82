//! The questions to a name server and its answers, as RFC 1035 has them. Pure.
//!
//! ```text
//!  id, flags, 4 counts │ question: name, type, class │ records: name, type, class, ttl, length, data
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest name in a question, characters.
const NAME_MAX: usize = 253;

/// Longest part of a name between two dots.
const LABEL_MAX: usize = 63;

/// Records of an answer that are looked at.
const RECORDS_MAX: usize = 32;

const HEADER: usize = 12;

/// "Recursion desired."
const RD: u16 = 0x0100;

/// "This is a response."
const QR: u8 = 0x80;

const INTERNET: u16 = 1;

/// The type of record that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    A = 1,
    Aaaa = 28,
}

/// An answer of a name server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The id of its question.
    pub(super) id: u16,
    /// 0 no error, 2 SERVFAIL, 3 no such name, 5 REFUSED.
    pub(super) code: u8,
    pub(super) addresses: Vec<IpAddr>,
}

/// A question for the addresses of `name`; `None` for what is not a name of the DNS.
pub(super) fn question(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.len() > NAME_MAX {
        return None;
    }
    let mut packet = Vec::with_capacity(HEADER + name.len() + 6);
    for word in [id, RD, 1, 0, 0, 0] {
        packet.extend(word.to_be_bytes());
    }
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok()?;
        if label.is_empty() || label.len() > LABEL_MAX {
            return None;
        }
        packet.push(length);
        packet.extend(label.as_bytes());
    }
    packet.push(0);
    packet.extend((kind as u16).to_be_bytes());
    packet.extend(INTERNET.to_be_bytes());
    Some(packet)
}

/// Reads an answer; `None` for what is none. Of one that is cut off, what came before counts.
pub(super) fn answer(packet: &[u8]) -> Option<Answer> {
    let id = word(packet, 0)?;
    let flags = packet.get(2..4)?;
    if flags[0] & QR == 0 {
        return None;
    }
    let (questions, records) = (word(packet, 4)?, word(packet, 6)?);
    let mut answer = Answer {
        id,
        code: flags[1] & 0x0f,
        addresses: Vec::new(),
    };
    let mut at = HEADER;
    // Nobody sends more than one question.
    for _ in 0..questions.min(2) {
        match behind_name(packet, at) {
            Some(end) => at = end + 4,
            None => return Some(answer),
        }
    }
    for _ in 0..usize::from(records).min(RECORDS_MAX) {
        let Some((next, address)) = record(packet, at) else {
            break;
        };
        answer.addresses.extend(address);
        at = next;
    }
    Some(answer)
}

/// The end of the record at `at`, and the address in it.
fn record(packet: &[u8], at: usize) -> Option<(usize, Option<IpAddr>)> {
    let at = behind_name(packet, at)?;
    let (kind, class) = (word(packet, at)?, word(packet, at + 2)?);
    let start = at + 10;
    let end = start + usize::from(word(packet, at + 8)?);
    let data = packet.get(start..end)?;
    let address = match (class, kind) {
        (INTERNET, 1) => <[u8; 4]>::try_from(data)
            .ok()
            .map(|one| Ipv4Addr::from(one).into()),
        (INTERNET, 28) => <[u8; 16]>::try_from(data)
            .ok()
            .map(|one| Ipv6Addr::from(one).into()),
        _ => None,
    };
    Some((end, address))
}

/// The end of the name at `at`. A pointer ends it; where that leads is of no interest.
fn behind_name(packet: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *packet.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            192.. => return Some(at + 2),
            _ => return None,
        }
    }
}

fn word(packet: &[u8], at: usize) -> Option<u16> {
    let bytes = packet.get(at..at + 2)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A record with a name that points to the question's.
    fn with_record(code: u8, kind: u16, data: &[u8]) -> Vec<u8> {
        let mut packet = question(7, "a.example", Kind::A).unwrap();
        packet[2..4].copy_from_slice(&[0x81, 0x80 | code]);
        packet[7] = 1;
        packet.extend([0xc0, 12]);
        packet.extend(kind.to_be_bytes());
        packet.extend([0, 1, 0, 0, 0, 60]);
        packet.extend((data.len() as u16).to_be_bytes());
        packet.extend(data);
        packet
    }

    #[test]
    fn a_question_has_the_bytes_that_name_servers_know() {
        let asked = question(0x1234, "w.example.", Kind::Aaaa).unwrap();
        let expected =
            b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01w\x07example\x00\x00\x1c\x00\x01";
        assert_eq!(asked, expected);
        for name in ["", ".", "a..b", &"x".repeat(64), &"a.".repeat(200)] {
            assert_eq!(question(1, name, Kind::A), None, "{name}");
        }
    }

    #[test]
    fn the_addresses_of_an_answer_are_read_behind_names_and_other_records() {
        let v4 = answer(&with_record(0, 1, &[9, 9, 9, 9])).unwrap();
        assert_eq!((v4.id, v4.code), (7, 0));
        assert_eq!(v4.addresses, [IpAddr::from([9, 9, 9, 9])]);
        let v6 = answer(&with_record(0, 28, &Ipv6Addr::LOCALHOST.octets())).unwrap();
        assert_eq!(v6.addresses, [IpAddr::from(Ipv6Addr::LOCALHOST)]);
        // A CNAME, and an address of the wrong length.
        assert!(answer(&with_record(0, 5, &[1, b'x', 0]))
            .unwrap()
            .addresses
            .is_empty());
        assert!(answer(&with_record(0, 1, &[1, 2, 3]))
            .unwrap()
            .addresses
            .is_empty());
        assert_eq!(answer(&with_record(2, 5, &[])).unwrap().code, 2);
        // A question is no answer.
        assert_eq!(answer(&question(7, "a.example", Kind::A).unwrap()), None);
    }

    proptest! {
        #[test]
        fn nothing_that_a_name_server_sends_is_too_much(
            packet in proptest::collection::vec(any::<u8>(), 0..600),
            whole in any::<bool>(),
        ) {
            let packet = match whole {
                true => packet,
                false => [&with_record(0, 1, &[1, 1, 1, 1])[..], &packet].concat(),
            };
            let read = answer(&packet);
            prop_assert!(read.is_none_or(|read| read.addresses.len() <= RECORDS_MAX));
        }
    }
}
