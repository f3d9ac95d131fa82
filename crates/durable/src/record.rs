//! A record of a log, as bytes.
//!
//! ```text
//!  0         4            12      16        20        24
//!  +---------+------------+-------+---------+---------+-----------------+
//!  | length  | sequence   | salt  | body    | head    | payload         |
//!  | u32     | u64        | u32   | CRC-32C | CRC-32C | `length` bytes  |
//!  +---------+------------+-------+---------+---------+-----------------+
//! ```
//!
//! All numbers are little-endian, on every processor. `body` is the checksum of the payload, `head`
//! that of the 20 bytes before it. The head has one of its own so that a record whose payload is torn
//! or damaged is known to reach to its end: nobody looks for records inside it, where a payload from
//! outside could hold something that looks like one. Where a head itself is lost the search does come
//! there: so all heads of a file have the same `salt`, which is drawn by chance and told to nobody. (Of a
//! file that has lost its beginning, the first head that is found is believed.)

use super::checksum::crc32c;

/// Bytes of a record before its payload.
pub const HEAD: usize = 24;

/// Bytes of the longest record: what opening a log holds in memory.
pub(super) const RECORD_MAX: usize = 60 << 10;

/// Bytes of the longest payload.
pub const PAYLOAD_MAX: usize = RECORD_MAX - HEAD;

/// Sequences above this are none of ours: a log cannot come that far.
pub(super) const SEQUENCE_MAX: u64 = u64::MAX >> 1;

/// A file cannot begin with more: what is appended to it has to stay below [`SEQUENCE_MAX`].
pub(super) const FIRST_MAX: u64 = SEQUENCE_MAX - (1 << 32);

/// The head in front of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of the payload; 0 in the mark that begins a file.
    pub(super) length: usize,
    pub(super) sequence: u64,
    pub(super) salt: u32,
    body: u32,
}

impl Head {
    /// Reads the first [`HEAD`] bytes of `bytes`; `None` if they are too few or no head of ours.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, _) = bytes.split_first_chunk::<HEAD>()?;
        let &[l0, l1, l2, l3, s0, s1, s2, s3, s4, s5, s6, s7, a0, a1, a2, a3, b0, b1, b2, b3, h0, h1, h2, h3] =
            head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let sequence = u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]);
        // Before the checksum, because a search asks for every byte of a file.
        if length > PAYLOAD_MAX || sequence > SEQUENCE_MAX {
            return None;
        }
        let own = u32::from_le_bytes([h0, h1, h2, h3]);
        (crc32c(&head[..HEAD - 4]) == own).then_some(Head {
            length,
            sequence,
            salt: u32::from_le_bytes([a0, a1, a2, a3]),
            body: u32::from_le_bytes([b0, b1, b2, b3]),
        })
    }

    /// True if this head was made for `payload`.
    pub(super) fn fits(&self, payload: &[u8]) -> bool {
        crc32c(payload) == self.body
    }
}

/// Adds a record to `out`. `payload` has at most [`PAYLOAD_MAX`] bytes.
pub(super) fn encode(salt: u32, sequence: u64, payload: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&salt.to_le_bytes());
    out.extend_from_slice(&crc32c(payload).to_le_bytes());
    let head = crc32c(&out[start..]);
    out.extend_from_slice(&head.to_le_bytes());
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_the_bytes_drawn_above() {
        let mut bytes = Vec::new();
        encode(0x1122_3344, 0x0102_0304_0506_0708, b"123456789", &mut bytes);
        assert_eq!(bytes[..4], [9, 0, 0, 0]);
        assert_eq!(bytes[4..12], [8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(bytes[12..16], [0x44, 0x33, 0x22, 0x11]);
        assert_eq!(bytes[16..20], [0x83, 0x92, 0x06, 0xE3]);
        assert_eq!(bytes[20..24], crc32c(&bytes[..20]).to_le_bytes());
        assert_eq!(&bytes[24..], b"123456789");
        let head = Head::decode(&bytes).unwrap();
        assert_eq!((head.length, head.sequence), (9, 0x0102_0304_0506_0708));
        assert_eq!(head.salt, 0x1122_3344);
        assert!(head.fits(b"123456789") && !head.fits(b"123456780"));
    }

    #[test]
    fn a_head_with_any_bit_changed_is_none() {
        let mut bytes = Vec::new();
        encode(1, 7, b"x", &mut bytes);
        for bit in 0..HEAD * 8 {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Head::decode(&other), None, "bit {bit}");
        }
        assert_eq!(Head::decode(&bytes[..HEAD - 1]), None);
        assert_eq!(Head::decode(&[0; HEAD]), None);
        assert_eq!(Head::decode(&[0xFF; HEAD]), None);
    }

    #[test]
    fn a_head_with_a_sequence_or_a_length_beyond_all_is_none() {
        let mut bytes = Vec::new();
        for (sequence, is_ours) in [(u64::MAX / 2, true), (1 << 63, false), (u64::MAX, false)] {
            bytes.clear();
            encode(1, sequence, b"x", &mut bytes);
            assert_eq!(Head::decode(&bytes).is_some(), is_ours, "{sequence}");
        }
        for (length, is_ours) in [(PAYLOAD_MAX, true), (PAYLOAD_MAX + 1, false)] {
            bytes.clear();
            encode(1, 7, &vec![0; length], &mut bytes);
            assert_eq!(Head::decode(&bytes).is_some(), is_ours, "{length}");
        }
    }
}
