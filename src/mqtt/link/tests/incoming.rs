//! Bytes of the broker, in every way they can be split.

use super::super::header::{CONNACK, PINGRESP, PUBACK, PUBLISH, SUBACK};
use super::super::incoming::Arrived;
use super::*;

/// Feeds pieces of these lengths; what the library got, and the packets that arrived.
fn fed(bytes: &[u8], pieces: impl Iterator<Item = usize>) -> (Vec<u8>, Vec<Arrived>) {
    let mut incoming = Incoming::new(TOPIC, Refused::default());
    let (mut up, mut all) = (Vec::new(), Vec::new());
    incoming
        .feed(&[0x20, 2, 0, 0], &mut up, &Awaited::default())
        .unwrap();
    up.clear();
    let mut rest = bytes;
    for piece in pieces {
        let (mut piece, behind) = rest.split_at(piece.min(rest.len()));
        rest = behind;
        while !piece.is_empty() {
            let (taken, arrived) = incoming.feed(piece, &mut up, &Awaited::default()).unwrap();
            piece = &piece[taken..];
            match arrived {
                Some(arrived) => all.push(arrived),
                None => assert!(piece.is_empty()),
            }
        }
    }
    assert!(rest.is_empty());
    (up, all)
}

/// Packets of each kind: as they come, as the library gets them, and as they are acknowledged.
fn all_kinds() -> Vec<(Vec<u8>, bool, u8, Option<u16>)> {
    let short = |first, body: &[u8]| packet(first, body);
    vec![
        (short(0x20, &[0, 0]), true, CONNACK, None),
        (short(0x90, &[0, 1, 1]), true, SUBACK, Some(1)),
        (publish(1, 7, TOPIC, 5), true, PUBLISH, Some(7)),
        (publish(0, 0, TOPIC, 0), true, PUBLISH, None),
        (publish(2, 9, TOPIC, 200), true, PUBLISH, Some(9)),
        (short(0xd0, &[]), false, PINGRESP, None),
        (short(0x40, &[1, 2]), true, PUBACK, Some(0x102)),
        (publish(1, 8, "other", 3), false, PUBLISH, Some(8)),
        (publish(1, 8, "sub/f/k/n", 3), false, PUBLISH, Some(8)),
        (publish(1, 8, &"t".repeat(700), 3), false, PUBLISH, Some(8)),
        (publish(0, 0, "", 0), false, PUBLISH, None),
        // QoS 3, id 0, and packets too short for their heads.
        (publish(3, 8, TOPIC, 3), false, PUBLISH, Some(8)),
        (publish(1, 0, TOPIC, 3), false, PUBLISH, None),
        (short(0x32, &[0, 9, b's']), false, PUBLISH, None),
        (short(0x30, &[]), false, PUBLISH, None),
        (short(0x30, &[0]), false, PUBLISH, None),
        (short(0x32, &[0, 1, b's', 0]), false, PUBLISH, None),
        (short(0x40, &[1]), true, PUBACK, None),
        (short(0x40, &[]), true, PUBACK, None),
    ]
}

#[test]
fn the_library_gets_the_same_packets_however_the_bytes_are_split() {
    let kinds = all_kinds();
    let bytes: Vec<u8> = kinds.iter().flat_map(|(bytes, ..)| bytes.clone()).collect();
    let passed = kinds.iter().filter(|(_, passes, ..)| *passes);
    let expected: Vec<u8> = passed.flat_map(|(bytes, ..)| bytes.clone()).collect();
    let check = |pieces: &mut dyn Iterator<Item = usize>| {
        let (up, arrived) = fed(&bytes, pieces);
        assert_eq!(up, expected);
        for (arrived, (_, passes, kind, id)) in arrived.iter().zip(&kinds) {
            assert_eq!((arrived.kind, arrived.id), (*kind, *id), "{arrived:?}");
            assert_eq!(arrived.dropped.is_none(), *passes, "{arrived:?}");
        }
        assert_eq!(arrived.len(), kinds.len());
    };
    for at in 0..=bytes.len() {
        check(&mut [at, bytes.len()].into_iter());
    }
    for size in 1..40 {
        check(&mut std::iter::repeat_n(size, bytes.len()));
    }
}

#[test]
fn a_long_message_is_read_past_and_those_around_it_are_not() {
    let payload = crate::jobs::message::PAYLOAD_MAX;
    let longest = publish(1, 1, TOPIC, payload);
    let bytes = [
        longest.clone(),
        publish(1, 2, TOPIC, payload + 1),
        publish(2, 3, "other", 5 << 20),
        packet(0x90, &vec![0; payload + 1]),
        publish(1, 4, TOPIC, 1),
    ]
    .concat();
    for size in [1000, 4096, 1 << 20] {
        let (up, arrived) = fed(&bytes, std::iter::repeat_n(size, bytes.len()));
        assert_eq!(up.len(), longest.len() + publish(1, 4, TOPIC, 1).len());
        let ids: Vec<_> = arrived.iter().map(|arrived| arrived.id).collect();
        assert_eq!(ids, [Some(1), Some(2), Some(3), None, Some(4)]);
        let long: Vec<_> = arrived
            .iter()
            .map(|arrived| arrived.dropped == Some(Dropped::TooLong))
            .collect();
        assert_eq!(long, [false, true, true, true, false]);
    }
}

#[test]
fn a_foreign_topic_is_told_if_it_can_be_unsubscribed_from() {
    for (topic, told) in [
        ("a/b".to_owned(), true),
        ("t".repeat(256), true),
        ("t".repeat(257), false),
    ] {
        let (_, arrived) = fed(&publish(0, 0, &topic, 1), std::iter::once(1000));
        let foreign = Dropped::Foreign(Some(topic).filter(|_| told));
        assert_eq!(arrived[0].dropped, Some(foreign));
    }
    let invalid = packet(0x30, &[0, 2, 0xff, 0xfe]);
    let (_, arrived) = fed(&invalid, std::iter::once(1000));
    assert_eq!(arrived[0].dropped, Some(Dropped::Foreign(None)));
}

#[test]
fn a_publish_too_short_for_its_head_is_passed_on_as_it_came() {
    for bytes in [
        &[0x30, 0][..],
        &[0x30, 1, 7],
        &[0x30, 2, 0, 5],
        &[0x30, 4, 0, 5, b'a', b'b'],
        &[0x32, 0],
        &[0x32, 1, 7],
        &[0x32, 3, 0, 1, b'a'],
        &[0x32, 4, 0, 1, b'a', 9],
    ] {
        let mut up = Vec::new();
        // Before the CONNACK, when nothing is judged.
        let mut incoming = Incoming::new(TOPIC, Refused::default());
        let mut rest = bytes;
        while !rest.is_empty() {
            let fed = incoming.feed(rest, &mut up, &Awaited::default());
            rest = &rest[fed.unwrap().0..];
        }
        assert_eq!(up, bytes);
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_readers_panic(mut bytes: Vec<u8>, size in 1usize..9) {
        let mut incoming = Incoming::new(TOPIC, Refused::default());
        let mut up = Vec::new();
        'pieces: for piece in bytes.chunks(size) {
            let mut rest = piece;
            while !rest.is_empty() {
                let Ok((taken, _)) = incoming.feed(rest, &mut up, &Awaited::default()) else {
                    break 'pieces;
                };
                rest = &rest[taken..];
            }
        }
        let mut outgoing = Outgoing::new(30);
        let mut rest = bytes.as_mut_slice();
        while !rest.is_empty() {
            let Ok((taken, _)) = outgoing.feed(rest) else {
                break;
            };
            rest = &mut rest[taken..];
        }
    }
}
