//! The fixed header that every packet of MQTT 3.1.1 begins with (section 2.2).

/// Packet types: the upper four bits of the first byte.
pub(super) const CONNECT: u8 = 1;
pub(super) const CONNACK: u8 = 2;
pub(super) const PUBLISH: u8 = 3;
pub(super) const PUBACK: u8 = 4;
pub(super) const PUBREC: u8 = 5;
pub(super) const PUBREL: u8 = 6;
pub(super) const PUBCOMP: u8 = 7;
pub(super) const SUBSCRIBE: u8 = 8;
pub(super) const SUBACK: u8 = 9;
pub(super) const UNSUBSCRIBE: u8 = 10;
pub(super) const UNSUBACK: u8 = 11;
pub(super) const PINGRESP: u8 = 13;

/// Longest remaining length, bytes of its own (section 2.2.3).
const LENGTH_BYTES: u8 = 4;

/// A length of more than four bytes: where the next packet begins cannot be known any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a packet's length is malformed")]
pub(crate) struct Malformed;

/// First byte and remaining length of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) first: u8,
    /// Bytes behind the header; below 2^28.
    pub(super) remaining: usize,
}

impl Header {
    pub(super) fn kind(self) -> u8 {
        self.first >> 4
    }

    /// 0 to 3 of a PUBLISH; 3 does not exist.
    pub(super) fn qos(self) -> u8 {
        self.first >> 1 & 3
    }

    /// True if packets of this type begin with a packet id.
    pub(super) fn has_id(self) -> bool {
        (PUBACK..=UNSUBACK).contains(&self.kind())
    }

    /// Appends the header as it is sent.
    pub(super) fn write(self, to: &mut Vec<u8>) {
        to.push(self.first);
        let mut rest = self.remaining;
        loop {
            let byte = (rest & 0x7f) as u8;
            rest >>= 7;
            if rest == 0 {
                to.push(byte);
                return;
            }
            to.push(byte | 0x80);
        }
    }
}

/// A PUBLISH at QoS 0. The topic is at most 65,535 bytes long.
pub(super) fn publish(topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    let header = Header {
        first: PUBLISH << 4,
        remaining: 2 + topic.len() + payload.len(),
    };
    header.write(&mut packet);
    packet.extend([(topic.len() >> 8) as u8, topic.len() as u8]);
    packet.extend(topic.as_bytes());
    packet.extend(payload);
    packet
}

/// Reads a header byte by byte.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reading {
    first: Option<u8>,
    remaining: usize,
    length_bytes: u8,
}

impl Reading {
    /// True if a packet has begun.
    pub(super) fn has_begun(&self) -> bool {
        self.first.is_some()
    }

    /// Takes the next byte; the header, if it is complete with this one.
    pub(super) fn take(&mut self, byte: u8) -> Result<Option<Header>, Malformed> {
        let Some(first) = self.first else {
            self.first = Some(byte);
            return Ok(None);
        };
        self.remaining |= usize::from(byte & 0x7f) << (7 * self.length_bytes);
        self.length_bytes += 1;
        if byte & 0x80 == 0 {
            let remaining = self.remaining;
            *self = Reading::default();
            return Ok(Some(Header { first, remaining }));
        }
        match self.length_bytes {
            LENGTH_BYTES => Err(Malformed),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
        let mut reading = Reading::default();
        for (at, byte) in bytes.iter().enumerate() {
            if let Some(header) = reading.take(*byte)? {
                assert_eq!(at + 1, bytes.len());
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    #[test]
    fn a_length_has_one_to_four_bytes() {
        for (bytes, remaining) in [
            (&[0x30, 0][..], 0),
            (&[0x30, 0x7f], 127),
            (&[0x30, 0x80, 1], 128),
            (&[0x30, 0xff, 0xff, 0xff, 0x7f], 268_435_455),
            // Longer than it has to be.
            (&[0x30, 0x80, 0x80, 0x80, 0], 0),
        ] {
            let first = 0x30;
            assert_eq!(read(bytes), Ok(Some(Header { first, remaining })));
        }
        assert_eq!(read(&[0x30, 0x80, 0x80]), Ok(None));
        assert_eq!(read(&[0x30, 0x80, 0x80, 0x80, 0x80]), Err(Malformed));
    }
}
