//! A broker that asks for a name and a password.

use socketman::config::Secret;

use super::agent::{config, Agent};
use super::server::Server;
use super::strange::strange_broker;

const REFUSED: &str = "the broker refuses options 'username' and 'password'";

#[tokio::test]
async fn the_right_username_and_password_open_the_broker() {
    let server = Server::mosquitto_for("device", "hush-hush").await;
    let mut settings = config(server.port());
    settings.broker.username = "device".into();
    settings.broker.password = Secret::new("hush-hush");
    let mut agent = Agent::start(settings);
    agent.connected(true).await;
    assert_eq!(agent.facts.borrow().last_error, None);
    agent.stop().await;
}

#[tokio::test]
async fn wrong_credentials_are_an_error_in_plain_words_without_the_password() {
    let server = Server::mosquitto_for("device", "hush-hush").await;
    for (username, password) in [
        ("device", "hush-wrong"),
        ("stranger", "hush-hush"),
        ("device", ""),
        ("", ""),
    ] {
        let mut settings = config(server.port());
        settings.broker.username = username.into();
        settings.broker.password = Secret::new(password);
        let mut agent = Agent::start(settings);
        assert_eq!(agent.error().await, REFUSED, "{username}");
        assert!(!agent.facts.borrow().connected);
        agent.stop().await;
    }
}

#[tokio::test]
async fn a_broker_that_calls_the_credentials_malformed_is_told_the_same_way() {
    let (port, _times) = strange_broker(&[0x20, 2, 0, 4]).await;
    let mut agent = Agent::start(config(port));
    assert_eq!(agent.error().await, REFUSED);
    agent.stop().await;
}
