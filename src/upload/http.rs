//! The one HTTP client of the agent.

use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::Resolve;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, DATE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Method, Response, Url};

use super::answer::Answer;
use super::body::Body;
use super::date;
use super::endpoint::Endpoint;
use crate::config::Config;
use crate::tls::{self, words, TlsError};

/// Longest wait for a connection, name look-up and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest wait for a whole request with its answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection is kept for the next batch; between heartbeats there is none.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of an answer that are read; no API accepts anything in more words.
const ANSWER_MAX: usize = 64 << 10;

/// Why there was no answer. Never holds a query string, and of a URL only the host.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("{0} is not set")]
    Unset(&'static str),
    #[error("'{0}' is not an http or https URL")]
    Url(&'static str),
    #[error("option 'token' cannot stand in an HTTP header")]
    Token,
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("HTTP client cannot be set up: {0}")]
    Setup(String),
    #[error("{host}: {reason}")]
    Request { host: String, reason: String },
}

/// What came back from a server.
#[derive(Debug, Clone, Copy)]
pub struct Reply {
    pub answer: Answer,
    /// What the server's clock says, seconds since the epoch.
    pub date: Option<u64>,
}

/// What can go wrong on the way.
enum Trouble {
    Http(reqwest::Error),
    TooLong,
}

/// Sends requests, one after the other.
///
/// Connections and root certificates are had when the first request needs them: a device with nothing
/// to send loads none.
pub struct Client {
    config: Arc<Config>,
    https: bool,
    /// None until it is needed, and after a failure of TLS: the next request reads the roots anew.
    inner: Option<reqwest::Client>,
}

impl Client {
    /// A client for these endpoints and others at the same places.
    pub fn new<'a>(config: Arc<Config>, endpoints: impl IntoIterator<Item = &'a Endpoint>) -> Self {
        Client {
            config,
            https: endpoints.into_iter().any(Endpoint::is_https),
            inner: None,
        }
    }

    /// Sends `body` and judges the answer.
    ///
    /// # Errors
    ///
    /// No connection, no whole answer in time, an answer that is not HTTP, one that accepts in more than
    /// 64 KiB, or https without root certificates on the device.
    pub async fn send(
        &mut self,
        method: Method,
        to: &Endpoint,
        body: Body,
    ) -> Result<Reply, HttpError> {
        let client = match &mut self.inner {
            Some(client) => client,
            none => none.insert(build(&self.config, self.https)?),
        };
        let mut request = client
            .request(method, to.url())
            .header(CONTENT_TYPE, body.content_type)
            .body(body.bytes);
        if body.gzip {
            request = request.header(CONTENT_ENCODING, "gzip");
        }
        if let Some(bearer) = to.bearer() {
            request = request.header(AUTHORIZATION, bearer);
        }
        let reason = match exchange(request).await {
            Ok(reply) => return Ok(reply),
            Err(Trouble::TooLong) => format!("the answer is longer than {ANSWER_MAX} bytes"),
            Err(Trouble::Http(error)) => {
                let tls = words::explain(&error, to.is_https() && error.is_connect());
                if tls.is_some() {
                    self.inner = None;
                }
                reason(error, tls)
            }
        };
        Err(HttpError::Request {
            host: to.host().to_owned(),
            reason,
        })
    }
}

fn build(config: &Config, https: bool) -> Result<reqwest::Client, HttpError> {
    builder(tls::for_api(config, https)?)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(1)
        .build()
        .map_err(|error| HttpError::Setup(reason(error, None)))
}

async fn exchange(request: reqwest::RequestBuilder) -> Result<Reply, Trouble> {
    let mut response = request.send().await.map_err(Trouble::Http)?;
    let (body, is_whole) = beginning(&mut response).await.map_err(Trouble::Http)?;
    let header = |name| response.headers().get(name)?.to_str().ok();
    let answer = Answer::judge(
        response.status().as_u16(),
        header(CONTENT_TYPE),
        header(RETRY_AFTER),
        &body,
    );
    // Whatever sends that is no API.
    if answer == Answer::Accepted && !is_whole {
        return Err(Trouble::TooLong);
    }
    let date = header(DATE).and_then(date::parse);
    Ok(Reply { answer, date })
}

/// The first [`ANSWER_MAX`] bytes of the body and whether that is all; the connection is given up if
/// there are more.
async fn beginning(response: &mut Response) -> reqwest::Result<(Vec<u8>, bool)> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = ANSWER_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok((body, false));
        }
    }
    Ok((body, true))
}

/// A client for the page at `url` that looks names up by `resolver` and keeps no connection. Its server
/// is verified whatever is configured.
///
/// # Errors
///
/// https without root certificates on the device.
pub(crate) fn probing_client(
    url: &Url,
    resolver: impl Resolve + 'static,
) -> Result<reqwest::Client, HttpError> {
    builder(tls::for_pages(url.scheme() == "https")?)
        .dns_resolver(Arc::new(resolver))
        .pool_max_idle_per_host(0)
        .build()
        .map_err(|error| HttpError::Setup(reason(error, None)))
}

/// What all clients have in common: no proxy, and a redirect is an answer.
fn builder(tls: rustls::ClientConfig) -> ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(false)
        .no_proxy()
        .redirect(Policy::none())
        .user_agent(concat!("SocketMan/", env!("CARGO_PKG_VERSION")))
}

/// What happened, in the words of TLS if it was that. Else the innermost cause says it; the outer ones
/// name the URL, with the token in it.
pub(crate) fn reason(error: reqwest::Error, tls: Option<String>) -> String {
    use std::error::Error;
    let error = error.without_url();
    if error.is_timeout() {
        let what = if error.is_connect() {
            "no connection"
        } else {
            "no answer"
        };
        return format!("{what} in time");
    }
    let mut cause: &dyn Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let inner = tls.unwrap_or_else(|| cause.to_string());
    match () {
        () if error.source().is_none() => error.to_string(),
        () if error.is_connect() => format!("cannot connect: {inner}"),
        () => format!("no valid answer: {inner}"),
    }
}
