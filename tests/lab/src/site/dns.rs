//! The messages of DNS, as far as the lab's resolvers need them. Pure.

use std::net::Ipv4Addr;

const HEADER: usize = 12;

/// Type of an address of IPv4, and class of the internet.
const A: u16 = 1;
const IN: u16 = 1;

/// Set in an answer, with "recursion available".
const RESPONSE: [u8; 2] = [0x81, 0x80];

/// No such name; the server does not want to.
pub(super) const NXDOMAIN: u8 = 3;
pub(super) const REFUSED: u8 = 5;

/// The question of a query.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// In lower case, without the dot at the end.
    pub(super) name: String,
    kind: u16,
    class: u16,
    /// Where it ends in the message.
    end: usize,
}

impl Question {
    /// Reads the first question; `None` if this is no query.
    pub(super) fn read(query: &[u8]) -> Option<Self> {
        let is_query = query.get(2)? & 0x80 == 0;
        if !is_query || query.get(4..6)? != [0, 1] {
            return None;
        }
        let (mut at, mut labels) = (HEADER, Vec::new());
        loop {
            let length = usize::from(*query.get(at)?);
            at += 1;
            match length {
                0 => break,
                1..=63 => {
                    let label = query.get(at..at + length)?;
                    labels.push(String::from_utf8_lossy(label).to_lowercase());
                    at += length;
                }
                // A question does not point elsewhere.
                _ => return None,
            }
        }
        let word = |at: usize| Some(u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]));
        Some(Question {
            name: labels.join("."),
            kind: word(at)?,
            class: word(at + 2)?,
            end: at + 4,
        })
    }

    /// An answer with this address, to a question for one of IPv4; to every other none.
    pub(super) fn answer(&self, query: &[u8], address: Ipv4Addr) -> Vec<u8> {
        let asked = (self.kind, self.class) == (A, IN);
        let mut answer = self.reply(query, 0, u8::from(asked));
        if asked {
            // The name stands in the question; an answer is good for a second.
            answer.extend([0xc0, HEADER as u8, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
            answer.extend(address.octets());
        }
        answer
    }

    /// An answer that says why the name has no address.
    pub(super) fn refuse(&self, query: &[u8], code: u8) -> Vec<u8> {
        self.reply(query, code, 0)
    }

    fn reply(&self, query: &[u8], code: u8, answers: u8) -> Vec<u8> {
        let mut reply = query[..2].to_vec();
        reply.extend([RESPONSE[0], RESPONSE[1] | code]);
        reply.extend([0, 1, 0, answers, 0, 0, 0, 0]);
        reply.extend(&query[HEADER..self.end]);
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: &[u8] =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03WWW\x07example\x00\x00\x01\x00\x01";

    #[test]
    fn a_name_is_answered_with_its_address() {
        let question = Question::read(QUERY).unwrap();
        assert_eq!(question.name, "www.example");
        let answer = question.answer(QUERY, Ipv4Addr::new(5, 6, 7, 8));
        assert_eq!(answer[..4], [0x12, 0x34, 0x81, 0x80]);
        assert_eq!(answer[4..8], [0, 1, 0, 1]);
        assert!(answer.ends_with(&[0, 4, 5, 6, 7, 8]));
        let none = question.refuse(QUERY, NXDOMAIN);
        assert_eq!(none[3], 0x83);
        assert_eq!(none.len(), QUERY.len());
    }

    #[test]
    fn what_is_no_query_is_ignored() {
        for cut in 0..QUERY.len() {
            assert_eq!(Question::read(&QUERY[..cut]), None, "{cut}");
        }
        let mut answer = QUERY.to_vec();
        answer[2] |= 0x80;
        assert_eq!(Question::read(&answer), None);
        let mut pointer = QUERY.to_vec();
        pointer[12] = 0xc0;
        assert_eq!(Question::read(&pointer), None);
    }
}
