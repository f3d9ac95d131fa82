//! Messages: an 8-byte header and one blob of attributes.
//!
//! ```text
//! | version u8 = 0 | type u8 | seq u16 | peer u32 | blob word | attributes ... |
//! ```
//!
//! All numbers are big endian. Replies repeat `seq`. In requests `peer` is 0, but for INVOKE and
//! NOTIFY the object's id; what reaches a service carries the caller's client id there.

use bytes::{Buf, Bytes};

use super::blob::{padded, Attrs, Writer, MAX_BLOB, WORD};
use super::error::Malformed;

/// Bytes in front of the blob.
pub const HEADER: usize = 8;

/// Room the daemon needs to add the caller's USER and GROUP to a request it forwards; it does not
/// check that the result still fits, so the caller has to.
pub const FORWARD_RESERVE: usize = 128;

/// The type of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Greets a client.
    Hello = 0,
    /// Ends a request.
    Status = 1,
    /// A part of a reply.
    Data = 2,
    /// Asks for a reply.
    Ping = 3,
    /// Asks which objects there are.
    Lookup = 4,
    /// Calls a method.
    Invoke = 5,
    /// Offers an object.
    AddObject = 6,
    /// Withdraws an object.
    RemoveObject = 7,
    /// Asks for notifications of an object.
    Subscribe = 8,
    /// Wants no more of them.
    Unsubscribe = 9,
    /// A notification.
    Notify = 10,
    /// Asks for a copy of all traffic.
    Monitor = 11,
}

impl Kind {
    /// The type of this number, if there is one.
    pub fn from_id(id: u8) -> Option<Self> {
        Some(match id {
            0 => Kind::Hello,
            1 => Kind::Status,
            2 => Kind::Data,
            3 => Kind::Ping,
            4 => Kind::Lookup,
            5 => Kind::Invoke,
            6 => Kind::AddObject,
            7 => Kind::RemoveObject,
            8 => Kind::Subscribe,
            9 => Kind::Unsubscribe,
            10 => Kind::Notify,
            11 => Kind::Monitor,
            _ => return None,
        })
    }
}

/// Ids of the attributes of a message.
pub mod attr {
    /// Number of a status.
    pub const STATUS: u8 = 1;
    /// Path of an object.
    pub const OBJPATH: u8 = 2;
    /// Id of an object.
    pub const OBJID: u8 = 3;
    /// Name of a method, or kind of a notification.
    pub const METHOD: u8 = 4;
    /// Id of the type of an object.
    pub const OBJTYPE: u8 = 5;
    /// Methods with their arguments.
    pub const SIGNATURE: u8 = 6;
    /// Members of a call, a reply or an event.
    pub const DATA: u8 = 7;
    /// Object to subscribe to.
    pub const TARGET: u8 = 8;
    /// An object has subscribers.
    pub const ACTIVE: u8 = 9;
    /// The caller wants no reply.
    pub const NO_REPLY: u8 = 10;
    /// Subscribers of an object.
    pub const SUBSCRIBERS: u8 = 11;
    /// Name of the caller's user.
    pub const USER: u8 = 12;
    /// Name of the caller's group.
    pub const GROUP: u8 = 13;
}

/// Objects that the daemon itself answers for.
pub mod system_object {
    /// Sends and registers events.
    pub const EVENT: u32 = 1;
    /// Knows access rights.
    pub const ACL: u32 = 2;
    /// Copies all traffic.
    pub const MONITOR: u32 = 3;
}

/// A whole message as it came from the socket or is about to go there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// 0 from everybody; nobody looks at it.
    pub version: u8,
    /// The type as it stands in the header; [`Kind::from_id`] names it.
    pub kind: u8,
    /// Number of the request that it belongs to.
    pub seq: u16,
    /// Id of an object or a client, or 0.
    pub peer: u32,
    /// Top byte of the blob word (extended bit and id): 0 from everybody, nobody looks at it.
    pub blob_id: u8,
    /// The attributes.
    pub payload: Bytes,
}

impl Frame {
    /// A frame with these attributes.
    pub fn new(kind: Kind, seq: u16, peer: u32, attributes: Writer) -> Self {
        Frame {
            version: 0,
            kind: kind as u8,
            seq,
            peer,
            blob_id: 0,
            payload: attributes.into_bytes().into(),
        }
    }

    /// Length of the blob, its word included, as the daemon's limit counts it.
    pub fn blob_len(&self) -> usize {
        padded(WORD + self.payload.len())
    }

