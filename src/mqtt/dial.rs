//! The way to the broker: name, address, TCP, TLS.
//!
//! Each step has a deadline of its own, so that one that is slow leaves the next its time. An address that
//! failed, however far it got, goes to the end of the next attempt's list.

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use rustix::net::sockopt::set_tcp_user_timeout;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::config::Broker;
use crate::lookup::{self, Address, LookupError, Resolver, Suspects};

use super::client::Tls;
use super::link::Bytes;

/// Longest wait for TCP, all addresses together.
const TCP_WITHIN: Duration = Duration::from_secs(10);

/// Least share of it for one address.
const ADDRESS_WITHIN: Duration = Duration::from_secs(2);

/// Longest wait for TLS.
const TLS_WITHIN: Duration = Duration::from_secs(10);

/// The family of addresses that the resolver prefers has this much of a head start (RFC 8305).
const HEAD_START: Duration = Duration::from_millis(300);

/// Longest wait of the kernel for the acknowledgement of bytes it sent, ms.
const USER_TIMEOUT: u32 = 30_000;

/// A failure on the way to the broker.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error(transparent)]
    Lookup(#[from] LookupError),
    #[error("{0}")]
    Tcp(io::Error),
    #[error("option 'mqtt_host': TLS cannot check such a name")]
    Name,
    #[error("{0}")]
    Tls(io::Error),
    #[error("no answer to TLS within {} s", .0.as_secs())]
    TlsSilent(Duration),
}

/// A connection, and the address it goes to.
pub(super) struct Dialed {
    pub(super) network: Box<dyn Bytes>,
    pub(super) address: Address,
}

/// Connects to the broker, and remembers which of its addresses failed.
pub(super) struct Dialer {
    resolver: Resolver,
    suspects: Suspects,
}

impl Dialer {
    pub(super) fn new(resolver: Resolver) -> Self {
        Dialer {
            resolver,
            suspects: Suspects::default(),
        }
    }

    /// Connects; `tls` is for a broker with TLS.
    pub(super) async fn dial(&mut self, broker: &Broker, tls: Tls) -> Result<Dialed, DialError> {
        // Without brackets, which the name in a certificate does not have.
        let host = broker.host.trim_matches(['[', ']']);
        let mut addresses = match host.parse() {
            Ok(address) => vec![address],
            Err(_) => self.resolver.addresses(host, lookup::WITHIN).await?,
        };
        self.suspects.sort(&mut addresses);
        let failed = Mutex::new(Vec::new());
        let connected = connect(&addresses, broker.port, &failed).await;
        for address in failed.into_inner().unwrap_or_default() {
            self.failed(address);
        }
        let (stream, address) = connected.map_err(DialError::Tcp)?;
        let network: Box<dyn Bytes> = match tls {
            None => Box::new(stream),
            Some(tls) => {
                // A certificate does not know our interfaces.
                let name = host.split('%').next().unwrap_or(host).to_owned();
                let name = ServerName::try_from(name).map_err(|_| DialError::Name)?;
                let shaken = timeout(TLS_WITHIN, TlsConnector::from(tls).connect(name, stream));
                match shaken.await {
                    Ok(Ok(stream)) => Box::new(stream),
                    Ok(Err(error)) => {
                        self.failed(address);
                        return Err(DialError::Tls(error));
                    }
                    Err(_) => {
                        self.failed(address);
                        return Err(DialError::TlsSilent(TLS_WITHIN));
                    }
                }
            }
        };
        Ok(Dialed { network, address })
    }

    /// The broker at `address` did its work.
    pub(super) fn worked(&mut self, address: Address) {
        self.suspects.worked(address);
    }

    /// The broker at `address` did not get as far as to take our subscription.
    pub(super) fn failed(&mut self, address: Address) {
        self.suspects.failed(address);
    }
}

/// A connection to the first address that takes one. Where there are both families, the other one is tried
/// beside the first after [`HEAD_START`]: one of them is often broken. Addresses that do not answer are
/// put into `failed`.
async fn connect(
    addresses: &[Address],
    port: u16,
    failed: &Mutex<Vec<Address>>,
) -> io::Result<(TcpStream, Address)> {
    let is_v6 = addresses.first().is_some_and(Address::is_ipv6);
    let (first, second): (Vec<Address>, Vec<Address>) =
        addresses.iter().partition(|ip| ip.is_ipv6() == is_v6);
    if second.is_empty() {
        return one_of(&first, port, failed).await;
    }
    let mut first = std::pin::pin!(one_of(&first, port, failed));
    let mut second = std::pin::pin!(async {
        sleep(HEAD_START).await;
        one_of(&second, port, failed).await
    });
    tokio::select! {
        stream = &mut first => match stream {
            Ok(stream) => Ok(stream),
            Err(error) => second.await.map_err(|_| error),
        },
        stream = &mut second => match stream {
            Ok(stream) => Ok(stream),
            Err(_) => first.await,
        },
    }
}

/// Tries them one after the other.
async fn one_of(
    addresses: &[Address],
    port: u16,
    failed: &Mutex<Vec<Address>>,
) -> io::Result<(TcpStream, Address)> {
    let count = u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let share = (TCP_WITHIN / count).max(ADDRESS_WITHIN);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        let connected = TcpStream::connect(address.at(port));
        match timeout(share, connected).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                set_tcp_user_timeout(&stream, USER_TIMEOUT)?;
                return Ok((stream, *address));
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
        if let Ok(mut failed) = failed.lock() {
            failed.push(*address);
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use tokio::net::TcpListener;

    use super::*;
    use crate::closed::Closed;

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    fn all(addresses: &[IpAddr]) -> Vec<Address> {
        addresses.iter().copied().map(Address::from).collect()
    }

    #[tokio::test]
    async fn the_other_family_is_tried_where_one_does_not_work() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for addresses in [&[V6, V4][..], &[V4, V6], &[V6, V6, V4], &[V4]] {
            let failed = Mutex::new(Vec::new());
            let (_, address) = connect(&all(addresses), port, &failed).await.unwrap();
            assert_eq!(address.ip(), V4);
            let tried = addresses.iter().take_while(|address| **address == V6);
            assert_eq!(failed.into_inner().unwrap().len(), tried.count());
        }
        drop(listener);
        // The port of one family may be another test's by now, so both are held.
        let v4 = Closed::new();
        let port = v4.address().port();
        let _v6 = Closed::at((V6, port).into());
        let failed = Mutex::new(Vec::new());
        let error = connect(&all(&[V4, V6]), port, &failed).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        connect(&[], port, &failed).await.unwrap_err();
    }

    #[tokio::test]
    async fn an_address_that_failed_after_it_connected_is_tried_last() {
        let first = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let port = first.local_addr().unwrap().port();
        let _second = TcpListener::bind(("127.0.0.3", port)).await.unwrap();
        let resolver = Resolver::fixed(|_| {
            Ok(vec![
                "127.0.0.2".parse().unwrap(),
                "127.0.0.3".parse().unwrap(),
            ])
        });
        let mut dialer = Dialer::new(resolver);
        let broker = Broker {
            host: "twofold.test".into(),
            port,
            ..Broker::default()
        };
        let silent = dialer.dial(&broker, None).await.unwrap().address;
        assert_eq!(silent.to_string(), "127.0.0.2");
        dialer.failed(silent);
        let other = dialer.dial(&broker, None).await.unwrap().address;
        assert_eq!(other.to_string(), "127.0.0.3");
        dialer.worked(other);
        assert_eq!(dialer.dial(&broker, None).await.unwrap().address, other);
    }
}
