//! Why there is no answer, in words for operators.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::lookup::LookupError;
use crate::tls::words;

/// A failure on the way to the head of an answer. Names neither the URL nor anything that was sent.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Trouble {
    #[error("cannot connect: {0}")]
    Lookup(LookupError),
    #[error("cannot connect: the server does not answer in time (TCP, TLS)")]
    NoConnection,
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The connection stands, and the deadline of the request has passed.
    #[error("no answer within {} s", .0.as_secs())]
    NoAnswer(Duration),
    /// The other side has acknowledged nothing for too long, or takes too little at a time.
    #[error("no answer in time: the connection is dead, or too slow for what was sent")]
    NotAcknowledged,
    #[error("no valid answer: {0}")]
    Answer(String),
    /// TLS failed, before the connection stood or, with client certificates, after it.
    #[error("cannot connect: {0}")]
    Tls(String),
    #[error("the URL cannot stand in a request")]
    Url,
    #[error("the HTTP client cannot be set up")]
    Setup,
}

impl Trouble {
    /// Reads the causes of `error`, which came up before there was a connection, or after.
    pub(super) fn of(error: &reqwest::Error, https: bool, has_connection: bool) -> Self {
        let causes = || Causes(Some(error));
        if error.is_builder() {
            return Trouble::Url;
        }
        if let Some(own) = causes().find_map(|cause| cause.downcast_ref::<Trouble>()) {
            return own.clone();
        }
        if let Some(words) = words::explain(error, https && !has_connection) {
            return Trouble::Tls(words);
        }
        let io = causes().filter_map(|cause| cause.downcast_ref::<io::Error>());
        // An io::Error may be wrapped in another one.
        match (io.last(), has_connection) {
            (Some(error), false) => Trouble::Connect(refused(error)),
            (Some(error), true) if error.kind() == io::ErrorKind::TimedOut => {
                Trouble::NotAcknowledged
            }
            (Some(error), true) => Trouble::Answer(broken(error)),
            (None, false) => Trouble::Connect("the server ends the connection".to_owned()),
            (None, true) => {
                let http = causes().find_map(|cause| cause.downcast_ref::<hyper::Error>());
                Trouble::Answer(spoken(http))
            }
        }
    }
}

/// An error and its causes.
struct Causes<'a>(Option<&'a (dyn Error + 'static)>);

impl<'a> Iterator for Causes<'a> {
    type Item = &'a (dyn Error + 'static);

    fn next(&mut self) -> Option<Self::Item> {
        let error = self.0?;
        // The source of an io::Error is not the error it was made of, but that one's source.
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        self.0 = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
        Some(error)
    }
}

/// Why TCP did not connect, in words for operators.
pub(crate) fn refused(error: &io::Error) -> String {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => "connection refused; does a server listen on this port?".into(),
        Kind::HostUnreachable => "no way to the host".into(),
        Kind::NetworkUnreachable => "no way to the network of the host".into(),
        Kind::ConnectionReset => "the server resets the connection".into(),
        Kind::TimedOut => "the host does not answer".into(),
        Kind::AddrNotAvailable => "the device has no address to connect from".into(),
        _ => system(error),
    }
}

/// A connection broke before an answer came.
fn broken(error: &io::Error) -> String {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionReset => "the server resets the connection".into(),
        Kind::BrokenPipe | Kind::UnexpectedEof | Kind::ConnectionAborted => {
            "the server ends the connection".into()
        }
        _ => system(error),
    }
}

/// The system's own words, without the number.
fn system(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(_) => {
            let text = error.to_string();
            let words = text.split(" (os error").next().unwrap_or_default();
            words.to_lowercase()
        }
        None => format!("the connection fails ({:?})", error.kind()),
    }
}

/// The server sent something else than HTTP, or nothing.
fn spoken(error: Option<&hyper::Error>) -> String {
    match error {
        Some(error) if error.is_parse() => {
            "it is not HTTP, or its head is too long; does the URL name the API?".into()
        }
        _ => "the server ends the connection".into(),
    }
}
