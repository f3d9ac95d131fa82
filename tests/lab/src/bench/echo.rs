//! Clients of the broker, and one in a process of its own that echoes: nothing is answered faster over MQTT.

use std::process::{Child as Process, Command};
use std::time::Duration;

use rumqttc::{AsyncClient, ConnectionError, Event, MqttOptions, NetworkOptions, Packet, QoS};
use serde_json::{json, Value};
use tokio::sync::mpsc;

use super::Failure;

/// A client of the broker that hears of `filter`.
pub(super) struct Client {
    pub(super) client: AsyncClient,
    heard: mpsc::UnboundedReceiver<Vec<u8>>,
}

impl Client {
    pub(super) async fn connect(name: &str, port: u16, filter: &str) -> Result<Self, Failure> {
        let mut options = MqttOptions::new(name, ("127.0.0.1", port));
        options.set_inflight(u16::MAX);
        let (client, mut eventloop) = AsyncClient::builder(options).capacity(20_000).build();
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        eventloop.set_network_options(network);
        client.subscribe(filter, QoS::AtLeastOnce).await?;
        let (sender, heard) = mpsc::unbounded_channel();
        let (ready_sender, mut ready) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                match eventloop.poll().await {
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        let _ = ready_sender.send(());
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let _ = sender.send(publish.payload.to_vec());
                    }
                    Ok(_) => {}
                    // The client was dropped: nobody listens.
                    Err(ConnectionError::RequestsDone) => return,
                    Err(error) => {
                        eprintln!("MQTT client of the benchmark: {error}");
                        return;
                    }
                }
            }
        });
        ready.recv().await.ok_or("no connection to the broker")?;
        Ok(Client { client, heard })
    }

    pub(super) async fn hear(&mut self) -> Result<Vec<u8>, Failure> {
        Ok(self.heard.recv().await.ok_or("the broker has gone")?)
    }
}

/// Echoes until it is killed.
pub(super) async fn echo(port: u16) -> Result<(), Failure> {
    let mut client = Client::connect("echo", port, "echo/in").await?;
    loop {
        let payload = client.hear().await?;
        let client = &client.client;
        client
            .publish(
                "echo/out",
                payload,
                rumqttc::PublishOptions::new(QoS::AtLeastOnce),
            )
            .await?;
    }
}

/// A process that echoes, and its asker. It ends with the benchmark.
pub(super) struct Echo {
    process: Process,
    asker: Client,
}

impl Echo {
    pub(super) async fn start(port: u16) -> Result<Self, Failure> {
        let own = std::env::current_exe()?;
        let port_text = port.to_string();
        let process = Command::new(own)
            .args(["bench", "--echo", &port_text])
            .spawn()?;
        let asker = Client::connect("asker", port, "echo/out").await?;
        let mut echo = Echo { process, asker };
        // The first ones are lost while the other side still connects.
        while tokio::time::timeout(Duration::from_millis(100), echo.once("x"))
            .await
            .is_err()
        {}
        Ok(echo)
    }

    pub(super) async fn once(&mut self, id: &str) -> Result<(), Failure> {
        let job = json!({"id": id, "meta": {"msg": "echo x"}});
        publish(&self.asker.client, "echo/in", job).await?;
        self.asker.hear().await.map(drop)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(super) async fn publish(
    client: &AsyncClient,
    topic: &str,
    payload: Value,
) -> Result<(), Failure> {
    let options = rumqttc::PublishOptions::new(QoS::AtLeastOnce);
    client.publish(topic, payload.to_string(), options).await?;
    Ok(())
}
