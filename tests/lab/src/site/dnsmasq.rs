//! The router's own resolver: it asks the servers that netifd knows, and keeps nothing.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::dns::{Question, REFUSED};
use super::namespace::{Namespace, NamespaceError};

/// Longest message that is passed on, bytes.
const MESSAGE_MAX: usize = 1500;

/// Questions that may wait for an answer; of more, the oldest is forgotten.
const WAITING_MAX: usize = 256;

/// Where the device's programs ask.
const LISTEN: &str = "127.0.0.1:53";

/// The servers to ask, shared with netifd.
pub type Servers = Arc<Mutex<Vec<IpAddr>>>;

/// dnsmasq of the router; it ends when it is dropped.
#[derive(Debug)]
pub struct Dnsmasq {
    task: JoinHandle<()>,
}

impl Dnsmasq {
    /// Starts it in the namespace of the device.
    ///
    /// # Errors
    ///
    /// Its port is taken.
    pub fn start(device: &Namespace, servers: Servers) -> Result<Self, NamespaceError> {
        let failed = |error| NamespaceError::Enter {
            name: device.name().to_owned(),
            error,
        };
        let open = || -> io::Result<_> {
            let sockets = [LISTEN, "0.0.0.0:0"].map(std::net::UdpSocket::bind);
            let [clients, upstream] = sockets;
            Ok((clients?, upstream?))
        };
        let (clients, upstream) = device.enter(open)?.map_err(failed)?;
        let socket = |socket: std::net::UdpSocket| {
            socket.set_nonblocking(true)?;
            UdpSocket::from_std(socket)
        };
        let clients = socket(clients).map_err(failed)?;
        let upstream = socket(upstream).map_err(failed)?;
        let forwarder = Forwarder {
            clients,
            upstream,
            servers,
            waiting: VecDeque::new(),
            next: 0,
        };
        let task = tokio::spawn(forwarder.run());
        Ok(Dnsmasq { task })
    }

    /// Ends it; its port is free when this returns.
    pub async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A question that was passed on.
struct Waiting {
    /// The number it was passed on with.
    number: [u8; 2],
    /// Its own number, and who asked.
    asked: [u8; 2],
    client: SocketAddr,
}

struct Forwarder {
    clients: UdpSocket,
    upstream: UdpSocket,
    servers: Servers,
    waiting: VecDeque<Waiting>,
    next: u16,
}

impl Forwarder {
    async fn run(mut self) {
        let (mut query, mut answer) = ([0; MESSAGE_MAX], [0; MESSAGE_MAX]);
        loop {
            // Errors are those of one message: a client or a server that is gone.
            tokio::select! {
                Ok((length, client)) = self.clients.recv_from(&mut query) => {
                    self.ask(&mut query[..length], client).await;
                }
                Ok((length, _)) = self.upstream.recv_from(&mut answer) => {
                    self.tell(&mut answer[..length]).await;
                }
                else => {}
            }
        }
    }

    async fn ask(&mut self, query: &mut [u8], client: SocketAddr) {
        let Some(question) = Question::read(query) else {
            return;
        };
        let servers: Vec<IpAddr> = {
            let servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
            servers.clone()
        };
        if servers.is_empty() {
            let _ = self
                .clients
                .send_to(&question.refuse(query, REFUSED), client)
                .await;
            return;
        }
        let asked = [query[0], query[1]];
        self.next = self.next.wrapping_add(1);
        let number = self.next.to_be_bytes();
        query[..2].copy_from_slice(&number);
        self.waiting.push_back(Waiting {
            number,
            asked,
            client,
        });
        if self.waiting.len() > WAITING_MAX {
            self.waiting.pop_front();
        }
        for server in servers {
            let _ = self
                .upstream
                .send_to(query, SocketAddr::new(server, 53))
                .await;
        }
    }

    async fn tell(&mut self, answer: &mut [u8]) {
        let number = answer.get(..2).map(<[u8]>::to_vec).unwrap_or_default();
        let waits = |waiting: &Waiting| waiting.number[..] == number[..];
        let Some(waiting) = self.waiting.iter().position(waits) else {
            return;
        };
        if let Some(waiting) = self.waiting.remove(waiting) {
            answer[..2].copy_from_slice(&waiting.asked);
            let _ = self.clients.send_to(answer, waiting.client).await;
        }
    }
}
