//! An address of ours that nobody else gets while we do not listen.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// A socket bound to `address` (port 0: any). Connections are refused until it listens.
///
/// Kept while a server is down: the system gives a port that nobody has bound to the next program
/// that asks for any, be it only to connect from.
pub(crate) fn reserve(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
