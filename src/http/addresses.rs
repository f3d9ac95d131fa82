//! The addresses of a server, and which of them to try next.
//!
//! A connection tries one address of each family: the preferred one, and 300 ms later the other, for one
//! family is often broken. When it fails, the next connection of the same request tries the next ones.
//! An address that failed, however far it got, goes to the end of the list for later requests.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::watch;
use tokio::time::Instant;

use super::stage::Stage;
use super::trouble::Trouble;
use crate::lookup::{Address, Resolver, Suspects};

/// The longest deadline for TCP and TLS with one address.
const ADDRESS_WITHIN: Duration = Duration::from_secs(15);

/// Deadlines on the way to a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Within {
    pub(crate) look_up: Duration,
    /// For TCP and TLS, over all addresses of a server.
    pub(crate) connect: Duration,
}

/// The addresses of the servers that one client talks to.
pub(crate) struct Addresses {
    resolver: Resolver,
    within: Within,
    tries: Mutex<Tries>,
    stage: watch::Sender<Stage>,
}

#[derive(Debug, Default)]
struct Tries {
    suspects: Suspects,
    /// Of the name that was looked up for this request.
    found: Vec<Address>,
    /// The addresses among them not tried yet.
    left: Vec<Address>,
    /// Deadline of each connection of this request.
    share: Duration,
    /// The targets of the connection: one address of each family, the preferred one first.
    used: Vec<Address>,
}

impl Within {
    /// The deadline of each of so many connections, one after the other.
    fn share(self, connections: usize) -> Duration {
        let connections = u32::try_from(connections).unwrap_or(u32::MAX);
        (self.connect / connections).min(ADDRESS_WITHIN)
    }
}

impl Tries {
    /// The next address of each family.
    fn take(&mut self) -> Vec<Address> {
        let mut taken: Vec<Address> = Vec::new();
        self.left.retain(|address| {
            let is_next = taken.iter().all(|one| one.is_ipv6() != address.is_ipv6());
            if is_next {
                taken.push(*address);
            }
            !is_next
        });
        self.used.clone_from(&taken);
        taken
    }
}

impl Addresses {
    pub(crate) fn new(resolver: Resolver, within: Within) -> Arc<Self> {
        Arc::new(Addresses {
            resolver,
            within,
            tries: Mutex::default(),
            stage: watch::Sender::new(Stage::LookUp),
        })
    }

