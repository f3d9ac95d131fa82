//! Packets that the client library refuses: each ends the connection, and the broker sends it again on the
//! next one.

use std::sync::{Arc, Mutex, PoisonError};

use rumqttc::StateError;

use super::header;
use super::incoming::Arrived;

/// Connections that a packet ends before it is dropped.
const TIMES: u8 = 2;

/// Packets remembered; the oldest goes.
const MAX: usize = 16;

/// Type, packet id and size: as much of a packet as stays the same when it is sent again.
type Key = (u8, Option<u16>, usize);

/// The packets that ended connections, each with how many. Kept over connections; clones are the same.
#[derive(Debug, Clone, Default)]
pub(in crate::mqtt) struct Refused(Arc<Mutex<Vec<(Key, u8)>>>);

impl Refused {
    /// The library ended a connection with this packet.
    pub(in crate::mqtt) fn note(&self, packet: &Packet) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, times)) = known.iter_mut().find(|(key, _)| *key == packet.0) {
            *times = times.saturating_add(1);
            return;
        }
        if known.len() >= MAX {
            known.remove(0);
        }
        known.push((packet.0, 1));
    }

    /// True if the packet has ended as many connections as it may, and is dropped now. It is forgotten with
    /// that: acknowledged, it does not come again, and a later packet may look like it.
    pub(super) fn drops(&self, packet: &Arrived) -> bool {
        let Packet(key) = Packet::of(packet);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.len();
        known.retain(|(known, times)| *known != key || *times < TIMES);
        known.len() < before
    }
}

/// A packet as it is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mqtt) struct Packet(Key);

impl Packet {
    pub(super) fn of(arrived: &Arrived) -> Self {
        Packet((arrived.kind, arrived.id, arrived.size))
    }

    /// True if the library may have refused this packet with `error`. It refuses acknowledgements of ours with the same
    /// error as those of the broker.
    pub(in crate::mqtt) fn may_cause(&self, error: &StateError) -> bool {
        let (kind, id, _) = self.0;
        match error {
            StateError::Unsolicited(unknown) => {
                kind != header::PUBLISH && id.unwrap_or(0) == *unknown
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::header::{PUBACK, PUBLISH, SUBACK};
    use super::*;

    fn arrived(kind: u8, id: u16, size: usize) -> Arrived {
        Arrived {
            kind,
            qos: 0,
            id: Some(id),
            size,
            dropped: None,
        }
    }

    #[test]
    fn a_packet_that_ended_two_connections_is_dropped_and_others_are_not() {
        let refused = Refused::default();
        let puback = arrived(PUBACK, 9, 2);
        refused.note(&Packet::of(&puback));
        assert!(!refused.drops(&puback));
        refused.note(&Packet::of(&puback));
        for other in [
            arrived(PUBACK, 8, 2),
            arrived(PUBACK, 9, 3),
            arrived(SUBACK, 9, 2),
        ] {
            assert!(!refused.drops(&other));
        }
        assert!(refused.drops(&puback));
        assert!(!refused.drops(&puback));
    }

    #[test]
    fn a_packet_is_innocent_of_an_acknowledgement_of_ours_that_the_library_refuses() {
        let error = StateError::Unsolicited(9);
        for (kind, id, guilty) in [(PUBLISH, 9, false), (PUBACK, 8, false), (PUBACK, 9, true)] {
            let packet = Packet::of(&arrived(kind, id, 2));
            assert_eq!(packet.may_cause(&error), guilty, "{packet:?}");
            assert!(packet.may_cause(&StateError::InvalidState));
        }
    }

    #[test]
    fn packets_remembered_are_bounded() {
        let refused = Refused::default();
        for id in 0..1000 {
            refused.note(&Packet::of(&arrived(PUBACK, id, 2)));
        }
        assert_eq!(refused.0.lock().unwrap().len(), MAX);
    }
}
