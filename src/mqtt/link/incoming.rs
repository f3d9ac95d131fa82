//! Bytes of the broker: which of them the client library gets. No I/O.
//!
//! ```text
//!  bytes ─► header, head ─┬─ PINGRESP ───────────────► ours
//!                         ├─ too long, unusable ─────► read past, acknowledged
//!                         ├─ PUBLISH, another topic ─► read past, acknowledged
//!                         └─ the rest ───────────────► library, one packet at a time
//! ```

use crate::jobs::message::PAYLOAD_MAX;

use super::awaited::Awaited;
use super::head::Head;
use super::header::{self, Malformed, Reading};
use super::refused::Refused;

/// Longest topic that the session unsubscribes from, bytes.
const TOPIC_KEPT: usize = 256;

/// Longest packet that the library reads: a payload of 1 MiB, its topic and the rest of the packet.
pub(in crate::mqtt) const PACKET_MAX: usize = PAYLOAD_MAX + 128 * 1024;

/// Why a packet does not reach the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dropped {
    /// Answer to a PINGREQ of ours.
    Ours,
    /// A message with a payload over 1 MiB.
    TooLong,
    /// A message of another topic, which is here if it is short enough to unsubscribe from it.
    Foreign(Option<String>),
    /// A PUBLISH without a valid head, or a packet that ended earlier connections.
    Unusable,
}

/// A packet that has arrived as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrived {
    pub(super) kind: u8,
    /// QoS of a PUBLISH.
    pub(super) qos: u8,
    /// Packet id, where the packet has a valid one.
    pub(super) id: Option<u16>,
    /// Remaining length, bytes.
    pub(super) size: usize,
    /// None if the library got it.
    pub(super) dropped: Option<Dropped>,
}

/// Where in a packet the next byte stands.
#[derive(Debug)]
enum At {
    Header(Reading),
    Head(Head),
    Body { arrived: Arrived, left: usize },
}

/// Reads the stream of packets from the broker.
#[derive(Debug)]
pub(super) struct Incoming {
    at: At,
    /// Topic of jobs: the only one we subscribe to.
    topic: Vec<u8>,
    /// The CONNACK came.
    accepted: bool,
    refused: Refused,
}

impl Incoming {
    /// Only messages of `topic` reach the library, and none of the packets that it refused before.
    pub(super) fn new(topic: &str, refused: Refused) -> Self {
        Incoming {
            at: At::Header(Reading::default()),
            topic: topic.as_bytes().to_vec(),
            accepted: false,
            refused,
        }
    }

    /// Reads from `input` to the end of a packet at most. Returns how many bytes it took, and the packet
    /// that ended with them; what the library gets of them is appended to `up`. An answer that `awaited`
    /// waits for always passes.
    ///
    /// # Errors
    ///
    /// The length of a packet is malformed.
    pub(super) fn feed(
        &mut self,
        input: &[u8],
        up: &mut Vec<u8>,
        awaited: &Awaited,
    ) -> Result<(usize, Option<Arrived>), Malformed> {
        let keep = self.topic.len().max(TOPIC_KEPT);
        let mut taken = 0;
        loop {
            match &mut self.at {
                At::Header(reading) => {
                    let Some(byte) = input.get(taken) else {
                        return Ok((taken, None));
                    };
                    taken += 1;
                    if let Some(header) = reading.take(*byte)? {
                        self.at = At::Head(Head::new(header));
                    }
                }
                At::Head(head) if !head.is_whole() => {
                    let Some(byte) = input.get(taken) else {
                        return Ok((taken, None));
                    };
                    taken += 1;
                    head.take(*byte, keep);
                }
                At::Head(head) => {
                    let mut arrived = Arrived {
                        kind: head.header.kind(),
                        qos: 0,
                        id: head.id(),
                        size: head.header.remaining,
                        dropped: None,
                    };
                    if arrived.kind == header::PUBLISH {
                        arrived.qos = head.header.qos();
                    }
                    self.accepted |= arrived.kind == header::CONNACK;
                    // What comes before the CONNACK is for the library to judge.
                    if self.accepted {
                        arrived.dropped = judge(head, &self.topic);
                    }
                    let is_awaited = awaited.waits_for(arrived.kind, arrived.id);
                    if arrived.dropped.is_none() && !is_awaited && self.refused.drops(&arrived) {
                        arrived.dropped = Some(Dropped::Unusable);
                    }
                    if arrived.dropped.is_none() {
                        head.write(up);
                    }
                    let left = head.body_len();
                    self.at = At::Body { arrived, left };
                }
                At::Body { arrived, left } => {
                    let count = (input.len() - taken).min(*left);
                    if arrived.dropped.is_none() {
                        up.extend_from_slice(&input[taken..taken + count]);
                    }
                    taken += count;
                    *left -= count;
                    if *left > 0 {
                        return Ok((taken, None));
                    }
                    let arrived = arrived.clone();
                    self.at = At::Header(Reading::default());
                    return Ok((taken, Some(arrived)));
                }
            }
        }
    }
}

/// Why the packet with this head is dropped, if it is; `jobs` is the topic of jobs.
fn judge(head: &Head, jobs: &[u8]) -> Option<Dropped> {
    if head.header.kind() != header::PUBLISH {
        return match head.header.remaining {
            0 if head.header.kind() == header::PINGRESP => Some(Dropped::Ours),
            size if size > PAYLOAD_MAX => Some(Dropped::TooLong),
            _ => None,
        };
    }
    let qos = head.header.qos();
    if !head.fits() || qos > 2 || qos > 0 && head.id().is_none() {
        return Some(Dropped::Unusable);
    }
    if head.body_len() > PAYLOAD_MAX {
        return Some(Dropped::TooLong);
    }
    let topic = head.topic();
    if topic == Some(jobs) {
        return None;
    }
    let short = topic.filter(|topic| topic.len() <= TOPIC_KEPT);
    let text = short.and_then(|topic| std::str::from_utf8(topic).ok());
    Some(Dropped::Foreign(text.map(str::to_owned)))
}
