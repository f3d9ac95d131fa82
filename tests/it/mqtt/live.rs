//! Output of running jobs at a real broker.

use std::time::Duration;

use bytes::Bytes;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::Value;
use socketman::jobs::{self, Live, Piece, StreamName};
use socketman::mqtt;
use socketman_lab::within::within;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{interval, Instant};

use super::agent::{asked, config};
use super::server::Server;
use super::{BASE, MAC};

#[tokio::test]
async fn output_comes_as_it_is_made_whole_and_in_order() {
    let server = Server::mosquitto().await;
    let mut options = MqttOptions::new("watcher", ("127.0.0.1", server.port()));
    options.set_clean_session(true);
    let (client, mut watcher) = AsyncClient::builder(options).capacity(10).build();
    client.try_subscribe("live/#", QoS::AtLeastOnce).unwrap();
    within("the watcher subscribes", async {
        while !matches!(
            watcher.poll().await.unwrap(),
            Event::Incoming(Packet::SubAck(_))
        ) {}
    })
    .await;

    let settings = config(server.port());
    let (_options, options) = watch::channel((&settings).into());
    let (_part, handle, outlets) = jobs::new(options, watch::channel(MAC.parse().unwrap()).1);
    let (live, output) = Live::new();
    let (facts, _facts) = watch::channel(mqtt::Facts::default());
    let (stop, stopped) = oneshot::channel();
    let mut seen = facts.subscribe();
    let link = tokio::spawn(mqtt::run(
        (&settings).into(),
        MAC.parse().unwrap(),
        handle,
        mqtt::Supply::new(outlets.broker, output),
        facts,
        asked(stopped),
    ));
    within("connection", seen.wait_for(|facts| facts.connected))
        .await
        .unwrap();

    let (sender, pieces) = mpsc::channel(64);
    live.follow(&"op_1".into(), pieces);
    let said = "süß 😀\n".repeat(300);
    let bytes = Bytes::from(said.clone());
    tokio::spawn(async move {
        let mut ticks = interval(Duration::from_millis(2));
        for at in (0..bytes.len()).step_by(7) {
            ticks.tick().await;
            let piece = Piece {
                stream: StreamName::Stdout,
                bytes: bytes.slice(at..bytes.len().min(at + 7)),
                skipped: 0,
            };
            sender.send(piece).await.unwrap();
        }
    });
    let (mut heard, mut times) = (String::new(), Vec::new());
    within("all of it", async {
        while heard.len() < said.len() {
            if let Event::Incoming(Packet::Publish(publish)) = watcher.poll().await.unwrap() {
                assert_eq!(&publish.topic[..], format!("live/{BASE}").as_bytes());
                assert!(publish.payload.len() <= jobs::LIVE_MESSAGE_MAX && !publish.retain);
                times.push(Instant::now());
                let message: Value = serde_json::from_slice(&publish.payload).unwrap();
                assert_eq!(
                    (&message["id"], &message["stream"]),
                    (&"op_1".into(), &"stdout".into())
                );
                assert_eq!(message["seq"], times.len());
                assert_eq!(message.get("skipped"), None);
                heard += message["data"].as_str().unwrap();
            }
        }
    })
    .await;
    assert_eq!(heard, said);
    // The whole takes 1.5 s.
    let took = times[times.len() - 1] - times[0];
    assert!(
        times.len() >= 3 && times.len() as u32 <= 3 + took.as_millis() as u32 / 250,
        "{times:?}"
    );
    stop.send(()).unwrap();
    within("link ends", link).await.unwrap();
}
