//! An address that refuses connections, for tests.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// A bound port on which nobody listens. Bound, it is not given to another test meanwhile.
pub(crate) struct Closed(TcpSocket);

impl Closed {
    /// A port of 127.0.0.1.
    pub(crate) fn new() -> Self {
        Closed::at(([127, 0, 0, 1], 0).into())
    }

    /// `address`, port 0: any.
    pub(crate) fn at(address: SocketAddr) -> Self {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        Closed(socket)
    }

    /// Ends `listener` and keeps its address.
    pub(crate) fn instead_of(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        drop(listener);
        Closed::at(address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }
}
