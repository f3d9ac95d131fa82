//! The part of a packet that decides what becomes of it: topic and packet id of a PUBLISH, the packet id
//! of others.

use super::header::{self, Header};

/// Head of a packet, read byte by byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) header: Header,
    /// Bytes read of it.
    read: usize,
    topic_len: usize,
    /// The topic of a PUBLISH as far as it is kept.
    topic: Vec<u8>,
    id: u16,
}

impl Head {
    pub(super) fn new(header: Header) -> Self {
        Head {
            header,
            read: 0,
            topic_len: 0,
            topic: Vec::new(),
            id: 0,
        }
    }

    /// Bytes of the packet that belong to the head.
    pub(super) fn len(&self) -> usize {
        self.full_len().min(self.header.remaining)
    }

    /// As [`Head::len`], if the packet were long enough.
    fn full_len(&self) -> usize {
        if self.header.kind() != header::PUBLISH {
            return if self.header.has_id() { 2 } else { 0 };
        }
        match self.read {
            0 | 1 => 2,
            _ => 2 + self.topic_len + self.id_len(),
        }
    }

    fn id_len(&self) -> usize {
        if self.header.qos() > 0 {
            2
        } else {
            0
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.read >= self.len()
    }

    /// Takes the next byte; of a topic at most `keep` bytes are kept.
    pub(super) fn take(&mut self, byte: u8, keep: usize) {
        let is_publish = self.header.kind() == header::PUBLISH;
        match self.read {
            0 | 1 if is_publish => self.topic_len = self.topic_len << 8 | usize::from(byte),
            read if is_publish && read < 2 + self.topic_len => {
                if self.topic.len() < keep {
                    self.topic.push(byte);
                }
            }
            _ => self.id = self.id << 8 | u16::from(byte),
        }
        self.read += 1;
    }

    /// True if the packet is long enough for its head.
    pub(super) fn fits(&self) -> bool {
        self.full_len() <= self.header.remaining
    }

    /// Packet id, where the packet has a valid one.
    pub(super) fn id(&self) -> Option<u16> {
        let has_id = self.header.has_id() || self.id_len() > 0;
        Some(self.id).filter(|id| has_id && self.fits() && *id > 0)
    }

    /// The topic, if all of it was kept.
    pub(super) fn topic(&self) -> Option<&[u8]> {
        Some(self.topic.as_slice()).filter(|topic| topic.len() == self.topic_len)
    }

    /// As much of the topic as was kept.
    pub(super) fn kept_topic(&self) -> &[u8] {
        &self.topic
    }

    /// Bytes behind the head.
    pub(super) fn body_len(&self) -> usize {
        self.header.remaining - self.len()
    }

    /// Appends header and head as they came. The topic has to be whole.
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        self.header.write(to);
        let from = to.len();
        if self.header.kind() == header::PUBLISH {
            // A packet may be too short for its topic and for the length of that.
            let length = [(self.topic_len >> 8) as u8, self.topic_len as u8];
            to.extend(&length[2 - self.read.min(2)..]);
            to.extend(&self.topic);
        }
        // And for its id.
        let id_len = self.len().saturating_sub(to.len() - from).min(2);
        to.extend(&self.id.to_be_bytes()[2 - id_len..]);
    }
}
