//! Presence at QoS 2, and noticing a broker that is not present any more.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::agent::{config, Agent};
use super::exchange::presence_is_repeated;
use super::operator::Operator;
use super::server::{signal, Server};

#[tokio::test]
async fn presence_is_repeated_at_qos_2_with_mosquitto() {
    presence_is_repeated(Server::mosquitto().await, 2).await;
}

#[tokio::test]
async fn the_labs_broker_closes_the_connection_of_who_publishes_at_qos_2() {
    let server = Server::lab().await;
    let mut settings = config(server.port());
    settings.broker.qos = 2;
    let mut agent = Agent::start(settings);
    let text = agent.error().await;
    assert!(text.contains("the broker closed the connection"), "{text}");
    agent.stop().await;
}

// Row 24.
#[tokio::test]
async fn a_frozen_broker_is_noticed_by_keepalive_even_while_we_talk() {
    let server = Server::mosquitto().await;
    let mut operator = Operator::new(server.port()).await;
    let mut settings = config(server.port());
    settings.broker.keepalive = Duration::from_secs(5);
    settings.ping.off = false;
    let mut agent = Agent::start(settings);
    agent.connected(true).await;
    let Server::Mosquitto { child, .. } = &server else {
        unreachable!();
    };
    signal(child.as_ref(), Signal::STOP);
    let began = Instant::now();
    agent.connected(false).await;
    let took = began.elapsed();
    signal(child.as_ref(), Signal::CONT);
    assert!(took < Duration::from_secs(25), "{took:?}");
    agent.connected(true).await;
    operator.job("1", "echo back").await;
    assert_eq!(operator.result("1").await["msg"], "back\n");
    agent.stop().await;
}