    pub(super) fn stage(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    pub(super) fn reached(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    /// A request begins: its name is looked up again if it needs a connection.
    pub(super) fn begin(&self) {
        let mut tries = self.tries();
        tries.found.clear();
        tries.left.clear();
    }

    /// The addresses that the resolver had for this request; none if it was not asked.
    pub(crate) fn found(&self) -> Vec<Address> {
        self.tries().found.clone()
    }

    /// True while the server of this request has an address that was not tried.
    pub(super) fn has_more(&self) -> bool {
        !self.tries().left.is_empty()
    }

    /// The connection to `peer` works.
    pub(super) fn worked(&self, peer: Option<SocketAddr>) {
        let Some(peer) = peer.map(Address::from) else {
            return;
        };
        let mut tries = self.tries();
        tries.suspects.worked(peer);
        tries.used = vec![peer];
    }

    /// The connection does not work, or does not exist.
    pub(crate) fn failed(&self) {
        let mut tries = self.tries();
        // The preferred one is tried last of all.
        for address in std::mem::take(&mut tries.used).into_iter().rev() {
            tries.suspects.failed(address);
        }
    }

    /// A connection is begun to an address that needs no look-up.
    pub(super) fn connect(&self) {
        self.connecting(self.within.share(1));
    }

    fn connecting(&self, within: Duration) {
        self.reached(Stage::Connecting(Instant::now() + within));
    }

    /// The addresses for the next connection to `name`.
    async fn next(&self, name: &str) -> Result<Vec<Address>, Trouble> {
        if !self.has_more() {
            self.reached(Stage::LookUp);
            // A look-up that fails says nothing of an address.
            self.tries().used.clear();
            let found = self.resolver.addresses(name, self.within.look_up).await;
            let mut found = found.map_err(Trouble::Lookup)?;
            let mut tries = self.tries();
            tries.suspects.sort(&mut found);
            let of_v6 = found.iter().filter(|address| address.is_ipv6()).count();
            let rounds = of_v6.max(found.len() - of_v6).max(1);
            tries.share = self.within.share(rounds);
            tries.found.clone_from(&found);
            tries.left = found;
        }
        let (addresses, share) = {
            let mut tries = self.tries();
            (tries.take(), tries.share)
        };
        self.connecting(share);
        Ok(addresses)
    }

    fn tries(&self) -> MutexGuard<'_, Tries> {
        // No code that can panic runs under the lock.
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// [`Addresses`] as reqwest asks for them.
pub(super) struct Shared(pub(super) Arc<Addresses>);

impl Resolve for Shared {
    fn resolve(&self, name: Name) -> Resolving {
        let addresses = Arc::clone(&self.0);
        Box::pin(async move {
            let next = addresses.next(name.as_str()).await?;
            // Port 0 stands for the URL's.
            let sockets = next.into_iter().map(|address| address.at(0));
            Ok(Box::new(sockets) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Within = Within {
        look_up: Duration::from_secs(20),
        connect: Duration::from_secs(30),
    };

    fn tries(left: &[&str]) -> Tries {
        Tries {
            left: left.iter().map(|one| one.parse().unwrap()).collect(),
            ..Tries::default()
        }
    }

    fn taken(tries: &mut Tries) -> Vec<String> {
        tries.take().iter().map(Address::to_string).collect()
    }

    #[test]
    fn each_connection_tries_the_next_address_of_each_family() {
        let mut tries = tries(&["::1", "::2", "192.0.2.1", "::3"]);
        assert_eq!(taken(&mut tries), ["::1", "192.0.2.1"]);
        assert_eq!(taken(&mut tries), ["::2"]);
        assert_eq!(taken(&mut tries), ["::3"]);
        assert!(tries.left.is_empty());
    }

    #[tokio::test]
    async fn the_addresses_that_failed_come_last_until_they_answer() {
        let resolver = Resolver::fixed(|_| {
            let all = ["::1", "192.0.2.1", "192.0.2.2"];
            Ok(all.iter().map(|one| one.parse().unwrap()).collect())
        });
        let addresses = Addresses::new(resolver, WITHIN);
        let next = || async {
            let found = addresses.next("api.example").await.unwrap();
            found.iter().map(Address::to_string).collect::<Vec<_>>()
        };
        assert_eq!(next().await, ["::1", "192.0.2.1"]);
        addresses.failed();
        assert!(addresses.has_more());
        assert_eq!(next().await, ["192.0.2.2"]);
        assert!(!addresses.has_more());
        addresses.failed();
        // The next request: the family that was preferred and failed is not the first any more.
        addresses.begin();
        assert_eq!(next().await, ["192.0.2.1", "::1"]);
        addresses.worked(Some("[::1]:443".parse().unwrap()));
        addresses.begin();
        assert_eq!(next().await, ["::1", "192.0.2.1"]);
        // The answer came from this one; silence on the same connection is its own.
        addresses.worked(Some("192.0.2.1:443".parse().unwrap()));
        addresses.failed();
        addresses.begin();
        assert_eq!(next().await, ["::1", "192.0.2.2"]);
    }

    #[tokio::test]
    async fn all_addresses_together_have_half_a_minute() {
        let within = |answer| async move {
            let addresses = Addresses::new(Resolver::fixed(answer), WITHIN);
            addresses.next("api.example").await.unwrap();
            let share = addresses.tries().share;
            share.as_millis()
        };
        assert_eq!(within(|_| Ok(vec!["::1".parse().unwrap()])).await, 15_000);
        let eight = |_: &str| {
            Ok((1..9)
                .map(|n| std::net::IpAddr::from([192, 0, 2, n]).into())
                .collect())
        };
        assert_eq!(within(eight).await, 3750);
    }
}
