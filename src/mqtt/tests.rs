//! The log while the broker is away, and sessions in simulated time.

mod acknowledgement;
mod broker;
mod live;
mod silence;

use log::Level::{Debug, Warn};
use tokio::io::{duplex, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::*;
use crate::config::Secret;
use crate::process::clock::Pace;
use crate::process::logging::heard;

const MAC: &str = "aa:bb:cc:00:11:22";

/// Longer than all attempts take on a busy machine.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);

/// The broker's treatment of a connection.
#[derive(Clone, Copy)]
enum Manner {
    /// CONNACK with this code.
    Refuses(u8),
    /// Everything is well until the agent says that it is there; then a packet that has no sense.
    AcceptsForAMoment,
}

async fn hear(socket: &mut TcpStream) {
    let count = socket.read(&mut [0; 1024]).await.unwrap();
    assert!(count > 0, "the agent closed the connection");
}

async fn serve(mut socket: TcpStream, manner: Manner) {
    hear(&mut socket).await;
    match manner {
        Manner::Refuses(code) => socket.write_all(&[0x20, 2, 0, code]).await.unwrap(),
        Manner::AcceptsForAMoment => {
            let puback_of_nothing = &[0x40, 2, 0, 9];
            socket.write_all(&[0x20, 2, 0, 0]).await.unwrap();
            hear(&mut socket).await;
            socket.write_all(&[0x90, 3, 0, 1, 1]).await.unwrap();
            hear(&mut socket).await;
            socket.write_all(puback_of_nothing).await.unwrap();
        }
    }
    // Closed by the agent, or what we sent last could get lost.
    let _ = socket.read_to_end(&mut Vec::new()).await;
}

#[tokio::test]
async fn the_log_warns_of_each_reason_once_until_the_broker_is_back() {
    use Manner::{AcceptsForAMoment, Refuses};
    heard::listen();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = Config::default().with(|config| {
        config.broker.topic = "fleet".into();
        config.broker.key = Secret::new("secret");
        config.broker.host = "127.0.0.1".into();
        config.broker.port = listener.local_addr().unwrap().port();
        config.ping.off = true;
        config.pace = Pace::faster(1000);
    });
    let (_options, options) = watch::channel((&config).into());
    let (_jobs, handle, outlets) = jobs::new(options, watch::channel(MAC.parse().unwrap()).1);
    let (facts_sender, facts) = watch::channel(Facts::default());
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async {
        let _ = stopped.await;
    };
    let beginning = format!("broker {}: ", address(&config.broker));
    let link = run(
        (&config).into(),
        MAC.parse().unwrap(),
        handle,
        Supply::new(outlets.broker, outlets.live),
        facts_sender,
        shutdown,
    );
    let link = tokio::spawn(link);
    let attempts = async {
        for manner in [
            Refuses(3),
            Refuses(3),
            Refuses(3),
            Refuses(5),
            Refuses(5),
            AcceptsForAMoment,
            AcceptsForAMoment,
            Refuses(5),
        ] {
            let (socket, _) = listener.accept().await.unwrap();
            serve(socket, manner).await;
        }
        // The next attempt follows the report of the last failure.
        listener.accept().await.unwrap();
    };
    timeout(DEADLINE, attempts).await.expect("attempts in time");
    let mut levels = heard::levels(&beginning);
    levels.retain(|level| matches!(level, Warn | Debug));
    assert_eq!(levels, [Warn, Debug, Debug, Warn, Debug, Warn, Warn, Warn]);
    let seen = facts.borrow().clone();
    assert!(!seen.connected && seen.last_error.is_some());
    assert_eq!(seen.reconnects, 1);
    stop.send(()).unwrap();
    timeout(DEADLINE, link).await.unwrap().unwrap();
}

/// A broker that lets us in, sends a job of type `ping`, and acknowledges results or not. Results are sent
/// to `results`.
async fn answer(mut socket: DuplexStream, acknowledges: bool, results: mpsc::UnboundedSender<()>) {
    while let Ok(first) = socket.read_u8().await {
        let (mut len, mut shift) = (0, 0);
        loop {
            let byte = socket.read_u8().await.unwrap();
            len |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; len];
        socket.read_exact(&mut body).await.unwrap();
        let answer = match first >> 4 {
            // CONNECT, SUBSCRIBE with a job behind the SUBACK, PUBLISH, PINGREQ.
            1 => vec![0x20, 2, 0, 0],
            8 => {
                let topic = b"sub/fleet/secret/aa:bb:cc:00:11:22";
                let job = br#"{"id":"1","meta":{"type":"ping"}}"#;
                let remaining = 2 + topic.len() + 2 + job.len();
                let mut answer = vec![0x90, 3, body[0], body[1], 1, 0x32];
                answer.extend([u8::try_from(remaining).unwrap(), 0]);
                answer.push(u8::try_from(topic.len()).unwrap());
                answer.extend(topic);
                answer.extend([0, 7]);
                answer.extend(job);
                answer
            }
            3 if first & 6 > 0 => {
                let topic = 2 + usize::from(body[1]);
                let is_result = body[2..].starts_with(b"pub/");
                if is_result {
                    let _ = results.send(());
                }
                match is_result && !acknowledges {
                    true => Vec::new(),
                    false => vec![0x40, 2, body[topic], body[topic + 1]],
                }
            }
            12 => vec![0xd0, 0],
            _ => Vec::new(),
        };
        if socket.write_all(&answer).await.is_err() {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_not_acknowledged_ends_the_connection_and_comes_again() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::default().with(|config| {
        config.ping.off = true;
        config.state_dir = dir.path().join("state");
    });
    let (_options, options) = watch::channel((&config).into());
    let (part, handle, outlets) = jobs::new(options, watch::channel(MAC.parse().unwrap()).1);
    let working = tokio::spawn(part.run(std::future::pending(), Duration::ZERO));
    let mut supply = Supply::new(outlets.broker, outlets.live);
    let (facts, _) = watch::channel(Facts::default());
    let topics = Topics::new("fleet", "secret", &MAC.parse().unwrap()).unwrap();
    let (sender, mut results) = mpsc::unbounded_channel();
    for acknowledges in [false, true] {
        let (network, broker) = duplex(1 << 16);
        let broker = tokio::spawn(answer(broker, acknowledges, sender.clone()));
        let refused = &Refused::default();
        let (network, keepalive) = (Box::new(network), config.broker.keepalive);
        let link = Link::new(network, &topics.jobs, keepalive, refused.clone());
        let around = Around {
            settings: &(&config).into(),
            topics: &topics,
            jobs: &handle,
            supply: &mut supply,
            facts: &facts,
            refused,
        };
        // Long enough for a second deadline.
        let shutdown = std::pin::pin!(sleep(Duration::from_secs(90)));
        let ended = Session::new(around, link).run(shutdown).await;
        match ended {
            Ended::Lost(lost) if !acknowledges => {
                let error = "the broker did not acknowledge a result within 30 s";
                assert_eq!(lost.error, error);
                assert!(lost.ready && !lost.closed_idle);
            }
            Ended::Shutdown if acknowledges => {}
            Ended::Lost(lost) => panic!("{}", lost.error),
            Ended::Shutdown => panic!("the wait has no end"),
        }
        broker.abort();
        results.try_recv().unwrap();
    }
    // The job came twice, and so did its answer; nothing waits any more.
    supply.replies.give_back();
    working.abort();
}
