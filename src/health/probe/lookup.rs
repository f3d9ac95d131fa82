//! Names to addresses, by the system's resolver and never by two look-ups at once.
//!
//! The resolver of the C library blocks, for half a minute and longer when nobody answers. It has a
//! thread for that, which other parts need too: a look-up that was given up still has it, so the next
//! one waits for its end within its own deadline, and nothing piles up.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::millis;

/// Time of the resolver to answer.
const WITHIN: Duration = Duration::from_secs(5);

/// Addresses of a name that are looked at.
const MAX_ADDRESSES: usize = 8;

/// How the C libraries (glibc, then musl) say that the resolver answered, and there is no such name
/// or no address to it. Only their words reach us; all else is a resolver that failed.
const NO_SUCH_NAME: [&str; 4] = [
    "Name or service not known",
    "No address associated with hostname",
    "Name does not resolve",
    "Name has no usable address",
];

/// What became of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolved {
    Found,
    /// The resolver answered that there is no such name, or no address to it.
    NoSuchName,
    /// No answer, or a failure.
    Dead,
}

/// A look-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lookup {
    pub name: String,
    /// How long it took.
    pub ms: u64,
    pub result: Resolved,
    pub addresses: Vec<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Why a name has no address.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum LookupError {
    #[error("there is no such name")]
    NoSuchName,
    #[error("the resolver failed: {0}")]
    Failed(String),
    #[error("no answer within {} s", WITHIN.as_secs())]
    Silent,
    #[error("an earlier look-up has had no answer for {} s", WITHIN.as_secs())]
    Busy,
}

impl LookupError {
    pub(super) fn resolved(&self) -> Resolved {
        match self {
            LookupError::NoSuchName => Resolved::NoSuchName,
            _ => Resolved::Dead,
        }
    }
}

type Answer = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Looks names up, one at a time.
#[derive(Clone)]
pub(super) struct Resolver {
    ask: fn(String) -> Answer,
    /// Held by the look-up under way, until it has come back.
    free: Arc<Semaphore>,
}

impl Resolver {
    /// The system's resolver.
    pub(super) fn system() -> Self {
        Resolver::new(|name| {
            Box::pin(async move {
                let found = tokio::net::lookup_host((name, 0)).await?;
                let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
                addresses.dedup();
                Ok(addresses)
            })
        })
    }

    /// One that never answers.
    #[cfg(test)]
    pub(super) fn silent() -> Self {
        Resolver::new(|_| Box::pin(std::future::pending()))
    }

    fn new(ask: fn(String) -> Answer) -> Self {
        Resolver {
            ask,
            free: Arc::new(Semaphore::new(1)),
        }
    }

    /// The addresses of `name`, 1 to 8.
    ///
    /// # Errors
    ///
    /// None, or none within 5 s.
    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let end = Instant::now() + WITHIN;
        let permit = tokio::time::timeout_at(end, self.free.clone().acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(LookupError::Busy);
        };
        let answer = (self.ask)(name.to_owned());
        // Not given up with us: whoever comes next has to know that it is still under way.
        let under_way = tokio::spawn(async move {
            let answer = answer.await;
            drop(permit);
            answer
        });
        match tokio::time::timeout_at(end, under_way).await {
            Ok(Ok(Ok(addresses))) if addresses.is_empty() => Err(LookupError::NoSuchName),
            Ok(Ok(Ok(mut addresses))) => {
                addresses.truncate(MAX_ADDRESSES);
                Ok(addresses)
            }
            Ok(Ok(Err(error))) => Err(judge(&error)),
            Ok(Err(ended)) => Err(LookupError::Failed(ended.to_string())),
            Err(_) => Err(LookupError::Silent),
        }
    }

    /// Looks `name` up and says how that went.
    pub(super) async fn look_up(&self, name: &str) -> Lookup {
        let start = Instant::now();
        let (result, addresses, error) = match self.addresses(name).await {
            Ok(addresses) => (Resolved::Found, addresses, None),
            Err(error) => (error.resolved(), Vec::new(), Some(error.to_string())),
        };
        Lookup {
            name: name.to_owned(),
            ms: millis(start),
            result,
            addresses,
            error,
        }
    }
}

