//! Names to addresses, by the system's resolver.
//!
//! ```text
//!  part ─name─► Resolver ─queue─► one thread ─getaddrinfo─► resolver
//!                  ▲                  │
//!                  └─────addresses────┘     Suspects: which of them to try last
//! ```
//!
//! The resolver of the C library blocks, for half a minute and longer when no name server answers, and
//! cannot be interrupted. Each [`Resolver`] has a thread of its own for it, which starts with the first
//! look-up. The broker link has one, everything else shares another, so that a name without an answer
//! never delays the way to the broker. A look-up that its part has given up is dropped from the queue;
//! the one under way goes on, and its answer serves the next question for the same name. The
//! threads are detached: the process ends without them.
//!
//! [`Suspects`] remembers the addresses that failed, so that the next attempt begins with another one.

mod address;
mod suspects;
mod thread;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{timeout_at, Instant};

pub use address::Address;
pub use suspects::Suspects;

use thread::{Answered, Thread};

/// Addresses of a name that are used.
const MAX_ADDRESSES: usize = 8;

/// Deadline for a look-up on the way to a server. The C libraries give up by themselves after 5 s (musl)
/// or 10 s for each name server (glibc).
pub const WITHIN: Duration = Duration::from_secs(20);

/// The words of the C libraries (glibc, then musl) for an answer without an address. Only their words
/// reach us; every other error is a failure of the resolver.
const NO_SUCH_NAME: [&str; 4] = [
    "Name or service not known",
    "No address associated with hostname",
    "Name does not resolve",
    "Name has no usable address",
];

/// Why a name has no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The resolver answered.
    #[error("there is no such name")]
    NoSuchName,
    #[error("the resolver failed: {0}")]
    Failed(String),
    #[error("no answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// The look-up of another name is still under way.
    #[error("an earlier look-up has had no answer for {} s", .0.as_secs())]
    Busy(Duration),
}

/// Looks names up, one at a time. Clones share the thread.
#[derive(Debug, Clone)]
pub struct Resolver(Arc<Thread>);

impl Resolver {
    /// The system's resolver, asked by a thread of this name.
    pub fn system(thread: &'static str) -> Self {
        Resolver(Arc::new(Thread::new(thread, system)))
    }

    /// A resolver that never answers.
    #[cfg(test)]
    pub(crate) fn silent() -> Self {
        Resolver(Arc::new(Thread::new("silent", |_| loop {
            std::thread::park();
        })))
    }

    /// A resolver that answers every name with these addresses.
    #[cfg(test)]
    pub(crate) fn fixed(answer: fn(&str) -> io::Result<Vec<Address>>) -> Self {
        Resolver(Arc::new(Thread::new("fixed", answer)))
    }

    /// The addresses of `name`, 1 to 8, in the order of the resolver.
    ///
    /// # Errors
    ///
    /// The name has no address, or the resolver did not answer within `within`.
    pub async fn addresses(
        &self,
        name: &str,
        within: Duration,
    ) -> Result<Vec<Address>, LookupError> {
        let end = Instant::now() + within;
        let asked = self
            .0
            .ask(name)
            .map_err(|error| LookupError::Failed(format!("its thread does not start: {error}")))?;
        match timeout_at(end, asked.answer).await {
            Ok(Ok(answered)) => judge(answered),
            Ok(Err(_)) => Err(LookupError::Failed("its thread has ended".to_owned())),
            Err(_) if self.0.is_asking_another(name) => Err(LookupError::Busy(within)),
            Err(_) => Err(LookupError::Silent(within)),
        }
    }
}

fn system(name: &str) -> io::Result<Vec<Address>> {
    use std::net::ToSocketAddrs;
    Ok((name, 0).to_socket_addrs()?.map(Address::from).collect())
}

fn judge(answered: Answered) -> Result<Vec<Address>, LookupError> {
    match answered {
        Ok(addresses) if addresses.is_empty() => Err(LookupError::NoSuchName),
        Ok(addresses) => Ok(addresses),
        Err(text) if NO_SUCH_NAME.iter().any(|words| text.contains(words)) => {
            Err(LookupError::NoSuchName)
        }
        // Without std's "failed to lookup address information: ".
        Err(text) => {
            let reason = text.rsplit(": ").next().unwrap_or(&text);
            Err(LookupError::Failed(reason.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[tokio::test]
    async fn the_words_of_both_c_libraries_tell_an_answer_from_a_failure() {
        for (words, expected) in [
            ("Name or service not known", true),
            ("Name does not resolve", true),
            ("No address associated with hostname", true),
            ("Name has no usable address", true),
            ("Temporary failure in name resolution", false),
            ("Try again", false),
            ("Non-recoverable failure in name resolution", false),
            ("Unrecoverable error", false),
        ] {
            let text = format!("failed to lookup address information: {words}");
            let error = match expected {
                true => LookupError::NoSuchName,
                false => LookupError::Failed(words.to_owned()),
            };
            assert_eq!(judge(Err(text)), Err(error));
        }
        assert_eq!(judge(Ok(Vec::new())), Err(LookupError::NoSuchName));
    }

    #[tokio::test]
    async fn the_system_knows_localhost_and_no_name_that_is_invalid() {
        let resolver = Resolver::system("lookup");
        let found = resolver.addresses("localhost", WITHIN).await.unwrap();
        assert!(found.iter().all(|one| one.ip().is_loopback()), "{found:?}");
        // Too long for a name: the C library does not ask for it.
        let refused = resolver.addresses(&"x".repeat(300), WITHIN).await;
        assert!(refused.is_err(), "{refused:?}");
    }

    #[tokio::test]
    async fn one_resolver_that_hangs_does_not_delay_another() {
        let dead = Resolver::silent();
        let short = Duration::from_millis(20);
        let silent = dead.addresses("api.example", short).await;
        assert_eq!(silent, Err(LookupError::Silent(short)));
        // The thread takes its time to start.
        let _asked = dead.0.ask("api.example").unwrap();
        let begun = async {
            while !dead.0.is_asking_another("other.example") {
                tokio::task::yield_now().await;
            }
        };
        timeout_at(Instant::now() + WITHIN, begun).await.unwrap();
        // The thread is still at the first name.
        let busy = dead.addresses("other.example", short).await;
        assert_eq!(busy, Err(LookupError::Busy(short)));
        let alive = Resolver::system("lookup");
        alive.addresses("localhost", WITHIN).await.unwrap();
    }

    #[tokio::test]
    async fn a_name_has_eight_addresses_at_most_and_each_once() {
        let resolver = Resolver::fixed(|_| {
            let all = (0..40u8).map(|n| IpAddr::from([192, 0, 2, n / 2]).into());
            Ok(all.collect())
        });
        let found = resolver.addresses("many.example", WITHIN).await.unwrap();
        let first = (0..8).map(|n| IpAddr::from([192, 0, 2, n]).into());
        let first: Vec<Address> = first.collect();
        assert_eq!(found, first);
    }
}
