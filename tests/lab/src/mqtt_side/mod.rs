//! The broker's side: the embedded broker, or a real one behind a proxy of ours that can be cut.
//! Either way the lab publishes jobs, hears what the device says, and takes the broker away.

mod operator;
mod proxy;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use rumqttc::QoS;
use serde::Deserialize;
use tokio::sync::broadcast;
use tokio::task::JoinSet;

use crate::broker::{self, Broker};
use operator::{Operator, Place};
use proxy::Proxy;

/// Messages a listener may fall behind before it misses some, which is an error.
const BEHIND: usize = 4096;

/// Faults on the broker's side.
#[derive(Debug, thiserror::Error)]
pub enum MqttError {
    #[error("port for the broker {address}: {error}")]
    Listen {
        address: SocketAddr,
        error: io::Error,
    },
    #[error("broker {broker}: {reason}")]
    Broker { broker: String, reason: String },
    #[error(transparent)]
    Gone(#[from] broker::Gone),
}

/// A message of the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// `pub`, `delivery` or `status`: the first level of the topic.
    pub channel: String,
    pub payload: Vec<u8>,
}

/// The members of a message that the lab looks at; absent ones are empty.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Words {
    pub id: String,
    pub event_type: String,
    pub meta: Meta,
}

/// The part of a message that depends on its kind.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Meta {
    pub msg: String,
    pub stderr: String,
    pub success: Option<bool>,
    /// A guarded change was undone.
    pub rolled_back: Option<bool>,
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    pub reason: String,
    pub online: String,
}

impl Said {
    /// The message read; `None` if it is not JSON of the kind the device sends.
    pub fn words(&self) -> Option<Words> {
        serde_json::from_slice(&self.payload).ok()
    }
}

/// The ear of somebody who waits for messages of the device.
#[derive(Debug)]
pub struct Ear(broadcast::Receiver<Said>);

/// Nothing more will be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Deaf {
    #[error("the broker's side has ended")]
    Ended,
    #[error("{0} messages of the device came faster than they were read")]
    Missed(u64),
}

impl Ear {
    /// The next message.
    pub async fn next(&mut self) -> Result<Said, Deaf> {
        self.0.recv().await.map_err(|error| match error {
            broadcast::error::RecvError::Closed => Deaf::Ended,
            broadcast::error::RecvError::Lagged(count) => Deaf::Missed(count),
        })
    }

    /// The next message for which `wanted` holds.
    pub async fn wait_for(&mut self, wanted: impl Fn(&Words) -> bool) -> Result<Words, Deaf> {
        loop {
            if let Some(words) = self.next().await?.words().filter(&wanted) {
                return Ok(words);
            }
        }
    }
}

/// The broker's side of the lab.
pub struct MqttSide {
    kind: Kind,
    /// Where the agent finds the broker.
    address: SocketAddr,
    /// `<topic>/<key>/<mac>` of the device.
    base: String,
    heard: broadcast::Sender<Said>,
    _listeners: JoinSet<()>,
}

enum Kind {
    Embedded(Broker),
    Real {
        proxy: Proxy,
        operator: Operator,
        place: Place,
        client_id: String,
    },
}

