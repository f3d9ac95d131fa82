//! An MQTT 3.1.1 broker in the process: QoS 0 and 1, persistent sessions, last will, retained
//! messages, filters. A client that publishes at QoS 2 is disconnected;
//! one that is silent is not.
//!
//! It can be stopped and started again at the same address; sessions and what waits in them stay, as
//! with a broker that keeps its state on disk.

mod connection;
mod state;

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use rumqttc::{Packet, QoS};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::address::{fall_silent, reserve};
use state::State;

/// Commands and packets that wait for the broker's task.
const WAITING: usize = 1024;

/// Messages an in-process subscriber may fall behind; then it is dropped.
const SUBSCRIBER_BEHIND: usize = 65_536;

/// A message as a subscriber gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Bytes,
    pub qos: QoS,
    pub retain: bool,
}

/// The broker's task has ended, with the runtime it ran on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the broker has ended")]
pub struct Gone;

/// A handle of a running broker; it ends when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Broker {
    commands: mpsc::Sender<(Command, oneshot::Sender<()>)>,
}

#[derive(Debug)]
enum Command {
    Start(SocketAddr, oneshot::Sender<io::Result<SocketAddr>>),
    Stop,
    Publish(String, Bytes, QoS),
    Subscribe(String, mpsc::Sender<Message>),
}

/// Messages from connections to the broker. `u64` numbers the connection.
#[derive(Debug)]
enum Event {
    /// First packet, where to send answers to; dropping the sender closes the connection.
    Connect(u64, rumqttc::Connect, mpsc::Sender<Packet>),
    Packet(u64, Packet),
    Closed(u64),
}

impl Broker {
    /// Makes a broker that does not listen yet. Needs a tokio runtime.
    pub fn new() -> Self {
        let (commands, receiver) = mpsc::channel(WAITING);
        tokio::spawn(serve(receiver));
        Broker { commands }
    }

    /// Listens at `address` (port 0: any) and says where; a listener from before is stopped.
    pub async fn start(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        self.stop().await.map_err(io::Error::other)?;
        let (sender, started) = oneshot::channel();
        let told = self.tell(Command::Start(address, sender)).await;
        told.map_err(io::Error::other)?;
        started.await.map_err(io::Error::other)?
    }

    /// Closes all sockets as a crash would, without last wills. Sessions stay, and the address too.
    pub async fn stop(&self) -> Result<(), Gone> {
        self.tell(Command::Stop).await
    }

    /// Publishes as if a client had; returns when it stands in the subscribers' queues.
    pub async fn publish(
        &self,
        topic: &str,
        payload: impl Into<Bytes>,
        qos: QoS,
    ) -> Result<(), Gone> {
        let (topic, payload) = (topic.to_string(), payload.into());
        self.tell(Command::Publish(topic, payload, qos)).await
    }

    /// Every message from now on whose topic matches `filter`.
    pub async fn subscribe(&self, filter: &str) -> Result<mpsc::Receiver<Message>, Gone> {
        let (sender, receiver) = mpsc::channel(SUBSCRIBER_BEHIND);
        let subscribe = Command::Subscribe(filter.to_string(), sender);
        self.tell(subscribe).await.map(|()| receiver)
    }

    /// Returns when the command is carried out.
    async fn tell(&self, command: Command) -> Result<(), Gone> {
        let (done_sender, done) = oneshot::channel();
        let sent = self.commands.send((command, done_sender)).await;
        sent.map_err(|_| Gone)?;
        done.await.map_err(|_| Gone)
    }
}

impl Default for Broker {
    fn default() -> Self {
        Broker::new()
    }
}

/// The broker's task.
async fn serve(mut commands: mpsc::Receiver<(Command, oneshot::Sender<()>)>) {
    let (events_sender, mut events) = mpsc::channel(WAITING);
    let mut state = State::default();
    let mut listener: Option<TcpListener> = None;
    let mut reserved: Option<TcpSocket> = None;
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            command = commands.recv() => {
                let Some((command, done)) = command else {
                    return;
                };
                match command {
                    Command::Start(address, answer) => {
                        let ours = reserved.take().filter(|s| s.local_addr().ok() == Some(address));
                        let socket = ours.map_or_else(|| reserve(address), Ok);
                        let started = socket.and_then(|socket| socket.listen(1024));
                        let _ = answer.send(started.and_then(|started| {
                            listener.insert(started).local_addr()
                        }));
                    }
                    Command::Stop => {
                        if let Some(down) = listener.take() {
                            reserved = fall_silent(down).ok();
                        }
                        connections.shutdown().await;
                        // What connections said last is lost, as in a crash.
                        while events.try_recv().is_ok() {}
                        state.disconnect_all();
                    }
                    Command::Publish(topic, payload, qos) => state.route(topic, payload, qos, false),
                    Command::Subscribe(filter, sender) => state.listen(filter, sender),
                }
                // Who asked may have gone meanwhile; then nobody misses the answer.
                let _ = done.send(());
            }
            Some(event) = events.recv() => state.handle(event),
            Some(accepted) = async { Some(listener.as_ref()?.accept().await) } => match accepted {
                Ok((socket, _)) => {
                    number += 1;
                    connections.spawn(connection::serve(socket, number, events_sender.clone()));
                }
                Err(error) => {
                    eprintln!("broker: accept: {error}");
                    listener = None;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
