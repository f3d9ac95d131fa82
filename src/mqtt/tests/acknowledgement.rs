//! Jobs are acknowledged when they are decided on, and not before; what waits for that is bounded.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{duplex, split, AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::super::session::{Around, Ended, Session};
use super::super::topic::Topics;
use super::super::{Facts, Link, Refused, Supply};
use super::broker::packet;
use super::MAC;
use crate::config::Config;
use crate::jobs;

const JOBS: u16 = 100;

/// Bytes on the way that are the line's, not the device's.
const BUFFER: usize = 4096;

fn job(n: u16, len: usize) -> Vec<u8> {
    let topic = b"sub/fleet/secret/aa:bb:cc:00:11:22";
    let filler = "x".repeat(len);
    let payload = format!(r#"{{"id":"{n}","meta":{{"type":"ping","msg":"{filler}"}}}}"#);
    let mut rest = 2 + topic.len() + 2 + payload.len();
    let mut packet = vec![0x32];
    loop {
        let byte = (rest & 0x7f) as u8;
        rest >>= 7;
        packet.push(if rest > 0 { byte | 0x80 } else { byte });
        if rest == 0 {
            break;
        }
    }
    packet.extend([0, topic.len() as u8]);
    packet.extend(topic);
    packet.extend(n.to_be_bytes());
    packet.extend(payload.as_bytes());
    packet
}

/// Lets the device in.
async fn let_in(broker: &mut DuplexStream) {
    let mut some = [0; 1024];
    for answer in [&[0x20, 2, 0, 0][..], &[0x90, 3, 0, 1, 1]] {
        assert!(broker.read(&mut some).await.unwrap() > 0);
        broker.write_all(answer).await.unwrap();
    }
}

/// Reads until a job is acknowledged; its packet id.
async fn acknowledged(broker: &mut (impl AsyncRead + Unpin)) -> u16 {
    loop {
        let (first, body) = packet(broker).await.unwrap();
        if first == 0x40 {
            return u16::from_be_bytes([body[0], body[1]]);
        }
    }
}

/// Lets the device in, and writes jobs of this length until it takes no more for a minute; how many went
/// through, and the broker's end of the connection.
async fn flood(mut broker: DuplexStream, len: usize) -> (u16, DuplexStream) {
    let_in(&mut broker).await;
    for n in 1..=JOBS {
        let job = job(n, len);
        let sent = timeout(Duration::from_secs(60), async {
            broker.write_all(&job).await.unwrap();
        });
        if sent.await.is_err() {
            return (n - 1, broker);
        }
    }
    (JOBS, broker)
}

/// Has `looks` look at a session beside it, with the broker's end of the connection and the jobs part, which does not work yet.
async fn beside<F>(looks: impl FnOnce(DuplexStream, jobs::Jobs) -> F)
where
    F: Future<Output = DuplexStream>,
{
    let dir = tempfile::tempdir().unwrap();
    let config = Config::default().with(|config| {
        config.ping.off = true;
        config.state_dir = dir.path().join("state");
    });
    let (_options, options) = watch::channel((&config).into());
    let (part, handle, outlets) = jobs::new(options, watch::channel(MAC.parse().unwrap()).1);
    let topics = Topics::new("fleet", "secret", &MAC.parse().unwrap()).unwrap();
    let (network, broker) = duplex(BUFFER);
    let refused = &Refused::default();
    let link = Link::new(
        Box::new(network),
        &topics.jobs,
        config.broker.keepalive,
        refused.clone(),
    );
    let around = Around {
        settings: &(&config).into(),
        topics: &topics,
        jobs: &handle,
        supply: &mut Supply::new(outlets.broker, outlets.live),
        facts: &watch::channel(Facts::default()).0,
        refused,
    };
    let session = Session::new(around, link);
    let mut ends = pin!(sleep(Duration::from_secs(3600)));
    tokio::select! {
        ended = session.run(ends.as_mut()) => match ended {
            Ended::Shutdown => panic!("it took an hour"),
            Ended::Lost(lost) => panic!("{}", lost.error),
        },
        broker = looks(broker, part) => drop(broker),
    }
}

#[tokio::test(start_paused = true)]
async fn no_job_is_acknowledged_before_the_decision_and_few_are_read() {
    // Late jobs, and as many behind them.
    for (len, most) in [(10, 32), (60_000, 10), (300_000, 2)] {
        beside(|broker, part| async move {
            let (sent, mut broker) = flood(broker, len).await;
            // What fits into the line and what is read at once is beyond the window.
            let beyond = (BUFFER + 4096) / (len + 80) + 1;
            println!("{sent} jobs of {len} bytes without a decision");
            assert!(
                usize::from(sent) <= most + beyond,
                "{sent} jobs of {len} bytes"
            );
            // The device said that it is there, and acknowledged nothing.
            let mut heard = Vec::new();
            let silence = timeout(Duration::from_secs(1), broker.read_to_end(&mut heard));
            silence.await.unwrap_err();
            assert!(heard.starts_with(&[0x30]) && !heard.windows(2).any(|two| two == [0x40, 2]));
            // Decided on, they are acknowledged in their order.
            let working = tokio::spawn(part.run(std::future::pending(), Duration::ZERO));
            let mut known = Vec::new();
            while known.len() < usize::from(sent) {
                known.push(acknowledged(&mut broker).await);
            }
            assert_eq!(known, (1..=sent).collect::<Vec<_>>());
            working.abort();
            broker
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_job_that_is_not_decided_on_does_not_keep_others_from_being_read() {
    beside(|mut broker, part| async move {
        let_in(&mut broker).await;
        broker.write_all(&job(1, 300_000)).await.unwrap();
        let other = job(2, 4 * BUFFER);
        let sent = timeout(Duration::from_secs(25), broker.write_all(&other)).await;
        sent.expect("it is read before the next answer is due")
            .unwrap();
        drop(part);
        broker
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_comes_again_on_the_same_connection_takes_one_place() {
    beside(|mut broker, part| async move {
        let_in(&mut broker).await;
        for _ in 0..40 {
            broker.write_all(&job(1, 10)).await.unwrap();
            sleep(Duration::from_secs(20)).await;
        }
        let other = job(2, 4 * BUFFER);
        let sent = timeout(Duration::from_secs(60), broker.write_all(&other)).await;
        sent.expect("one job holds up the channel").unwrap();
        drop(part);
        broker
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_came_again_before_the_decision_is_acknowledged_once() {
    beside(|mut broker, part| async move {
        let_in(&mut broker).await;
        for _ in 0..3 {
            broker.write_all(&job(1, 10)).await.unwrap();
            sleep(Duration::from_secs(20)).await;
        }
        let working = tokio::spawn(part.run(std::future::pending(), Duration::ZERO));
        assert_eq!(acknowledged(&mut broker).await, 1);
        broker.write_all(&job(2, 10)).await.unwrap();
        assert_eq!(acknowledged(&mut broker).await, 2);
        working.abort();
        broker
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn jobs_that_come_again_beside_their_acknowledgement_do_not_end_the_connection() {
    // Decisions and packets meet in an order of their own each time.
    for _ in 0..30 {
        beside(|mut broker, part| async move {
            let_in(&mut broker).await;
            let working = tokio::spawn(part.run(std::future::pending(), Duration::ZERO));
            let (mut reads, mut writes) = split(broker);
            let writing = async {
                for n in (0..300).map(|n| 1 + n % 3) {
                    writes.write_all(&job(n, 10)).await.unwrap();
                }
                writes.write_all(&job(4, 10)).await.unwrap();
            };
            let reading = async { while acknowledged(&mut reads).await != 4 {} };
            tokio::join!(writing, reading);
            working.abort();
            reads.unsplit(writes)
        })
        .await;
    }
}
