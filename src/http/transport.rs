//! A request over reqwest, up to the head of the answer.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Method, Response};
use rustls::ClientConfig;
use tokio::time::Instant;
use url::Url;

use super::addresses::{Addresses, Shared};
use super::connector::Watched;
use super::stage::{connected_for, Stage};
use super::trouble::Trouble;

/// Time after which an idle connection is closed; none stays open from one heartbeat to the next.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes that stay unacknowledged for so long end the connection.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// Header lines of an answer.
const MAX_HEADERS: usize = 400;

const AGENT: &str = concat!("SocketMan/", env!("CARGO_PKG_VERSION"));

/// A request, to be sent once or twice.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// A header of these stands in place of one that the URL implies.
    pub(crate) headers: HeaderMap,
    pub(crate) body: bytes::Bytes,
}

impl Asked {
    /// For a page.
    pub(crate) fn page(url: Url) -> Self {
        Asked {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: bytes::Bytes::new(),
        }
    }
}

/// reqwest as the agent wants it: one connection, kept for 10 s or not at all.
pub(crate) struct Transport {
    client: reqwest::Client,
    addresses: Arc<Addresses>,
}

impl Transport {
    /// Speaks TLS as `tls` says. With `keep` a connection is used again.
    ///
    /// # Errors
    ///
    /// reqwest does not take the TLS settings.
    pub(crate) fn new(
        tls: ClientConfig,
        addresses: &Arc<Addresses>,
        keep: bool,
    ) -> Result<Self, Trouble> {
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Shared(Arc::clone(addresses)))
            .connector_layer(Watched(Arc::clone(addresses)))
            .no_proxy()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .user_agent(AGENT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(usize::from(keep))
            .tcp_nodelay(true)
            // No connection waits for so long without a deadline of its own.
            .tcp_keepalive(None)
            .tcp_keepalive_interval(None)
            .tcp_keepalive_retries(None)
            .tcp_user_timeout(ACKNOWLEDGED_WITHIN)
            // What only its status matters of is read as others read it.
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_ignore_invalid_headers_in_responses(true)
            .http1_max_headers(MAX_HEADERS);
        Ok(Transport {
            client: builder.build().map_err(|_| Trouble::Setup)?,
            addresses: Arc::clone(addresses),
        })
    }

    /// Sends `asked` and waits for the head of the answer, for `within` once there is a connection.
    ///
    /// While nothing was sent, the addresses of the server are tried one after the other. A request that
    /// was sent and not answered is sent a second time if the connection was a kept one, which the
    /// server may have ended meanwhile, or if there is another address.
    ///
    /// # Errors
    ///
    /// No connection, or no answer on it in time, or one that is not HTTP.
    pub(crate) async fn send(&self, asked: &Asked, within: Duration) -> Result<Response, Trouble> {
        let addresses = &self.addresses;
        addresses.begin();
        let mut is_second = false;
        loop {
            let trouble = match self.once(asked, within).await {
                Ok(response) => {
                    addresses.worked(response.remote_addr());
                    return Ok(response);
                }
                Err(trouble) => trouble,
            };
            let stage = *addresses.stage().borrow();
            let is_kept = matches!(stage, Stage::Kept(_));
            let is_timeout = matches!(trouble, Trouble::NoAnswer(_) | Trouble::NotAcknowledged);
            // A server may end a kept connection whenever it likes.
            if !is_kept || is_timeout {
                addresses.failed();
            }
            let again = match stage.has_connection() {
                true => !is_timeout && !is_second && (is_kept || addresses.has_more()),
                false => addresses.has_more(),
            };
            if !again {
                return Err(trouble);
            }
            is_second |= stage.has_connection();
        }
    }

    async fn once(&self, asked: &Asked, within: Duration) -> Result<Response, Trouble> {
        let https = asked.url.scheme() == "https";
        let request = self
            .client
            .request(asked.method.clone(), asked.url.clone())
            .headers(asked.headers.clone())
            .body(asked.body.clone());
        self.addresses.reached(Stage::Kept(Instant::now()));
        let sent = tokio::select! {
            sent = request.send() => sent,
            () = connected_for(self.addresses.stage(), within) => {
                return Err(Trouble::NoAnswer(within));
            }
        };
        let has_connection = self.addresses.stage().borrow().has_connection();
        sent.map_err(|error| Trouble::of(&error, https, has_connection))
    }
}
