//! Bytes in every way they can be split, and a connection in simulated time.

use std::time::Duration;

use tokio::io::{duplex, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{sleep, timeout, Instant};

use super::header::{CONNACK, PINGRESP, PUBACK, PUBLISH, SUBACK};
use super::incoming::Arrived;
use super::*;

const TOPIC: &str = "sub/f/k/m";

const KEEPALIVE: Duration = Duration::from_secs(10);

/// Longer than anything that is to happen, in simulated time.
const LONG: Duration = Duration::from_secs(3600);

/// A PUBLISH with a payload of so many bytes.
fn publish(qos: u8, id: u16, topic: &str, payload: usize) -> Vec<u8> {
    let mut body = u16::try_from(topic.len()).unwrap().to_be_bytes().to_vec();
    body.extend(topic.as_bytes());
    if qos > 0 {
        body.extend(id.to_be_bytes());
    }
    body.resize(body.len() + payload, b'x');
    packet(0x30 | qos << 1, &body)
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    let remaining = body.len();
    header::Header { first, remaining }.write(&mut packet);
    packet.extend(body);
    packet
}

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

const CONNECT: [u8; 15] = [
    0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 0, 0, 0, 0, 1, b'i',
];

#[test]
fn our_packets_go_between_those_of_the_library_and_connect_has_the_keepalive() {
    for at in 0..=CONNECT.len() {
        let mut outgoing = Outgoing::new(0x1234);
        let mut bytes = CONNECT;
        let (first, second) = bytes.split_at_mut(at);
        assert!(outgoing.is_between_packets());
        let (_, mut written) = outgoing.feed(first).unwrap();
        assert_eq!(
            outgoing.is_between_packets(),
            at == 0 || at == CONNECT.len()
        );
        if !second.is_empty() {
            written = outgoing.feed(second).unwrap().1;
        }
        assert_eq!(written.unwrap().kind, header::CONNECT);
        assert_eq!(bytes[10..12], [0x12, 0x34]);
    }
}

/// A link, and the broker's end of it.
fn linked() -> (Link, Watch, DuplexStream) {
    let (network, broker) = duplex(2 << 20);
    let (link, watch) = Link::new(Box::new(network), TOPIC, KEEPALIVE, Refused::default());
    (link, watch, broker)
}

/// A connection that the broker has accepted.
async fn accepted() -> (Link, Watch, DuplexStream) {
    let (mut link, watch, mut broker) = linked();
    link.write_all(&CONNECT).await.unwrap();
    broker.read_exact(&mut [0; CONNECT.len()]).await.unwrap();
    broker.write_all(&[0x20, 2, 0, 0]).await.unwrap();
    link.read_exact(&mut [0; 4]).await.unwrap();
    (link, watch, broker)
}

/// Reads until the link ends; why it did, and after how long.
async fn end(link: &mut Link, watch: &Watch) -> (End, u64) {
    let began = Instant::now();
    let read = timeout(LONG, link.read_to_end(&mut Vec::new())).await;
    read.expect("it ends").unwrap_err();
    (watch.end().unwrap(), began.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_silent_is_asked_and_then_left_whatever_is_sent() {
    let (mut link, watch, mut broker) = accepted().await;
    let (end, after) = end(&mut link, &watch).await;
    assert!(matches!(end, End::Silent(_)), "{end:?}");
    assert_eq!(after, 15);
    let mut asked = [0; 2];
    broker.read_exact(&mut asked).await.unwrap();
    assert_eq!(asked, [0xc0, 0]);

    let (mut link, watch, _broker) = accepted().await;
    let began = Instant::now();
    let ended = timeout(LONG, async {
        loop {
            if link
                .write_all(&publish(0, 0, "status/f", 20))
                .await
                .is_err()
            {
                return;
            }
            let _ = timeout(Duration::from_secs(1), link.read_u8()).await;
        }
    });
    ended.await.expect("it ends");
    assert!(matches!(watch.end(), Some(End::Silent(_))));
    assert_eq!(began.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn an_answered_ping_keeps_the_connection() {
    let (mut link, _watch, mut broker) = accepted().await;
    let pings = tokio::spawn(async move {
        let mut pings = 0;
        while broker.read_u16().await.is_ok_and(|packet| packet == 0xc000) {
            pings += 1;
            if broker.write_all(&[0xd0, 0]).await.is_err() {
                break;
            }
        }
        pings
    });
    // The answers are not for the library.
    timeout(LONG, link.read_u8()).await.unwrap_err();
    drop(link);
    assert_eq!(pings.await.unwrap(), LONG.as_secs() * 2 / 15);
}

#[tokio::test(start_paused = true)]
async fn bytes_of_a_long_message_are_life() {
    let (mut link, _watch, mut broker) = accepted().await;
    let job = publish(1, 5, TOPIC, 60_000);
    let sent = job.clone();
    let slow = tokio::spawn(async move {
        for piece in sent.chunks(200) {
            broker.write_all(piece).await.unwrap();
            sleep(Duration::from_millis(500)).await;
        }
        broker
    });
    let mut received = vec![0; job.len()];
    timeout(LONG, link.read_exact(&mut received))
        .await
        .expect("it comes")
        .unwrap();
    assert_eq!(received, job);
    slow.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_answer_has_a_deadline() {
    let subscribe = packet(0x82, &[0, 2, 0, 1, b'a', 1]);
    let unsubscribe = packet(0xa2, &[0, 3, 0, 1, b'a']);
    for (packet, asked) in [
        (publish(1, 1, "pub/f", 9), Asked::Result),
        (publish(1, 1, "delivery/f", 9), Asked::Delivery),
        (publish(2, 1, "status/f", 9), Asked::Status),
        (packet(0x62, &[0, 1]), Asked::Status),
        (subscribe, Asked::Subscription),
        (unsubscribe, Asked::Unsubscription),
    ] {
        let (mut link, watch, broker) = accepted().await;
        let (mut hears, mut says) = tokio::io::split(broker);
        let alive = tokio::spawn(async move {
            while says.write_all(&[0xd0, 0]).await.is_ok() {
                sleep(Duration::from_secs(2)).await;
            }
        });
        let drained = tokio::spawn(async move { hears.read_to_end(&mut Vec::new()).await });
        link.write_all(&packet).await.unwrap();
        let (end, after) = end(&mut link, &watch).await;
        assert!(
            matches!(end, End::Unanswered(what, _) if what == asked),
            "{end:?}"
        );
        assert_eq!(after, 30);
        alive.abort();
        drained.abort();
    }
    let (mut link, watch, _broker) = linked();
    link.write_all(&CONNECT).await.unwrap();
    let (end, after) = end(&mut link, &watch).await;
    assert!(matches!(end, End::Unanswered(Asked::Connect, _)), "{end:?}");
    assert_eq!(after, 10);
}

#[tokio::test(start_paused = true)]
async fn a_skipped_message_is_acknowledged_counted_and_not_kept() {
    let (mut link, watch, mut broker) = accepted().await;
    let long = publish(1, 0x0708, TOPIC, 15 << 20);
    let after = publish(1, 9, TOPIC, 10);
    let expected = after.clone();
    let sending = tokio::spawn(async move {
        broker.write_all(&long).await.unwrap();
        broker
            .write_all(&publish(2, 0x0a0b, "other", 1))
            .await
            .unwrap();
        broker.write_all(&after).await.unwrap();
        broker
    });
    let mut received = vec![0; expected.len()];
    link.read_exact(&mut received).await.unwrap();
    assert_eq!(received, expected);
    let mut broker = sending.await.unwrap();
    let mut acknowledged = [0; 8];
    broker.read_exact(&mut acknowledged).await.unwrap();
    assert_eq!(acknowledged, [0x40, 2, 7, 8, 0x50, 2, 0x0a, 0x0b]);
    let counts = watch.counts();
    assert_eq!((counts.skipped, counts.foreign), (1, 1));
    assert_eq!(watch.topics(), ["other"]);
    assert!(link.up.capacity() < 3 * READ && link.arrived.capacity() < 3 * READ);
}

#[tokio::test(start_paused = true)]
async fn a_flood_leaves_others_their_turn_and_names_a_topic_once() {
    let (mut link, watch, mut broker) = accepted().await;
    let flood = publish(0, 0, "flood", 10).repeat(100_000);
    let sending = tokio::spawn(async move {
        broker.write_all(&flood).await.unwrap();
        broker
    });
    // Beside the reader, a task that counts its turns.
    let turns = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = turns.clone();
    let counting = tokio::spawn(async move {
        loop {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let reading = tokio::spawn(async move { link.read_u8().await });
    while watch.counts().foreign < 100_000 {
        watch.has_news().await;
    }
    counting.abort();
    reading.abort();
    sending.await.unwrap();
    assert!(turns.load(std::sync::atomic::Ordering::Relaxed) >= 10);
    assert_eq!(watch.topics(), ["flood"]);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_takes_nothing_is_read_no_more_and_left() {
    let (network, mut broker) = duplex(1000);
    let (mut link, watch) = Link::new(Box::new(network), TOPIC, KEEPALIVE, Refused::default());
    link.write_all(&CONNECT).await.unwrap();
    broker.read_exact(&mut [0; CONNECT.len()]).await.unwrap();
    broker.write_all(&[0x20, 2, 0, 0]).await.unwrap();
    link.read_exact(&mut [0; 4]).await.unwrap();
    let flooding = tokio::spawn(async move {
        let messages = publish(1, 1, "other", 1).repeat(1000);
        while broker.write_all(&messages).await.is_ok() {}
    });
    let (end, _) = end(&mut link, &watch).await;
    assert!(matches!(end, End::Silent(_)), "{end:?}");
    assert!(link.waiting.len() < READ_ONLY_BELOW + READ);
    flooding.abort();
}

#[tokio::test(start_paused = true)]
async fn what_the_broker_said_before_it_closed_is_heard() {
    let (mut link, watch, mut broker) = linked();
    broker.write_all(&[0x20, 2, 0, 5]).await.unwrap();
    drop(broker);
    link.write_all(&CONNECT).await.unwrap();
    let mut connack = [0; 4];
    link.read_exact(&mut connack).await.unwrap();
    assert_eq!(connack, [0x20, 2, 0, 5]);
    assert!(matches!(end(&mut link, &watch).await.0, End::Closed));
}
