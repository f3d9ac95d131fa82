//! An operator: sends jobs and reads the devices' messages.

use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, NetworkOptions, Packet, PublishOptions, QoS};
use serde_json::{json, Value};
use socketman_lab::within::within;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::BASE;

/// An operator who sends jobs and reads the devices' messages. It keeps its session, so it misses nothing.
pub(crate) struct Operator {
    pub(crate) client: AsyncClient,
    messages: mpsc::UnboundedReceiver<(String, Value)>,
    /// Messages passed over while output of a running job was waited for.
    passed: Vec<(String, Value)>,
    task: JoinHandle<()>,
}

impl Operator {
    pub(crate) async fn new(port: u16) -> Self {
        Operator::named("operator", port).await
    }

    /// An operator with a session of its own.
    pub(crate) async fn named(id: &str, port: u16) -> Self {
        let mut options = MqttOptions::new(id, ("127.0.0.1", port));
        options
            .set_clean_session(false)
            .set_max_packet_size(32 << 20, 32 << 20);
        let (client, mut eventloop) = AsyncClient::builder(options).capacity(100).build();
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        eventloop.set_network_options(network);
        let (sender, messages) = mpsc::unbounded_channel();
        let (ready_sender, ready) = oneshot::channel();
        let subscriber = client.clone();
        let task = tokio::spawn(async move {
            let mut ready_sender = Some(ready_sender);
            loop {
                match eventloop.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(ack))) if !ack.session_present => {
                        for filter in ["pub/#", "delivery/#", "status/#", "live/#"] {
                            subscriber.try_subscribe(filter, QoS::AtLeastOnce).unwrap();
                        }
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        if let Some(ready) = ready_sender.take() {
                            let _ = ready.send(());
                        }
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                        let value = serde_json::from_slice(&publish.payload).unwrap();
                        let _ = sender.send((topic, value));
                    }
                    Ok(_) => {}
                    // The broker is down; this is how often the operator tries.
                    Err(_) => sleep(Duration::from_millis(50)).await,
                }
            }
        });
        within("operator subscribes", ready).await.unwrap();
        Operator {
            client,
            messages,
            passed: Vec::new(),
            task,
        }
    }

    pub(crate) async fn send(&self, payload: impl Into<Vec<u8>>) {
        let options = PublishOptions::new(QoS::AtLeastOnce);
        let sent = self
            .client
            .publish_tracked(format!("sub/{BASE}"), payload.into(), options);
        let notice = within("publish", sent).await.unwrap();
        within("PUBACK", notice.wait_async()).await.unwrap();
    }

    pub(crate) async fn job(&self, id: &str, msg: &str) {
        self.send(json!({"id": id, "meta": {"msg": msg}}).to_string())
            .await;
    }

    /// The next message of any kind. Safe to drop and call again.
    pub(crate) async fn any(&mut self) -> Value {
        self.messages.recv().await.unwrap().1
    }

    /// The next output of a running job.
    pub(crate) async fn live(&mut self) -> (String, Value) {
        within("live output", async {
            loop {
                let (topic, value) = self.messages.recv().await.unwrap();
                if topic.starts_with("live/") {
                    return (topic, value);
                }
                self.passed.push((topic, value));
            }
        })
        .await
    }

    /// The next message of this `event_type`, also of those that were passed over by [`Operator::live`].
    pub(crate) async fn again(&mut self, event_type: &str) -> (String, Value) {
        let passed = std::mem::take(&mut self.passed);
        let mut passed = passed.into_iter();
        if let Some(found) = passed.find(|(_, value)| value["event_type"] == event_type) {
            self.passed = passed.collect();
            return found;
        }
        self.next(event_type).await
    }

    /// The next message of this `event_type`.
    pub(crate) async fn next(&mut self, event_type: &str) -> (String, Value) {
        within(event_type, async {
            loop {
                let (topic, value) = self.messages.recv().await.unwrap();
                if value["event_type"] == event_type {
                    return (topic, value);
                }
            }
        })
        .await
    }

    pub(crate) async fn result(&mut self, id: &str) -> Value {
        loop {
            let (topic, value) = self.next("PROCESSED").await;
            assert_eq!(topic, format!("pub/{BASE}"));
            if value["id"] == id {
                return value["meta"].clone();
            }
        }
    }

    pub(crate) async fn online(&mut self) -> Value {
        let (topic, value) = self.next("CONNECT").await;
        assert_eq!(topic, format!("status/{BASE}"));
        assert_eq!(value["meta"]["client_id"], "socketmanaabbcc001122");
        value["meta"]["online"].clone()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.task.abort();
    }
}
