//! The operator at a broker that comes and goes: sends jobs and keeps its session, so that it misses no result.

use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, NetworkOptions, Packet, PublishOptions, QoS};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::Failure;

/// Between two attempts to reach the broker.
const RETRY: Duration = Duration::from_millis(100);

/// Requests that may wait for the broker.
const REQUESTS: usize = 10_000;

/// Channels of the device, before its base topic.
const CHANNELS: [&str; 3] = ["pub", "delivery", "live"];

/// The operator, who knows one device.
pub(super) struct Operator {
    client: AsyncClient,
    /// Channel and message.
    pub(super) heard: mpsc::UnboundedReceiver<(String, Value)>,
    base: String,
    task: JoinHandle<()>,
}

impl Operator {
    /// Returns when the broker has confirmed what is subscribed to.
    pub(super) async fn connect(port: u16, base: &str) -> Result<Self, Failure> {
        let mut options = MqttOptions::new("soak", ("127.0.0.1", port));
        options
            .set_clean_session(false)
            .set_max_packet_size(1 << 20, 1 << 20);
        let (client, mut eventloop) = AsyncClient::builder(options).capacity(REQUESTS).build();
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        eventloop.set_network_options(network);
        let (sender, heard) = mpsc::unbounded_channel();
        let (ready_sender, mut ready) = mpsc::unbounded_channel();
        let filters = CHANNELS.map(|channel| format!("{channel}/{base}"));
        let subscriber = client.clone();
        let task = tokio::spawn(async move {
            loop {
                match eventloop.poll().await {
                    // A broker that was killed may have forgotten.
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        for filter in &filters {
                            // It has room, or the next connection has.
                            let _ = subscriber.try_subscribe(filter.as_str(), QoS::AtLeastOnce);
                        }
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        let _ = ready_sender.send(());
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let topic = String::from_utf8_lossy(&publish.topic);
                        let channel = topic.split('/').next().unwrap_or_default().to_owned();
                        let message = serde_json::from_slice(&publish.payload);
                        let _ = sender.send((channel, message.unwrap_or(Value::Null)));
                    }
                    Ok(_) => {}
                    // The broker is away.
                    Err(_) => sleep(RETRY).await,
                }
            }
        });
        for _ in CHANNELS {
            ready.recv().await.ok_or("no connection to the broker")?;
        }
        Ok(Operator {
            client,
            heard,
            base: base.to_owned(),
            task,
        })
    }

    /// Sends a job now, or as soon as the broker is there.
    pub(super) fn send(&self, job: &str) -> Result<(), Failure> {
        let topic = format!("sub/{}", self.base);
        let options = PublishOptions::new(QoS::AtLeastOnce);
        Ok(self.client.try_publish(topic, job.to_owned(), options)?)
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.task.abort();
    }
}
