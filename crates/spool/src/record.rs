//! The records of a segment.
//!
//! ```text
//!  part    'p'  bytes of a report that is too long for one record, before its own
//!  report  'r'  clock u8, seq u64, at u64, mono u32, plain u32, crc u32, declared u64, since u64, bytes
//!  lost    'l'  id u64, the gap as JSON
//!  sent    's'  first u64, last u64: these arrived
//!  notes   'n'  next seq u64, declared u64, fixed u64, anchors: (first u64, last u64, base u64) …
//! ```
//!
//! All numbers are big-endian. `bytes` is raw deflate that goes on where the report before it ended,
//! up to a flush; `plain` and `crc` (CRC-32) are of the line they give, with its end.

use durable::PAYLOAD_MAX;

use super::gap::Gap;
use super::notes::{Anchor, Notes, ANCHORS_MAX};

/// Bytes of a report's record before its deflate.
pub(crate) const REPORT_HEAD: usize = 46;

/// Bytes of the longest line; a report of 2,048 stations has less than a tenth of it.
pub(crate) const LINE_MAX: u32 = 16 << 20;

/// Bytes of deflate in a part.
pub(crate) const PART: usize = PAYLOAD_MAX - REPORT_HEAD;

/// The highest number that is counted up to and the latest second that is believed. A report a
/// millisecond would take 285,000 years to get there, and any JSON reader shows it exactly.
pub(crate) const NUMBER_MAX: u64 = 1 << 53;

/// The certainty of a report's time, as its `clock` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// The clock was right.
    Ok,
    /// Nobody knows whether it was.
    Unsynced,
    /// The clock was not known to be right; the time was corrected once it was.
    Restamped,
}

impl Certainty {
    /// The word in a report.
    pub fn word(self) -> &'static str {
        match self {
            Certainty::Ok => "ok",
            Certainty::Unsynced => "unsynced",
            Certainty::Restamped => "restamped",
        }
    }
}

/// The facts about a report that do not need its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) seq: u64,
    /// `created_at` as the line says it.
    pub(crate) at: u64,
    /// Seconds since the boot.
    pub(crate) mono: u32,
    pub(crate) clock: Certainty,
    /// Id up to which the report declares every loss.
    pub(crate) declared: u64,
    /// Bytes of the line.
    pub(crate) plain: u32,
    /// CRC-32 of the line.
    pub(crate) crc: u32,
    /// When it was taken, a power cut would have lost nothing older than this, seconds since the
    /// epoch; 0 if nobody knows.
    pub(crate) since: u64,
}

/// A [`Head::since`] that never comes: all is safe.
pub(crate) const ALL_SAFE: u64 = u64::MAX;

/// A record, read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record<'a> {
    Part,
    Report(Head, &'a [u8]),
    Lost(u64, Gap),
    Sent(u64, u64),
    Notes(Notes),
}

/// Takes numbers off the front of bytes.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn u32(&mut self) -> Option<u32> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*first))
    }

    fn u64(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*first))
    }
}

/// A number of ours; 0, which says nothing, in the place of one we cannot have written.
fn counted(number: u64) -> u64 {
    match number {
        0..=NUMBER_MAX => number,
        _ => 0,
    }
}

impl<'a> Record<'a> {
    /// Reads a record; `None` if it is none of ours.
    ///
    /// The numbers in it are bounded, but for the id of a loss: with any id it is a loss.
    pub(crate) fn decode(payload: &'a [u8]) -> Option<Self> {
        let mut rest = Numbers(payload);
        Some(match rest.u8()? {
            b'p' => Record::Part,
            b'r' => {
                let clock = match rest.u8()? {
                    0 => Certainty::Ok,
                    1 => Certainty::Unsynced,
                    _ => return None,
                };
                let head = Head {
                    clock,
                    seq: rest.u64().filter(|seq| *seq <= NUMBER_MAX)?,
                    at: rest.u64()?.min(NUMBER_MAX),
                    mono: rest.u32()?,
                    plain: rest.u32().filter(|plain| *plain <= LINE_MAX)?,
                    crc: rest.u32()?,
                    declared: counted(rest.u64()?),
                    since: match rest.u64()? {
                        ALL_SAFE => ALL_SAFE,
                        since => counted(since),
                    },
                };
                Record::Report(head, rest.0)
            }
            b'l' => {
                let id = rest.u64()?;
                let gap: Gap = serde_json::from_slice(rest.0).ok()?;
                Record::Lost(id, gap.bounded())
            }
            b's' => Record::Sent(rest.u64()?, rest.u64()?),
            b'n' => {
                let mut notes = Notes {
                    next_seq: counted(rest.u64()?),
                    declared: counted(rest.u64()?),
                    fixed: counted(rest.u64()?),
                    anchors: Vec::new(),
                };
                while !rest.0.is_empty() && notes.anchors.len() < ANCHORS_MAX {
                    let anchor = Anchor {
                        first: rest.u64()?,
                        last: rest.u64()?,
                        base: rest.u64()?,
                    };
                    if anchor.last <= NUMBER_MAX && anchor.base <= NUMBER_MAX {
                        notes.anchors.push(anchor);
                    }
                }
                Record::Notes(notes)
            }
            _ => return None,
        })
    }
}

fn numbers(kind: u8, numbers: &[u64]) -> Vec<u8> {
    let mut payload = vec![kind];
    for number in numbers {
        payload.extend_from_slice(&number.to_be_bytes());
    }
    payload
}

