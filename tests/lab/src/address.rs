//! An address of ours that nobody else gets while we do not listen.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;

use tokio::net::{TcpListener, TcpSocket};

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

/// Ends listening, and keeps the address.
pub(crate) fn fall_silent(listener: TcpListener) -> io::Result<TcpSocket> {
    let address = listener.local_addr()?;
    // A process that is being started at this moment has a copy of the socket until it is another
    // program, so closing ours is not enough.
    let socket = TcpStream::from(OwnedFd::from(listener.into_std()?));
    socket.shutdown(Shutdown::Both)?;
    drop(socket);
    reserve(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_ours_again_although_somebody_has_a_copy_of_the_listener() {
        let listener = reserve(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = listener.listen(8).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = listener.into_std().unwrap();
        let _copy = listener.try_clone().unwrap();
        let reserved = fall_silent(TcpListener::from_std(listener).unwrap()).unwrap();
        TcpStream::connect(address).unwrap_err();
        assert_eq!(reserved.local_addr().unwrap(), address);
        let again = reserve(address).unwrap().listen(8).unwrap();
        TcpStream::connect(address).unwrap();
        drop(again);
    }
}