impl MqttSide {
    /// Starts the embedded broker on a port of the loopback interface (0: any).
    pub async fn embedded(port: u16, base: &str) -> Result<Self, MqttError> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let broker = Broker::new();
        let listened = broker.start(wanted).await;
        let address = listened.map_err(|error| MqttError::Listen {
            address: wanted,
            error,
        })?;
        let (heard, _) = broadcast::channel(BEHIND);
        let mut listeners = JoinSet::new();
        for filter in filters(base) {
            let mut messages = broker.subscribe(&filter).await?;
            let heard = heard.clone();
            listeners.spawn(async move {
                while let Some(message) = messages.recv().await {
                    hear(&heard, &message.topic, &message.payload);
                }
            });
        }
        Ok(MqttSide {
            kind: Kind::Embedded(broker),
            address,
            base: base.to_owned(),
            heard,
            _listeners: listeners,
        })
    }

    /// Uses the broker at `broker` (`HOST:PORT`, no login), through a proxy on a port of the loopback
    /// interface (0: any). `client_id` is the device's: what the broker keeps for it from earlier is
    /// discarded.
    pub async fn real(
        broker: &str,
        port: u16,
        base: &str,
        client_id: &str,
    ) -> Result<Self, MqttError> {
        let refused = |reason: String| MqttError::Broker {
            broker: broker.to_owned(),
            reason,
        };
        let (heard, _) = broadcast::channel(BEHIND);
        let place = operator::place(broker).map_err(refused)?;
        operator::forget(&place, client_id).await.map_err(refused)?;
        let operator = Operator::connect(place.clone(), filters(base), heard.clone());
        let operator = operator.await.map_err(refused)?;
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let proxy = Proxy::start(wanted, broker.to_owned()).await;
        let proxy = proxy.map_err(|error| MqttError::Listen {
            address: wanted,
            error,
        })?;
        Ok(MqttSide {
            address: proxy.address(),
            kind: Kind::Real {
                proxy,
                operator,
                place,
                client_id: client_id.to_owned(),
            },
            base: base.to_owned(),
            heard,
            _listeners: JoinSet::new(),
        })
    }

    /// Where the agent is to look for the broker.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its name for people.
    pub fn description(&self) -> String {
        match &self.kind {
            Kind::Embedded(_) => format!("embedded, at {}", self.address),
            Kind::Real { proxy, .. } => {
                format!("{}, through {}", proxy.target(), self.address)
            }
        }
    }

    /// Takes the broker away from the agent: connections are cut and refused. Sessions stay.
    pub async fn down(&mut self) -> Result<(), MqttError> {
        match &mut self.kind {
            Kind::Embedded(broker) => broker.stop().await?,
            Kind::Real { proxy, .. } => proxy.down().await,
        }
        Ok(())
    }

    /// Gives it back, at the same address.
    pub async fn up(&mut self) -> Result<(), MqttError> {
        let address = self.address;
        let up = match &mut self.kind {
            Kind::Embedded(broker) => broker.start(address).await.map(drop),
            Kind::Real { proxy, .. } => proxy.up().await,
        };
        up.map_err(|error| MqttError::Listen { address, error })
    }

    /// Sends a job to the device, QoS 1; returns when the broker has it, whether or not the agent is
    /// connected.
    pub async fn send_job(&self, id: &str, command: &str) -> Result<(), MqttError> {
        let job = serde_json::json!({"id": id, "meta": {"msg": command}});
        self.send(job.to_string()).await
    }

    /// Sends `payload` to the device where it takes jobs, as [`MqttSide::send_job`] does.
    pub async fn send(&self, payload: String) -> Result<(), MqttError> {
        let topic = format!("sub/{}", self.base);
        match &self.kind {
            Kind::Embedded(broker) => {
                broker.publish(&topic, payload, QoS::AtLeastOnce).await?;
            }
            Kind::Real {
                operator, proxy, ..
            } => {
                let sent = operator.publish(&topic, payload).await;
                sent.map_err(|reason| MqttError::Broker {
                    broker: proxy.target().to_owned(),
                    reason,
                })?;
            }
        }
        Ok(())
    }

    /// Leaves a real broker as it was before: the device's session is discarded. Only when the agent
    /// has ended.
    pub async fn end(self) -> Result<(), MqttError> {
        let Kind::Real {
            place,
            client_id,
            proxy,
            ..
        } = self.kind
        else {
            return Ok(());
        };
        let forgotten = operator::forget(&place, &client_id).await;
        forgotten.map_err(|reason| MqttError::Broker {
            broker: proxy.target().to_owned(),
            reason,
        })
    }

    /// Hears everything the device says from now on.
    pub fn listen(&self) -> Ear {
        Ear(self.heard.subscribe())
    }
}

fn filters(base: &str) -> [String; 3] {
    ["pub", "delivery", "status"].map(|channel| format!("{channel}/{base}"))
}

fn hear(heard: &broadcast::Sender<Said>, topic: &str, payload: &[u8]) {
    let channel = topic.split('/').next().unwrap_or_default().to_owned();
    // Nobody may be listening just now.
    let _ = heard.send(Said {
        channel,
        payload: payload.to_vec(),
    });
}

/// Longest wait for an answer of a real broker.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
