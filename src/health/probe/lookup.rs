//! A name look-up as evidence of what the resolver does.

use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::millis;
use super::servers::Server;
use crate::lookup::{Address, LookupError, Resolver};

/// Deadline for a look-up.
pub(super) const WITHIN: Duration = Duration::from_secs(5);

/// The outcome of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolved {
    Found,
    /// The resolver answered that there is no such name, or no address to it.
    NoSuchName,
    /// No answer, or a failure.
    Dead,
    /// The look-up of another part's name was under way all the time. That may be a bad name: it says
    /// nothing of the resolver.
    NotAsked,
}

impl From<&LookupError> for Resolved {
    fn from(error: &LookupError) -> Self {
        match error {
            LookupError::NoSuchName => Resolved::NoSuchName,
            LookupError::Failed(_) | LookupError::Silent(_) => Resolved::Dead,
            LookupError::Busy(_) => Resolved::NotAsked,
        }
    }
}

/// A look-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lookup {
    pub name: String,
    /// Duration.
    pub ms: u64,
    pub result: Resolved,
    pub addresses: Vec<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Lookup {
    /// Looks `name` up, with the addresses as a connection needs them.
    pub(super) async fn of(
        name: &str,
        resolver: &Resolver,
        within: Duration,
    ) -> (Self, Vec<Address>) {
        let start = Instant::now();
        let (result, addresses, error) = match resolver.addresses(name, within).await {
            Ok(addresses) => (Resolved::Found, addresses, None),
            Err(error) => (Resolved::from(&error), Vec::new(), Some(error.to_string())),
        };
        let lookup = Lookup {
            name: name.to_owned(),
            ms: millis(start),
            result,
            addresses: addresses.iter().map(Address::ip).collect(),
            error,
        };
        (lookup, addresses)
    }

    /// A name server answered our own question, though the C library had no answer yet.
    pub(super) fn answered_by(&mut self, server: &Server) -> Vec<Address> {
        self.result = Resolved::Found;
        self.addresses.clone_from(&server.addresses);
        self.addresses.iter().copied().map(Address::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_look_up_that_was_made_says_something_of_the_resolver() {
        for (error, expected) in [
            (LookupError::NoSuchName, Resolved::NoSuchName),
            (LookupError::Failed("Try again".to_owned()), Resolved::Dead),
            (LookupError::Silent(WITHIN), Resolved::Dead),
            (LookupError::Busy(WITHIN), Resolved::NotAsked),
        ] {
            assert_eq!(Resolved::from(&error), expected, "{error}");
        }
    }

    #[tokio::test]
    async fn a_look_up_tells_what_came_of_it() {
        let resolver = Resolver::fixed(|name| match name {
            "w.example" => Ok(vec!["192.0.2.1".parse().unwrap()]),
            _ => Err(std::io::Error::other("Try again")),
        });
        let (found, _) = Lookup::of("w.example", &resolver, WITHIN).await;
        assert_eq!((found.result, found.error), (Resolved::Found, None));
        assert_eq!(found.addresses, [IpAddr::from([192, 0, 2, 1])]);
        let (failed, _) = Lookup::of("x.example", &resolver, WITHIN).await;
        assert_eq!((failed.result, failed.addresses), (Resolved::Dead, vec![]));
        assert_eq!(failed.error.unwrap(), "the resolver failed: Try again");
    }
}