    /// The bytes in front of the payload.
    pub fn head(&self) -> [u8; HEADER + WORD] {
        let len = (WORD + self.payload.len()) as u32 & 0x00ff_ffff;
        let word = (u32::from(self.blob_id) << 24) | len;
        let mut head = [0; HEADER + WORD];
        head[0] = self.version;
        head[1] = self.kind;
        head[2..4].copy_from_slice(&self.seq.to_be_bytes());
        head[4..8].copy_from_slice(&self.peer.to_be_bytes());
        head[8..].copy_from_slice(&word.to_be_bytes());
        head
    }

    /// Reads the frame at the start of `bytes`; `None` if more bytes are needed.
    ///
    /// Only the length is judged here, as soon as it is there: below 4 or above [`MAX_BLOB`] there
    /// is no way to find the next frame. The payload is copied, so that a reply that is kept does not keep the
    /// whole buffer it was read into.
    pub fn split_from(bytes: &mut bytes::BytesMut) -> Result<Option<Frame>, Malformed> {
        let Some((head, _)) = bytes.split_first_chunk::<{ HEADER + WORD }>() else {
            return Ok(None);
        };
        let word = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
        let len = (word & 0x00ff_ffff) as usize;
        if len < WORD || padded(len) > MAX_BLOB {
            return Err(Malformed::FrameLength);
        }
        if bytes.len() < HEADER + len {
            return Ok(None);
        }
        let frame = Frame {
            version: head[0],
            kind: head[1],
            seq: u16::from_be_bytes([head[2], head[3]]),
            peer: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            blob_id: head[8],
            payload: Bytes::copy_from_slice(&bytes[HEADER + WORD..HEADER + len]),
        };
        bytes.advance(HEADER + len);
        Ok(Some(frame))
    }
}

/// The attributes of a message, by name. Unknown ones are skipped; of repeated ones the last counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// [`attr::STATUS`].
    pub status: Option<i32>,
    /// [`attr::OBJPATH`].
    pub objpath: Option<Bytes>,
    /// [`attr::OBJID`].
    pub objid: Option<u32>,
    /// [`attr::METHOD`].
    pub method: Option<Bytes>,
    /// [`attr::OBJTYPE`].
    pub objtype: Option<u32>,
    /// [`attr::SIGNATURE`].
    pub signature: Option<Bytes>,
    /// [`attr::DATA`].
    pub data: Option<Bytes>,
    /// [`attr::TARGET`].
    pub target: Option<u32>,
    /// [`attr::ACTIVE`].
    pub active: Option<bool>,
    /// [`attr::NO_REPLY`].
    pub no_reply: Option<bool>,
    /// [`attr::SUBSCRIBERS`].
    pub subscribers: Option<Bytes>,
    /// [`attr::USER`].
    pub user: Option<Bytes>,
    /// [`attr::GROUP`].
    pub group: Option<Bytes>,
}

impl Attributes {
    /// Reads what a client gets from the daemon: anything malformed is an error.
    pub fn parse(payload: &Bytes) -> Result<Self, Malformed> {
        let mut attributes = Attributes::default();
        for attr in Attrs::new(payload) {
            let attr = attr?;
            attributes.set(payload, attr.id, attr.payload)?;
        }
        Ok(attributes)
    }

    /// Reads as the daemon does: up to the first attribute that does not hold together; one of the
    /// wrong size counts as absent.
    pub fn parse_prefix(payload: &Bytes) -> Self {
        let mut attributes = Attributes::default();
        for attr in Attrs::new(payload).map_while(Result::ok) {
            // An unusable attribute leaves what an earlier one set.
            let _ = attributes.set(payload, attr.id, attr.payload);
        }
        attributes
    }

    fn set(&mut self, whole: &Bytes, id: u8, payload: &[u8]) -> Result<(), Malformed> {
        let slice = || whole.slice_ref(payload);
        // The text up to its first NUL; the last byte has to be one.
        let text = || match payload.last() {
            Some(0) => {
                let end = payload.iter().position(|b| *b == 0).unwrap_or(0);
                Ok(whole.slice_ref(&payload[..end]))
            }
            _ => Err(Malformed::Unterminated),
        };
        let word = || {
            <[u8; 4]>::try_from(payload)
                .map(u32::from_be_bytes)
                .map_err(|_| Malformed::AttributeSize)
        };
        let flag = || match payload {
            [byte] => Ok(*byte != 0),
            _ => Err(Malformed::AttributeSize),
        };
        match id {
            attr::STATUS => self.status = Some(word()? as i32),
            attr::OBJPATH => self.objpath = Some(text()?),
            attr::OBJID => self.objid = Some(word()?),
            attr::METHOD => self.method = Some(text()?),
            attr::OBJTYPE => self.objtype = Some(word()?),
            attr::SIGNATURE => self.signature = Some(slice()),
            attr::DATA => self.data = Some(slice()),
            attr::TARGET => self.target = Some(word()?),
            attr::ACTIVE => self.active = Some(flag()?),
            attr::NO_REPLY => self.no_reply = Some(flag()?),
            attr::SUBSCRIBERS => self.subscribers = Some(slice()),
            attr::USER => self.user = Some(text()?),
            attr::GROUP => self.group = Some(text()?),
            _ => {}
        }
        Ok(())
    }
}

