//! Packets that the client library refuses: each ends the connection, and the broker sends it again on the
//! next one.

use super::incoming::Arrived;

/// Connections that a packet ends before it is dropped.
const TIMES: u8 = 2;

/// Packets remembered; the oldest goes.
const MAX: usize = 16;

/// Type, packet id and size: as much of a packet as stays the same when it is sent again.
type Key = (u8, Option<u16>, usize);

/// The packets that ended connections, each with how many. Kept over connections.
#[derive(Debug, Clone, Default)]
pub(in crate::mqtt) struct Refused(Vec<(Key, u8)>);

impl Refused {
    /// The library ended a connection with this packet.
    pub(in crate::mqtt) fn note(&mut self, packet: &Packet) {
        if let Some((_, times)) = self.0.iter_mut().find(|(key, _)| *key == packet.0) {
            *times = times.saturating_add(1);
            return;
        }
        if self.0.len() >= MAX {
            self.0.remove(0);
        }
        self.0.push((packet.0, 1));
    }

    /// Whether the packet has ended as many connections as it may.
    pub(super) fn holds(&self, packet: &Arrived) -> bool {
        let Packet(key) = Packet::of(packet);
        self.0.iter().any(|(known, times)| *known == key && *times >= TIMES)
    }
}

/// A packet as it is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mqtt) struct Packet(Key);

impl Packet {
    pub(super) fn of(arrived: &Arrived) -> Self {
        Packet((arrived.kind, arrived.id, arrived.size))
    }
}

#[cfg(test)]
mod tests {
    use super::super::header::{PUBACK, SUBACK};
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
        let mut refused = Refused::default();
        let puback = arrived(PUBACK, 9, 2);
        refused.note(&Packet::of(&puback));
        assert!(!refused.holds(&puback));
        refused.note(&Packet::of(&puback));
        assert!(refused.holds(&puback));
        for other in [arrived(PUBACK, 8, 2), arrived(PUBACK, 9, 3), arrived(SUBACK, 9, 2)] {
            assert!(!refused.holds(&other));
        }
    }

    #[test]
    fn packets_remembered_are_bounded() {
        let mut refused = Refused::default();
        for id in 0..1000 {
            refused.note(&Packet::of(&arrived(PUBACK, id, 2)));
        }
        assert_eq!(refused.0.len(), MAX);
    }
}
