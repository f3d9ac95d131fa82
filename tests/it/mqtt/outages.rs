//! A broker that goes and comes back: the agent is always back in time, and never hammers at its door.

use std::time::Duration;

use socketman::config::Config;
use socketman::process::backoff::STABLE_AFTER;
use socketman::process::clock::Pace;
use socketman_lab::within::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout, Instant};

use super::agent::{config, Agent};
use super::operator::Operator;
use super::server::Server;

/// Factor by which time passes faster than on a router.
const FASTER: u32 = 100;

const SPREAD: Duration = Duration::from_secs(10);

fn scaled(port: u16) -> Config {
    config(port).with(|config| {
        config.spread = SPREAD;
        config.pace = Pace::faster(FASTER);
    })
}

// Rows 20 and 21.
#[tokio::test]
async fn after_an_outage_of_any_length_the_agent_is_back_by_the_rule_of_the_spread() {
    let mut server = Server::lab().await;
    let mut operator = Operator::new(server.port()).await;
    let mut agent = Agent::start(scaled(server.port()));
    agent.connected(true).await;
    for (n, tenths) in [1, 2, 50, 450, 1200, 3000, 6000].into_iter().enumerate() {
        server.stop().await;
        agent.connected(false).await;
        let outage = Duration::from_millis(100) * tenths;
        sleep(outage / FASTER).await;
        server.start().await;
        let began = Instant::now();
        agent.connected(true).await;
        // No attempt waits longer than the spread or twice as long as the outage, nor than 5 min: the
        // waits before it are over, and add up to less than that.
        let rule = SPREAD.max(outage * 2).min(Duration::from_secs(300));
        let took = began.elapsed() * FASTER;
        println!("{outage:?} away, back after {took:?} of {rule:?}");
        assert!(took < rule + Duration::from_secs(2) * FASTER, "{took:?}");
        operator.job(&n.to_string(), "echo here").await;
        assert_eq!(operator.result(&n.to_string()).await["msg"], "here\n");
        // After a minute the next outage begins with short waits again.
        sleep(STABLE_AFTER * 2 / FASTER).await;
    }
    assert_eq!(agent.facts.borrow().reconnects, 7);
    agent.stop().await;
}

/// A broker that says so much and then closes the connection, and how many connections it had within
/// `until`.
async fn kicks(listener: TcpListener, says: usize, until: Instant) -> usize {
    let mut connections = 0;
    let kicks = async {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            connections += 1;
            let answers: [&[u8]; 3] = [&[0x20, 2, 0, 0], &[0x90, 3, 0, 1, 1], &[]];
            for answer in &answers[..says] {
                let mut heard = [0; 1024];
                if socket.read(&mut heard).await.unwrap_or(0) == 0 {
                    break;
                }
                let _ = socket.write_all(answer).await;
            }
        }
    };
    let left = until.saturating_duration_since(Instant::now());
    timeout(left, kicks).await.unwrap_err();
    connections
}

#[tokio::test]
async fn a_broker_that_kicks_after_connack_after_suback_or_later_is_left_in_peace() {
    // An hour.
    let hour = Duration::from_secs(3600) / (10 * FASTER);
    for says in 1..=3 {
        for spread in [Duration::ZERO, SPREAD] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let settings = scaled(port).with(|config| {
                config.spread = spread;
                config.pace = Pace::faster(10 * FASTER);
            });
            let agent = Agent::start(settings);
            let connections = kicks(listener, says, Instant::now() + hour).await;
            println!("kicked {connections} times in an hour");
            // Waits of 10, 10, 10, 16, 32, 64, 128, 256 and then 300 s at most, half of it on average: 30 in
            // an hour.
            assert!((5..=90).contains(&connections), "{connections}");
            agent.stop().await;
        }
    }
}

#[tokio::test]
async fn a_broker_whose_tls_fails_for_an_hour_is_left_in_peace_and_tried_on() {
    // It answers the ClientHello with something else, for whatever reason.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = scaled(listener.local_addr().unwrap().port()).with(|config| {
        config.broker.tls = true;
        config.pace = Pace::faster(10 * FASTER);
    });
    let mut agent = Agent::start(settings);
    let mut connections = 0;
    let hour = Duration::from_secs(3600) / (10 * FASTER);
    let refusing = async {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            connections += 1;
            let _ = socket.read(&mut [0; 1024]).await;
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    };
    timeout(hour, refusing).await.unwrap_err();
    println!("{connections} attempts in an hour");
    assert!((5..=90).contains(&connections), "{connections}");
    let error = agent.error().await;
    assert!(!error.is_empty() && agent.facts.borrow().next_attempt.is_some());
    // It goes on trying.
    within("another attempt", listener.accept()).await.unwrap();
    agent.stop().await;
}
