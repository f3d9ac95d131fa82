//! An MQTT 3.1.1 broker in the process: QoS 0 and 1, persistent sessions, last will, retained
//! messages, filters.
//!
//! It can be stopped and started again at the same address; sessions and what waits in them stay, as
//! with a broker that keeps its state on disk.

mod connection;
mod state;

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use rumqttc::{Packet, QoS};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

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
    commands: mpsc::Sender<Command>,
    clients: watch::Receiver<BTreeSet<String>>,
}

#[derive(Debug)]
enum Command {
    Start(SocketAddr, oneshot::Sender<io::Result<SocketAddr>>),
    Stop(oneshot::Sender<()>),
    Publish(Message, oneshot::Sender<()>),
    Subscribe(String, mpsc::Sender<Message>, oneshot::Sender<()>),
}

/// What connections tell the broker. `u64` numbers the connection.
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
        let (commands, commands_receiver) = mpsc::channel(WAITING);
        let (clients_sender, clients) = watch::channel(BTreeSet::new());
        tokio::spawn(serve(commands_receiver, clients_sender));
        Broker { commands, clients }
    }

    /// Listens at `address` (port 0: any) and says where; a listener from before is stopped.
    pub async fn start(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        self.ask(|answer| Command::Start(address, answer))
            .await
            .map_err(io::Error::other)?
    }

    /// Closes the listener and all connections as a crash would, without last wills. Sessions stay.
    pub async fn stop(&self) -> Result<(), Gone> {
        self.ask(Command::Stop).await
    }

    /// Publishes as if a client had; returns when it stands in the subscribers' queues.
    pub async fn publish(
        &self,
        topic: &str,
        payload: impl Into<Bytes>,
        qos: QoS,
    ) -> Result<(), Gone> {
        let message = Message {
            topic: topic.to_string(),
            payload: payload.into(),
            qos,
            retain: false,
        };
        self.ask(|answer| Command::Publish(message, answer)).await
    }

    /// Every message from now on whose topic matches `filter`.
    pub async fn subscribe(&self, filter: &str) -> Result<mpsc::Receiver<Message>, Gone> {
        let (sender, receiver) = mpsc::channel(SUBSCRIBER_BEHIND);
        self.ask(|answer| Command::Subscribe(filter.to_string(), sender, answer))
            .await?;
        Ok(receiver)
    }

    /// Waits until a client with this id is connected, or is not.
    pub async fn wait_connected(&self, client_id: &str, connected: bool) -> Result<(), Gone> {
        self.clients
            .clone()
            .wait_for(|clients| clients.contains(client_id) == connected)
            .await
            .map(drop)
            .map_err(|_| Gone)
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Gone> {
        let (sender, answer) = oneshot::channel();
        self.commands
            .send(command(sender))
            .await
            .map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
    }
}

impl Default for Broker {
    fn default() -> Self {
        Broker::new()
    }
}

/// The broker's task.
async fn serve(mut commands: mpsc::Receiver<Command>, clients: watch::Sender<BTreeSet<String>>) {
    let (events_sender, mut events) = mpsc::channel(WAITING);
    let mut state = State::new(clients);
    let mut listener: Option<TcpListener> = None;
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            command = commands.recv() => {
                if matches!(command, Some(Command::Start(..) | Command::Stop(_)) | None) {
                    listener = None;
                    connections.shutdown().await;
                    // What connections said last is lost, as in a crash.
                    while events.try_recv().is_ok() {}
                    state.disconnect_all();
                }
                // Who asked may have gone meanwhile; then nobody misses the answer.
                let _ = match command {
                    Some(Command::Start(address, answer)) => {
                        let bound = TcpListener::bind(address).await;
                        let address = bound.as_ref().map(TcpListener::local_addr);
                        let address = address.unwrap_or_else(|error| Err(error.kind().into()));
                        listener = bound.ok();
                        answer.send(address).is_ok()
                    }
                    Some(Command::Publish(message, answer)) => {
                        state.route(&message);
                        answer.send(()).is_ok()
                    }
                    Some(Command::Subscribe(filter, sender, answer)) => {
                        state.listen(filter, sender);
                        answer.send(()).is_ok()
                    }
                    Some(Command::Stop(answer)) => answer.send(()).is_ok(),
                    None => return,
                };
            }
            Some(event) = events.recv() => state.handle(event),
            accepted = accept(listener.as_ref()) => match accepted {
                Ok(socket) => {
                    number += 1;
                    connections.spawn(connection::serve(socket, number, events_sender.clone()));
                }
                Err(error) => {
                    eprintln!("broker: accept: {error}");
                    listener = None;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => Ok(listener.accept().await?.0),
        None => std::future::pending().await,
    }
}
