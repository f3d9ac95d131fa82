//! A broker that has an address on the link alone: nobody reaches it without the interface.

use std::net::SocketAddr;

use serde_json::json;
use socketman_lab::agent_binary;
use socketman_lab::broker::Broker;
use socketman_lab::within::within;
use tokio::net::TcpListener;

use super::lookups::{connected, relay};
use super::site::Site;
use super::{bus_of, SCALE};

#[tokio::test]
async fn a_broker_with_a_link_local_address_is_reached_over_the_interface_that_is_named() {
    let binary = agent_binary::find().await.unwrap();
    let site = Site::new();
    site.world_ip("addr add fe80::1/64 dev lan nodad");
    let broker = Broker::new();
    let at: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let at = broker.start(at).await.unwrap();
    let listener = site.listen("[::]:1883");
    listener.set_nonblocking(true).unwrap();
    tokio::spawn(relay(TcpListener::from_std(listener).unwrap(), at));

    let program = site.program(&binary, SCALE);
    let settings = json!({
        "mac": "02:00:00:00:00:01",
        "mqtt_host": "fe80::1%wan",
        "topic": "lab",
        "key": "desk",
        "spread": 1,
        "health_url": "",
        "web_url": "",
    });
    program.configure(&settings).unwrap();
    let (_bus, client) = bus_of(&program);
    let _agent = program.start().unwrap();
    within("a session", connected(&client, true)).await;
}
