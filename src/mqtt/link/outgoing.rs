//! Bytes of the client library: where its packets end, and what they ask of the broker. No I/O.

use super::head::Head;
use super::header::{self, Malformed, Reading};

/// Where the keepalive stands in a CONNECT of MQTT 3.1.1, bytes behind the header (section 3.1.2).
const KEEPALIVE_AT: [usize; 2] = [8, 9];

/// Bytes of a topic that are kept: enough for its first level.
const TOPIC_KEPT: usize = 16;

/// A packet that the library has written as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) kind: u8,
    pub(super) qos: u8,
    pub(super) id: Option<u16>,
    /// Begin of the topic of a PUBLISH.
    pub(super) topic: Vec<u8>,
}

#[derive(Debug)]
enum At {
    Header(Reading),
    Packet {
        head: Head,
        /// Bytes read behind the header.
        read: usize,
    },
}

/// Follows the stream of packets to the broker.
///
/// The library's own keepalive counts from the last write, and takes the bytes of a long message for
/// silence; it is off (0), and the true one is put into its CONNECT.
#[derive(Debug)]
pub(super) struct Outgoing {
    at: At,
    keepalive: [u8; 2],
}

impl Outgoing {
    /// `keepalive` in seconds.
    pub(super) fn new(keepalive: u16) -> Self {
        Outgoing {
            at: At::Header(Reading::default()),
            keepalive: keepalive.to_be_bytes(),
        }
    }

    /// True if the next byte begins a packet: only then a packet of ours may go between.
    pub(super) fn is_between_packets(&self) -> bool {
        matches!(&self.at, At::Header(reading) if !reading.has_begun())
    }

    /// Reads `bytes` to the end of a packet at most, and corrects the keepalive. Returns how many bytes it
    /// took, and the packet that ended with them.
    ///
    /// # Errors
    ///
    /// The length of a packet is malformed.
    pub(super) fn feed(&mut self, bytes: &mut [u8]) -> Result<(usize, Option<Written>), Malformed> {
        for (at, byte) in bytes.iter_mut().enumerate() {
            if let Some(written) = self.take(byte)? {
                return Ok((at + 1, Some(written)));
            }
        }
        Ok((bytes.len(), None))
    }

    fn take(&mut self, byte: &mut u8) -> Result<Option<Written>, Malformed> {
        match &mut self.at {
            At::Header(reading) => {
                let Some(header) = reading.take(*byte)? else {
                    return Ok(None);
                };
                let head = Head::new(header);
                self.at = At::Packet { head, read: 0 };
            }
            At::Packet { head, read } => {
                if head.header.kind() == header::CONNECT {
                    if let Some(which) = KEEPALIVE_AT.iter().position(|at| at == read) {
                        *byte = self.keepalive[which];
                    }
                }
                if !head.is_whole() {
                    head.take(*byte, TOPIC_KEPT);
                }
                *read += 1;
            }
        }
        let At::Packet { head, read } = &self.at else {
            return Ok(None);
        };
        if *read < head.header.remaining {
            return Ok(None);
        }
        let written = Written {
            kind: head.header.kind(),
            qos: head.header.qos(),
            id: head.id(),
            topic: head.kept_topic().to_vec(),
        };
        self.at = At::Header(Reading::default());
        Ok(Some(written))
    }
}
