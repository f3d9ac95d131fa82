//! Brokers that are none, and settings no broker can be met with.

use std::time::Duration;

use socketman::config::Secret;
use socketman::process::backoff::Backoff;
use socketman::process::clock::Pace;
use socketman_lab::within::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::agent::{config, Agent};

/// Answers CONNECT with `answer` and closes; sends the time of each connection.
pub(crate) async fn strange_broker(
    answer: &'static [u8],
) -> (u16, mpsc::UnboundedReceiver<Instant>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, times) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = sender.send(Instant::now());
            let mut connect = [0; 1024];
            let _ = socket.read(&mut connect).await;
            let _ = socket.write_all(answer).await;
        }
    });
    (port, times)
}

#[tokio::test]
async fn a_broker_that_closes_after_connack_is_not_stormed() {
    const SEED: u64 = 7;
    let (port, mut times) = strange_broker(&[0x20, 2, 0, 0]).await;
    let mut settings = config(port);
    settings.pace = Pace::REAL;
    fastrand::seed(SEED);
    let mut backoff = Backoff::new(Duration::ZERO, Pace::REAL);
    let waits: Duration = (0..4).map(|_| backoff.next_wait()).sum();
    let agent = Agent::start(settings);
    // One thread, and the agent has not run yet: it draws the same numbers.
    fastrand::seed(SEED);
    let began = Instant::now();
    for _ in 0..4 {
        within("attempt", times.recv()).await.unwrap();
    }
    assert!(began.elapsed() >= waits.saturating_sub(Duration::from_millis(5)));
    agent.stop().await;
}

#[tokio::test]
async fn a_broker_that_talks_nonsense_is_an_error_people_can_read() {
    for (answer, error) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "closes the connection; does it want TLS",
        ),
        // An alert of TLS.
        (
            &[0x15, 3, 3, 0, 2, 2, 10][..],
            "does not answer in MQTT; does it want TLS",
        ),
        (&[0x20, 2, 0, 1][..], "does not speak MQTT 3.1.1"),
        (&[0x20, 2, 0, 3][..], "not available now"),
        (&[0xd0, 0][..], "the first packet is not a CONNACK"),
        (
            &[0x20, 2, 0, 0, 0x30, 0xff, 0xff, 0xff, 0xff][..],
            "the broker sent a packet without an end",
        ),
        (
            &[0x20, 2, 0, 0, 0x40, 2, 0, 9][..],
            "a packet that MQTT 3.1.1 does not allow",
        ),
        (&b""[..], "closes the connection; does it want TLS"),
    ] {
        let (port, _times) = strange_broker(answer).await;
        let mut agent = Agent::start(config(port));
        let text = agent.error().await;
        assert!(text.contains(error), "{text}");
        assert!(!text.contains("secret"), "{text}");
        agent.stop().await;
    }
}

#[tokio::test]
async fn topics_that_mqtt_does_not_allow_are_an_error_without_the_key() {
    let mut settings = config(1);
    settings.broker.key = Secret::new("secret+");
    let mut agent = Agent::start(settings);
    let text = agent.error().await;
    assert!(text.contains("'key'") && !text.contains("secret"), "{text}");
    agent.stop().await;
}
