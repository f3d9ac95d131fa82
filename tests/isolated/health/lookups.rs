//! Names that get no answer: they delay neither the broker link nor the end of the process.

use std::time::Duration;

use serde_json::json;
use socketman_lab::agent_binary;
use socketman_lab::broker::Broker;
use socketman_lab::within::within;
use tokio::net::{TcpListener, TcpStream};

use super::site::Site;
use super::{ask, bus_of, SCALE};

/// The contract for the end of the process.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Passes connections to the broker in the world on to one in this process.
pub(super) async fn relay(listener: TcpListener, broker: std::net::SocketAddr) {
    loop {
        let (mut device, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            // While the broker is down, the device is told so by the end of its connection.
            if let Ok(mut broker) = TcpStream::connect(broker).await {
                let _ = tokio::io::copy_bidirectional(&mut device, &mut broker).await;
            }
        });
    }
}

pub(super) async fn connected(client: &ubus::Client, wanted: bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(50));
    loop {
        looks.tick().await;
        // Before the agent is on the bus it cannot be asked.
        if let Ok(status) = ask(client, "status").await {
            if status["mqtt"]["connected"] == wanted {
                return;
            }
        }
    }
}

#[tokio::test]
async fn names_without_an_answer_delay_neither_the_broker_nor_the_end_of_the_process() {
    let binary = agent_binary::find().await.unwrap();
    let mut site = Site::new();
    site.resolver_with_a_dead_upstream("broker.example", "192.0.2.1");
    let broker = Broker::new();
    let at = broker.start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let listener = site.listen("192.0.2.1:1883");
    listener.set_nonblocking(true).unwrap();
    tokio::spawn(relay(TcpListener::from_std(listener).unwrap(), at));

    let program = site.program(&binary, SCALE);
    let settings = json!({
        "mac": "02:00:00:00:00:01",
        "mqtt_host": "broker.example",
        "topic": "lab",
        "key": "desk",
        "spread": 1,
        "stats_url": "http://api.silent.example/stats",
        "rest": true,
        "api_url": "http://operations.silent.example/",
        "health_url": "health.silent.example",
        "web_url": "http://web.silent.example/check",
    });
    program.configure(&settings).unwrap();
    let (_bus, client) = bus_of(&program);
    let mut agent = program.start().unwrap();

    within("the first session", connected(&client, true)).await;
    for _ in 0..3 {
        broker.stop().await.unwrap();
        within("the loss is noticed", connected(&client, false)).await;
        broker.start(at).await.unwrap();
        // A look-up of another name takes the C library half a minute here.
        let back = connected(&client, true);
        tokio::time::timeout(Duration::from_secs(20), back)
            .await
            .expect("the broker's name resolves at once");
    }

    // Every other part still waits for the resolver.
    assert!(agent.terminate(END_WITHIN).await.unwrap().success());
}
