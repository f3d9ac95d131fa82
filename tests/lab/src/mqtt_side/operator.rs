//! The operator at a real broker: publishes jobs and hears what the device says.

use std::time::Duration;

use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Packet, PublishOptions, QoS,
};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{hear, Said, ANSWER_WITHIN};

/// Wait before a broker that went away is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Requests that may wait for the connection.
const REQUESTS: usize = 100;

/// Where a broker is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    host: String,
    port: u16,
}

/// Reads `HOST:PORT`.
pub(super) fn place(text: &str) -> Result<Place, String> {
    let (host, port) = text.rsplit_once(':').ok_or("is not HOST:PORT")?;
    let port = port.parse().map_err(|_| "its port is not a number")?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host {
        "" => Err("has no host".to_owned()),
        host => Ok(Place {
            host: host.to_owned(),
            port,
        }),
    }
}

/// Lets the broker forget the session of `client_id`, as a clean connection does.
pub(super) async fn forget(place: &Place, client_id: &str) -> Result<(), String> {
    let (client, mut connection) = client(place, client_id, true);
    let forget = async {
        loop {
            match connection.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    client.disconnect().await.map_err(|e| e.to_string())?;
                }
                Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    };
    timeout(ANSWER_WITHIN, forget)
        .await
        .unwrap_or_else(|_| Err(silent()))
}

/// A client of its own at the broker.
pub(super) struct Operator {
    client: AsyncClient,
    task: JoinHandle<()>,
}

impl Operator {
    /// Connects and subscribes; returns when the broker has confirmed it.
    pub(super) async fn connect(
        place: Place,
        filters: [String; 3],
        heard: broadcast::Sender<Said>,
    ) -> Result<Self, String> {
        let id = format!("socketman-lab-{:08x}", fastrand::u32(..));
        let (client, connection) = client(&place, &id, true);
        let (ready, mut known) = watch::channel(None);
        let task = tokio::spawn(serve(connection, client.clone(), filters, heard, ready));
        let operator = Operator { client, task };
        let subscribed = timeout(ANSWER_WITHIN, known.wait_for(Option::is_some)).await;
        match subscribed {
            Ok(Ok(answer)) => match &*answer {
                Some(Err(reason)) => Err(reason.clone()),
                _ => Ok(operator),
            },
            Ok(Err(_)) | Err(_) => Err(silent()),
        }
    }

    /// Publishes with QoS 1; returns when the broker has acknowledged it.
    pub(super) async fn publish(&self, topic: &str, payload: String) -> Result<(), String> {
        let options = PublishOptions::new(QoS::AtLeastOnce);
        let publish = async {
            let sent = self.client.publish_tracked(topic, payload, options).await;
            let notice = sent.map_err(|error| error.to_string())?;
            let answer = notice.wait_async().await;
            answer.map(drop).map_err(|error| error.to_string())
        };
        timeout(ANSWER_WITHIN, publish)
            .await
            .unwrap_or_else(|_| Err(silent()))
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn silent() -> String {
    format!("no answer within {} s", ANSWER_WITHIN.as_secs())
}

fn client(place: &Place, id: &str, clean: bool) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(id, (place.host.as_str(), place.port));
    options.set_clean_session(clean);
    let (client, mut connection) = AsyncClient::builder(options).capacity(REQUESTS).build();
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    connection.set_network_options(network);
    (client, connection)
}

/// Keeps the connection; `ready` hears of the first subscription, or why it failed.
async fn serve(
    mut connection: EventLoop,
    client: AsyncClient,
    filters: [String; 3],
    heard: broadcast::Sender<Said>,
    ready: watch::Sender<Option<Result<(), String>>>,
) {
    let mut subscribed = 0;
    loop {
        match connection.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                subscribed = 0;
                for filter in &filters {
                    if let Err(error) = client.try_subscribe(filter.as_str(), QoS::AtLeastOnce) {
                        ready.send_replace(Some(Err(error.to_string())));
                    }
                }
            }
            Ok(Event::Incoming(Packet::SubAck(_))) => {
                subscribed += 1;
                if subscribed == filters.len() {
                    ready.send_replace(Some(Ok(())));
                }
            }
            Ok(Event::Incoming(Packet::Publish(message))) => {
                let topic = String::from_utf8_lossy(&message.topic);
                hear(&heard, &topic, &message.payload);
            }
            Ok(_) => {}
            Err(error) => {
                let was_ready = ready.borrow().is_some();
                if !was_ready {
                    ready.send_replace(Some(Err(error.to_string())));
                    return;
                }
                eprintln!("operator: {error}");
                sleep(RETRY).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_a_host_and_a_port() {
        let there = place("broker.example:1883").unwrap();
        assert_eq!((there.host.as_str(), there.port), ("broker.example", 1883));
        assert_eq!(place("[::1]:1883").unwrap().host, "::1");
        for wrong in ["broker.example", ":1883", "broker.example:mqtt", ""] {
            place(wrong).unwrap_err();
        }
    }

    #[tokio::test]
    async fn a_broker_that_is_not_there_is_named_at_once() {
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = gone.local_addr().unwrap().to_string();
        drop(gone);
        let error = forget(&place(&address).unwrap(), "x").await.unwrap_err();
        assert!(error.to_lowercase().contains("refused"), "{error}");
    }
}
