//! Does a gateway answer? By the kernel's neighbour table, which a packet to the gateway keeps true, and by
//! the answer to that packet: an echo where ping sockets are allowed, else "port unreachable".

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::Path;
use std::time::Duration;

use rustix::net::{ipproto, socket_with, AddressFamily, SocketFlags, SocketType};
use serde::Serialize;
use tokio::net::UdpSocket;
use tokio::time::{timeout_at, Instant};

use super::millis;
use crate::collect::kernel::{self, Way};
use crate::health::netlink::{Neighbour, Neighbours};

/// The kernel asks a neighbour three times within 3 s.
pub(super) const WITHIN: Duration = Duration::from_secs(4);

/// Time between two looks at the neighbour table.
const LOOK: Duration = Duration::from_millis(250);

/// Nobody listens at the port for what is thrown away.
const DISCARD: u16 = 9;

/// An echo request; the kernel fills in checksum and id.
const ECHO_V4: [u8; 8] = [8, 0, 0, 0, 0, 0, 0, 1];
const ECHO_V6: [u8; 8] = [128, 0, 0, 0, 0, 0, 0, 1];

/// The findings about a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answers {
    /// Answered an echo, a packet to a closed port, ARP or ND.
    Yes,
    /// Answers neither ARP nor ND.
    No,
    Unknown,
}

/// A gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gateway {
    pub address: IpAddr,
    pub answers: Answers,
    /// Duration.
    pub ms: u64,
}

/// A socket to the gateway, and what is sent there.
fn poke(address: IpAddr, index: u32) -> io::Result<(UdpSocket, &'static [u8])> {
    let (family, protocol, echo, any, to): (_, _, &[u8], IpAddr, SocketAddr) = match address {
        IpAddr::V4(v4) => (
            AddressFamily::INET,
            ipproto::ICMP,
            &ECHO_V4,
            Ipv4Addr::UNSPECIFIED.into(),
            (v4, DISCARD).into(),
        ),
        IpAddr::V6(v6) => (
            AddressFamily::INET6,
            ipproto::ICMPV6,
            &ECHO_V6,
            Ipv6Addr::UNSPECIFIED.into(),
            SocketAddrV6::new(v6, DISCARD, 0, index).into(),
        ),
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let ping = socket_with(family, SocketType::DGRAM, flags, Some(protocol));
    let (socket, sent) = match ping {
        Ok(ping) => (std::net::UdpSocket::from(ping), echo),
        // net.ipv4.ping_group_range does not have us.
        Err(_) => {
            let socket = std::net::UdpSocket::bind((any, 0))?;
            socket.set_nonblocking(true)?;
            (socket, &[][..])
        }
    };
    socket.connect(to)?;
    Ok((UdpSocket::from_std(socket)?, sent))
}

/// Looks whether the gateway of `way` answers, within `within`; `None` without a gateway.
pub(super) async fn ask(root: &Path, way: Way, within: Duration) -> Option<Gateway> {
    let (device, address) = (way.device?, way.gateway?);
    let index = kernel::index(root, &device)?;
    let start = Instant::now();
    let answers = match (poke(address, index), Neighbours::open()) {
        (Ok((socket, sent)), Ok(neighbours)) => {
            let asked = Asked {
                socket,
                sent,
                neighbours,
                index,
                address,
            };
            asked.until(start + within).await
        }
        _ => Answers::Unknown,
    };
    Some(Gateway {
        address,
        answers,
        ms: millis(start),
    })
}

struct Asked {
    socket: UdpSocket,
    sent: &'static [u8],
    neighbours: Neighbours,
    index: u32,
    address: IpAddr,
}

impl Asked {
    async fn until(&self, end: Instant) -> Answers {
        // The kernel's state may be half a minute old, so it is made to ask again.
        let before = self.neighbours.state(self.index, self.address);
        let is_asking = self.neighbours.ask_again(self.index, self.address);
        let mut buffer = [0; 64];
        loop {
            let look = end.min(Instant::now() + LOOK);
            // An error is one of the packet before, or the table tells it.
            let _ = timeout_at(look, self.socket.send(self.sent)).await;
            match timeout_at(look, self.socket.recv(&mut buffer)).await {
                Ok(Ok(_)) => return Answers::Yes,
                Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
                    return Answers::Yes;
                }
                // Nobody is there, the kernel says; it may be about to ask again.
                Ok(Err(_)) => tokio::time::sleep_until(look).await,
                Err(_) => {}
            }
            let is_late = Instant::now() >= end;
            match self.neighbours.state(self.index, self.address) {
                Neighbour::Reachable if is_asking || before != Neighbour::Reachable => {
                    return Answers::Yes;
                }
                Neighbour::Failed => return Answers::No,
                Neighbour::Asked if is_late => return Answers::No,
                _ if is_late => return Answers::Unknown,
                _ => {}
            }
        }
    }
}
