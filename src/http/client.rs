//! Requests to the API: what they carry, and what is made of the answer.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{
    HeaderMap, HeaderName, HeaderValue, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, DATE,
    RETRY_AFTER,
};
use reqwest::{Method, Response};
use tokio::time::{timeout_at, Instant};

use super::addresses::{Addresses, Within};
use super::answer::{Answer, Head};
use super::body::Body;
use super::commands::Commands;
use super::date;
use super::dates::Dates;
use super::endpoint::Endpoint;
use super::page::{whole, BodyError, Page};
use super::transport::{Asked, Transport};
use super::trouble::Trouble;
use super::SHORTEST;
use crate::config::Api;
use crate::lookup::{self, Resolver};
use crate::tls::{self, TlsError};

/// Bytes of an answer that are looked at.
const BEGINNING: usize = 64 << 10;

/// Deadline for the first bytes of a body. An answer whose body does not begin is judged by its head.
const BEGINS_WITHIN: Duration = Duration::from_secs(5);

/// Deadline for the rest of a body. It is read only because a connection whose answer was read to the
/// end can be kept.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

const WAY: Within = Within {
    look_up: lookup::WITHIN,
    connect: Duration::from_secs(30),
};

/// Why there was no answer. Never holds a query string, and of a URL only the host.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("{0} is not set")]
    Unset(&'static str),
    #[error("'{0}' is not an http or https URL")]
    Url(&'static str),
    #[error("option '{0}' cannot stand in an HTTP header")]
    Token(&'static str),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("{host}: {trouble}")]
    Request { host: String, trouble: Trouble },
    #[error("{host}: {error}")]
    Body { host: String, error: BodyError },
}

impl HttpError {
    /// True if the server was connected and the deadline of the request passed: it may be too long for
    /// the link.
    pub fn is_no_answer_in_time(&self) -> bool {
        matches!(
            self,
            HttpError::Request {
                trouble: Trouble::NoAnswer(_) | Trouble::NotAcknowledged,
                ..
            }
        )
    }
}

/// The judged answer of a server.
#[derive(Debug, Clone, Copy)]
pub struct Reply {
    pub answer: Answer,
    /// The server's clock, seconds since the epoch.
    pub date: Option<u64>,
}

/// Sends requests, one after the other, and keeps the last connection for the next.
///
/// Root certificates are read when the first request needs them: a device with nothing to send loads
/// none.
pub struct Client {
    api: Api,
    addresses: Arc<Addresses>,
    dates: Dates,
    commands: Commands,
    http: Option<Transport>,
    /// None until it is needed, and after a failure of TLS: the next request reads the roots again.
    https: Option<Transport>,
}

impl Client {
    pub fn new(api: Api, resolver: Resolver) -> Self {
        Client {
            api,
            addresses: Addresses::new(resolver, WAY),
            dates: Dates::default(),
            commands: Commands::default(),
            http: None,
            https: None,
        }
    }

    /// Passes on what verified servers say of the time.
    pub fn with_dates(mut self, dates: Dates) -> Self {
        self.dates = dates;
        self
    }

    /// Passes on the commands in answers that may have some.
    pub fn with_commands(mut self, commands: Commands) -> Self {
        self.commands = commands;
        self
    }

    /// Sends `body` and judges the answer. Once there is a connection, the server has `within` to
    /// answer; see [`deadline`](super::deadline).
    ///
    /// # Errors
    ///
    /// The server cannot be connected, or it does not answer in time, or with something that is not
    /// HTTP; or the device has no root certificates for https.
    pub async fn send(
        &mut self,
        method: Method,
        to: &Endpoint,
        body: Body,
        within: Duration,
    ) -> Result<Reply, HttpError> {
        self.ask(to, asked(method, to, body), within).await
    }

    /// Asks for the head of an answer alone, without credentials.
    ///
    /// # Errors
    ///
    /// As of [`Client::send`].
    pub async fn head(&mut self, of: &Endpoint) -> Result<Reply, HttpError> {
        let asked = Asked {
            method: Method::HEAD,
            ..Asked::page(of.bare())
        };
        self.ask(of, asked, SHORTEST).await
    }

    /// Sends a GET and judges the answer, as [`Client::send`] does.
    ///
    /// # Errors
    ///
    /// As of [`Client::send`].
    pub async fn call(&mut self, to: &Endpoint) -> Result<Reply, HttpError> {
        self.ask(to, page(to), SHORTEST).await
    }

    /// Gets a page of at most `max` bytes.
    ///
    /// # Errors
    ///
    /// As of [`Client::send`]; or the page is longer, or does not come to its end.
    pub async fn get(&mut self, from: &Endpoint, max: usize) -> Result<Page, HttpError> {
        let response = match self.transport(from)? {
            Ok(transport) => transport.send(&page(from), SHORTEST).await,
            Err(trouble) => Err(trouble),
        };
        let mut response = response.map_err(|trouble| self.failed(from, trouble))?;
        let failed = |error| HttpError::Body {
            host: from.host().to_owned(),
            error,
        };
        let status = response.status().as_u16();
        let body = match status {
            200..=299 => whole(&mut response, max).await.map_err(failed)?,
            _ => Vec::new(),
        };
        let Reply { answer, date } = reply(&response, &body);
        self.dates.answered(from, date);
        Ok(Page {
            status,
            answer,
            body,
        })
    }

    /// Sends a GET with `headers` for an answer whose body the caller reads.
    ///
    /// # Errors
    ///
    /// As of [`Client::send`].
    pub(crate) async fn open(
        &mut self,
        from: &Endpoint,
        headers: HeaderMap,
    ) -> Result<(Response, Answer), HttpError> {
        let mut asked = page(from);
        asked.headers.extend(headers);
        let response = match self.transport(from)? {
            Ok(transport) => transport.send(&asked, SHORTEST).await,
            Err(trouble) => Err(trouble),
        };
        let response = response.map_err(|trouble| self.failed(from, trouble))?;
        let answer = reply(&response, &[]).answer;
        Ok((response, answer))
    }

    async fn ask(
        &mut self,
        to: &Endpoint,
        asked: Asked,
        within: Duration,
    ) -> Result<Reply, HttpError> {
        let sent = match self.transport(to)? {
            Ok(transport) => exchange(transport, asked, within).await,
            Err(trouble) => Err(trouble),
        };
        let (reply, body) = sent.map_err(|trouble| self.failed(to, trouble))?;
        self.dates.answered(to, reply.date);
        self.commands.answered(&self.api, to, reply.answer, &body);
        Ok(reply)
    }

    fn failed(&mut self, to: &Endpoint, trouble: Trouble) -> HttpError {
        if matches!(trouble, Trouble::Tls(_)) {
            self.https = None;
        }
        HttpError::Request {
            host: to.host().to_owned(),
            trouble,
        }
    }

    fn transport(&mut self, to: &Endpoint) -> Result<Result<&Transport, Trouble>, TlsError> {
        let made = match to.is_https() {
            true => &mut self.https,
            false => &mut self.http,
        };
        if made.is_none() {
            let tls = match to.is_https() {
                true => tls::for_api(&self.api)?,
                false => tls::for_nobody()?,
            };
            match Transport::new(tls, &self.addresses, true) {
                Ok(transport) => *made = Some(transport),
                Err(trouble) => return Ok(Err(trouble)),
            }
        }
        Ok(made.as_ref().ok_or(Trouble::Url))
    }
}

fn page(of: &Endpoint) -> Asked {
    let mut asked = Asked::page(of.url());
    let bearer = of.bearer().map(|bearer| (AUTHORIZATION, bearer));
    asked.headers.extend(bearer);
    asked
}

fn asked(method: Method, to: &Endpoint, body: Body) -> Asked {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, body.content_type);
    if body.gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if let Some(bearer) = to.bearer() {
        headers.insert(AUTHORIZATION, bearer);
    }
    Asked {
        method,
        url: to.url(),
        headers,
        body: body.bytes,
    }
}

/// The judged answer, and the beginning of its body.
async fn exchange(
    transport: &Transport,
    asked: Asked,
    within: Duration,
) -> Result<(Reply, Vec<u8>), Trouble> {
    let mut response = transport.send(&asked, within).await?;
    let body = beginning(&mut response).await;
    Ok((reply(&response, &body), body))
}

fn reply(response: &Response, body: &[u8]) -> Reply {
    let headers = response.headers();
    let text = |name: HeaderName| {
        let value = headers.get(name)?.as_bytes();
        Some(String::from_utf8_lossy(value))
    };
    let date = text(DATE).and_then(|date| date::parse(&date));
    let head = Head {
        status: response.status().as_u16(),
        content_type: text(CONTENT_TYPE),
        retry_after: text(RETRY_AFTER),
        date,
    };
    Reply {
        answer: Answer::judge(&head, body),
        date,
    }
}

/// The beginning of the body. How it ends is nobody's business: a body that is cut, too long or never
/// over only costs the connection.
async fn beginning(response: &mut Response) -> Vec<u8> {
    let mut body = Vec::new();
    let mut end = Instant::now() + BEGINS_WITHIN;
    while body.len() < BEGINNING {
        let Ok(Ok(Some(chunk))) = timeout_at(end, response.chunk()).await else {
            break;
        };
        body.extend_from_slice(&chunk[..chunk.len().min(BEGINNING - body.len())]);
        if !body.trim_ascii_start().is_empty() {
            end = end.min(Instant::now() + ENDS_WITHIN);
        }
    }
    body
}
