//! A TCP connection to one of a name's addresses.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use tokio::net::TcpStream;
use tokio::time::{timeout, Instant};

use super::millis;
use crate::http::refused;
use crate::lookup::Address;
use crate::tasks::Together;

/// Time of the peer to accept.
pub(super) const WITHIN: Duration = Duration::from_secs(4);

/// Addresses of each family that are tried.
const PER_FAMILY: usize = 2;

/// An attempt to connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Connect {
    /// The address that accepted, else the first that was tried.
    pub to: SocketAddr,
    /// Duration, ms.
    pub ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Connect {
    pub(crate) fn succeeded(&self) -> bool {
        self.error.is_none()
    }

    /// Connects to all of them at once and takes the first that accepts: one family may be broken.
    /// Each has `within` for that. `None` without an address.
    pub(super) async fn to(addresses: &[Address], port: u16, within: Duration) -> Option<Self> {
        let start = Instant::now();
        let of = |v6: bool| addresses.iter().filter(move |one| one.is_ipv6() == v6);
        let tried = of(false).take(PER_FAMILY).chain(of(true).take(PER_FAMILY));
        let tried: Vec<SocketAddr> = tried.map(|one| one.at(port)).collect();
        let mut attempts = Together::new();
        for &to in &tried {
            attempts.add(async move { (to, TcpStream::connect(to).await.err()) });
        }
        let mut failure = (*tried.first()?, "no attempt was made".to_owned());
        let accepted = timeout(within, async {
            while let Some((to, failed)) = attempts.next().await {
                match failed {
                    None => return Some(to),
                    Some(error) => failure = (to, refused(&error)),
                }
            }
            None
        });
        let (to, error) = match accepted.await {
            Ok(Some(to)) => (to, None),
            Ok(None) => (failure.0, Some(failure.1)),
            Err(_) => (
                failure.0,
                Some(format!("no answer within {} s", within.as_secs())),
            ),
        };
        Some(Connect {
            to,
            ms: millis(start),
            error,
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::closed::Closed;

    #[tokio::test]
    async fn the_first_address_that_accepts_is_enough_whatever_the_others_do() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Nobody listens at the other two.
        let addresses = ["127.9.9.9", "::1", "127.0.0.1"].map(|one| one.parse().unwrap());
        let connect = Connect::to(&addresses, port, WITHIN).await.unwrap();
        assert!(connect.succeeded(), "{connect:?}");
        assert_eq!(connect.to, listener.local_addr().unwrap());
    }

    #[tokio::test]
    async fn a_refusal_is_told_and_no_address_is_no_attempt() {
        let closed = Closed::new();
        let (ip, port) = (closed.address().ip(), closed.address().port());
        let connect = Connect::to(&[ip.into()], port, WITHIN).await.unwrap();
        assert!(!connect.succeeded());
        let error = connect.error.unwrap();
        assert!(error.starts_with("connection refused"), "{error}");
        assert_eq!(Connect::to(&[], 53, WITHIN).await, None);
    }
}