fn judge(error: &io::Error) -> LookupError {
    let text = error.to_string();
    if NO_SUCH_NAME.iter().any(|words| text.contains(words)) {
        return LookupError::NoSuchName;
    }
    // Without std's "failed to lookup address information: ".
    let reason = text.rsplit(": ").next().unwrap_or(&text);
    LookupError::Failed(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::pending;

    use tokio::sync::oneshot;

    use super::*;

    thread_local! {
        /// What each look-up of this test's thread is answered with.
        static ANSWERS: RefCell<Vec<oneshot::Receiver<io::Result<Vec<IpAddr>>>>> =
            const { RefCell::new(Vec::new()) };
    }

    /// Takes the next answer; without one the look-up hangs for ever.
    fn scripted(_: String) -> Answer {
        let answer =
            ANSWERS.with_borrow_mut(|answers| (!answers.is_empty()).then(|| answers.remove(0)));
        Box::pin(async move {
            match answer {
                Some(answer) => answer.await.unwrap(),
                None => pending().await,
            }
        })
    }

    fn answers(count: usize) -> Vec<oneshot::Sender<io::Result<Vec<IpAddr>>>> {
        let (senders, receivers) = (0..count).map(|_| oneshot::channel()).unzip();
        ANSWERS.set(receivers);
        senders
    }

    fn asked() -> usize {
        2 - ANSWERS.with_borrow(Vec::len)
    }

    #[tokio::test(start_paused = true)]
    async fn a_resolver_that_hangs_has_one_look_up_under_way_however_often_it_is_asked() {
        let mut answer = answers(2);
        let resolver = Resolver::new(scripted);
        let start = Instant::now();
        let first = resolver.look_up("a.example").await;
        assert_eq!((first.result, first.ms), (Resolved::Dead, 5000));
        assert_eq!(first.error.unwrap(), "no answer within 5 s");
        for name in ["a.example", "b.example", "c.example"] {
            let next = resolver.look_up(name).await;
            assert_eq!(next.result, Resolved::Dead);
            let why = "an earlier look-up has had no answer for 5 s";
            assert_eq!(next.error.unwrap(), why);
        }
        assert_eq!(start.elapsed(), 4 * WITHIN);
        assert_eq!(asked(), 1);

        // The first comes back after half a minute; whoever waits is next.
        let (first, second) = (answer.remove(0), answer.remove(0));
        second.send(Ok(vec!["9.9.9.9".parse().unwrap()])).unwrap();
        let waiting = resolver.look_up("d.example");
        let back = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            first.send(Ok(Vec::new())).unwrap();
        };
        let (found, ()) = tokio::join!(waiting, back);
        assert_eq!((found.result, found.ms), (Resolved::Found, 2000));
        assert_eq!(found.addresses, ["9.9.9.9".parse::<IpAddr>().unwrap()]);
        assert_eq!(asked(), 2);
    }

    #[tokio::test]
    async fn the_words_of_both_c_libraries_tell_an_answer_from_a_failure() {
        for (words, expected) in [
            ("Name or service not known", Resolved::NoSuchName),
            ("Name does not resolve", Resolved::NoSuchName),
            ("No address associated with hostname", Resolved::NoSuchName),
            ("Name has no usable address", Resolved::NoSuchName),
            ("Temporary failure in name resolution", Resolved::Dead),
            ("Try again", Resolved::Dead),
            ("Non-recoverable failure in name resolution", Resolved::Dead),
            ("Unrecoverable error", Resolved::Dead),
        ] {
            let text = format!("failed to lookup address information: {words}");
            let mut answer = answers(1);
            answer.remove(0).send(Err(io::Error::other(text))).unwrap();
            let found = Resolver::new(scripted).look_up("a.example").await;
            assert_eq!(found.result, expected, "{words}");
            if expected == Resolved::Dead {
                assert_eq!(
                    found.error.unwrap(),
                    format!("the resolver failed: {words}")
                );
            }
        }
    }

    #[tokio::test]
    async fn the_system_knows_localhost_and_no_name_that_is_invalid() {
        let resolver = Resolver::system();
        let found = resolver.look_up("localhost").await;
        assert_eq!(found.result, Resolved::Found, "{found:?}");
        assert!(found.addresses.iter().all(IpAddr::is_loopback), "{found:?}");
        // Too long for a name: the C library does not ask for it.
        let refused = resolver.look_up(&"x".repeat(300)).await;
        assert_ne!(refused.result, Resolved::Found);
        assert!(refused.addresses.is_empty() && refused.error.is_some());
    }
}
