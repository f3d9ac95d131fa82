//! A connection in simulated time.

use std::time::Duration;

use tokio::io::{duplex, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{sleep, timeout, Instant};

use super::*;

const KEEPALIVE: Duration = Duration::from_secs(10);

/// Longer than anything that is to happen, in simulated time.
const LONG: Duration = Duration::from_secs(3600);

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