pub(crate) fn part(bytes: &[u8]) -> Vec<u8> {
    [b"p", bytes].concat()
}

pub(crate) fn report(head: &Head, bytes: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(REPORT_HEAD + bytes.len());
    payload.extend_from_slice(&[b'r', u8::from(head.clock != Certainty::Ok)]);
    payload.extend_from_slice(&head.seq.to_be_bytes());
    payload.extend_from_slice(&head.at.to_be_bytes());
    payload.extend_from_slice(&head.mono.to_be_bytes());
    payload.extend_from_slice(&head.plain.to_be_bytes());
    payload.extend_from_slice(&head.crc.to_be_bytes());
    payload.extend_from_slice(&head.declared.to_be_bytes());
    payload.extend_from_slice(&head.since.to_be_bytes());
    payload.extend_from_slice(bytes);
    payload
}

pub(crate) fn lost(id: u64, gap: &Gap) -> Vec<u8> {
    let mut payload = numbers(b'l', &[id]);
    serde_json::to_writer(&mut payload, gap).expect("memory takes every byte");
    payload
}

pub(crate) fn sent(first: u64, last: u64) -> Vec<u8> {
    numbers(b's', &[first, last])
}

pub(crate) fn notes(notes: &Notes) -> Vec<u8> {
    let mut payload = numbers(b'n', &[notes.next_seq, notes.declared, notes.fixed]);
    for anchor in notes.anchors.iter().take(ANCHORS_MAX) {
        for number in [anchor.first, anchor.last, anchor.base] {
            payload.extend_from_slice(&number.to_be_bytes());
        }
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::super::gap::Reason;
    use super::*;

    #[test]
    fn every_record_reads_back_as_it_was_written() {
        let head = Head {
            seq: 1 << 40,
            at: 1_700_000_000,
            mono: 99,
            clock: Certainty::Unsynced,
            declared: 7,
            plain: 30_000,
            crc: 0xDEAD_BEEF,
            since: 1_699_999_000,
        };
        let bytes = report(&head, b"deflate");
        assert_eq!(bytes.len(), REPORT_HEAD + 7);
        assert_eq!(
            Record::decode(&bytes),
            Some(Record::Report(head, b"deflate"))
        );
        let gap = Gap::one(Some(5), Reason::Thinned);
        assert_eq!(
            Record::decode(&lost(3, &gap)),
            Some(Record::Lost(3, gap.clone()))
        );
        assert_eq!(Record::decode(&sent(4, 9)), Some(Record::Sent(4, 9)));
        let all = Notes {
            next_seq: 12,
            declared: 3,
            fixed: 2,
            anchors: vec![Anchor {
                first: 1,
                last: 2,
                base: 3,
            }],
        };
        assert_eq!(Record::decode(&notes(&all)), Some(Record::Notes(all)));
        assert_eq!(Record::decode(&part(b"x")), Some(Record::Part));
    }

    #[test]
    fn a_report_cannot_claim_more_than_a_line_may_have() {
        let mut head = Head {
            seq: 1,
            at: 0,
            mono: 0,
            clock: Certainty::Ok,
            declared: 0,
            since: 0,
            plain: LINE_MAX,
            crc: 0,
        };
        assert!(Record::decode(&report(&head, b"")).is_some());
        head.plain += 1;
        assert_eq!(Record::decode(&report(&head, b"")), None);
    }

    #[test]
    fn numbers_that_cannot_be_ours_say_nothing() {
        let mut head = Head {
            seq: NUMBER_MAX,
            at: u64::MAX,
            mono: u32::MAX,
            clock: Certainty::Ok,
            declared: u64::MAX,
            since: u64::MAX - 1,
            plain: 0,
            crc: 0,
        };
        let bytes = report(&head, b"");
        let Some(Record::Report(read, _)) = Record::decode(&bytes) else {
            panic!("a report");
        };
        assert_eq!((read.seq, read.at), (NUMBER_MAX, NUMBER_MAX));
        assert_eq!((read.declared, read.since), (0, 0));
        head.seq += 1;
        assert_eq!(Record::decode(&report(&head, b"")), None);
        let all = Notes {
            next_seq: u64::MAX,
            declared: NUMBER_MAX + 1,
            fixed: 1 << 63,
            anchors: vec![Anchor {
                first: 0,
                last: u64::MAX,
                base: 0,
            }],
        };
        assert_eq!(
            Record::decode(&notes(&all)),
            Some(Record::Notes(Notes::default()))
        );
        let gap = Gap {
            from: Some(u64::MAX),
            to: Some(NUMBER_MAX),
            count: Some(u64::MAX),
            reason: Reason::Full,
        };
        let bounded = Gap {
            from: None,
            count: Some(NUMBER_MAX),
            ..gap.clone()
        };
        let bytes = lost(u64::MAX, &gap);
        assert_eq!(
            Record::decode(&bytes),
            Some(Record::Lost(u64::MAX, bounded))
        );
    }

    #[test]
    fn bytes_that_are_no_record_of_ours_are_none() {
        for bytes in [
            &b""[..],
            b"?",
            b"r\x00",
            b"r\x09",
            b"l12345678{",
            b"s",
            b"n",
        ] {
            assert_eq!(Record::decode(bytes), None, "{bytes:?}");
        }
        let mut cut = notes(&Notes::default());
        cut.push(1);
        assert_eq!(Record::decode(&cut), None);
    }
}