/// Writes the attributes of a message, in the order of the calls.
impl Writer {
    /// Adds [`attr::STATUS`].
    pub fn status(mut self, status: i32) -> Self {
        self.attr(attr::STATUS, false, &status.to_be_bytes());
        self
    }

    /// Adds a number of 32 bits.
    pub fn word(mut self, id: u8, value: u32) -> Self {
        self.attr(id, false, &value.to_be_bytes());
        self
    }

    /// Adds a flag.
    pub fn flag(mut self, id: u8, value: bool) -> Self {
        self.attr(id, false, &[u8::from(value)]);
        self
    }

    /// A string attribute; the NUL is added.
    pub fn text(mut self, id: u8, text: &[u8]) -> Self {
        let open = self.open(id, false);
        self.bytes(text);
        self.bytes(&[0]);
        self.close(open);
        self
    }

    /// An attribute whose payload is written already: DATA, SIGNATURE, SUBSCRIBERS.
    pub fn nested(mut self, id: u8, payload: &[u8]) -> Self {
        self.attr(id, false, payload);
        self
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    const LOOKUP: &[u8] = b"\0\x04\0\x01\0\0\0\0\0\0\0\x10\x02\0\0\x0bsystem\0\0";

    #[test]
    fn a_lookup_looks_like_this() {
        let frame = Frame::new(
            Kind::Lookup,
            1,
            0,
            Writer::new().text(attr::OBJPATH, b"system"),
        );
        assert_eq!([&frame.head()[..], &frame.payload].concat(), LOOKUP);
    }

    #[test]
    fn a_frame_that_is_kept_does_not_keep_the_buffer_it_was_read_into() {
        let mut buffer = BytesMut::from(LOOKUP);
        buffer.reserve(1 << 16);
        let read_into = buffer.as_ptr();
        let frame = Frame::split_from(&mut buffer).unwrap().unwrap();
        // All of it can be used again while the frame lives.
        assert!(buffer.try_reclaim((1 << 16) + LOOKUP.len()));
        assert_eq!(buffer.as_ptr(), read_into);
        assert_eq!(frame.payload, LOOKUP[HEADER + WORD..]);
    }

    #[test]
    fn a_frame_that_comes_in_pieces_is_read_when_it_is_whole() {
        let mut buffer = BytesMut::new();
        for byte in &LOOKUP[..LOOKUP.len() - 1] {
            buffer.extend_from_slice(&[*byte]);
            assert_eq!(Frame::split_from(&mut buffer), Ok(None));
        }
        buffer.extend_from_slice(&LOOKUP[LOOKUP.len() - 1..]);
        let frame = Frame::split_from(&mut buffer).unwrap().unwrap();
        assert!(buffer.is_empty());
        let attributes = Attributes::parse(&frame.payload).unwrap();
        assert_eq!(attributes.objpath.as_deref(), Some(&b"system"[..]));
    }

    #[test]
    fn a_length_out_of_bounds_is_seen_before_the_payload() {
        for len in [0u32, 3, 0x10_0001, 0xff_ffff] {
            let mut buffer = BytesMut::from(&[0; 8][..]);
            buffer.extend_from_slice(&len.to_be_bytes());
            assert_eq!(Frame::split_from(&mut buffer), Err(Malformed::FrameLength));
        }
        let mut buffer = BytesMut::from(&[0; 8][..]);
        buffer.extend_from_slice(&0x10_0000u32.to_be_bytes());
        assert_eq!(Frame::split_from(&mut buffer), Ok(None));
    }

    #[test]
    fn a_client_refuses_what_the_daemon_puts_up_with() {
        for (payload, reason) in [
            (&b"\x03\0\0\x07\0\0\x01\0"[..], Malformed::AttributeSize),
            (b"\x02\0\0\x06ab\0\0", Malformed::Unterminated),
            (b"\x04\0\0\x05\0\0\0\0\x01", Malformed::Leftover),
        ] {
            let payload = Bytes::from_static(payload);
            assert_eq!(Attributes::parse(&payload), Err(reason));
            let kept = Attributes::parse_prefix(&payload);
            assert_eq!((kept.objid, kept.objpath), (None, None));
        }
    }
}
