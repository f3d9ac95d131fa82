//! The one HTTP client of the agent.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::multipart::Form;
use reqwest::redirect::Policy;
use reqwest::{Response, Url};
use rustls_native_certs::CertificateResult;

use crate::config::Secret;
use crate::upload::answer::Answer;

/// Longest wait for a connection, name look-up and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest wait for a whole request with its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection is kept for the next batch; between heartbeats there is none.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of an answer that are looked at.
const ANSWER_MAX: usize = 64 << 10;

/// Why there was no answer. Never holds a query string, and of a URL only the host.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("'{0}' is not an http or https URL")]
    Url(&'static str),
    #[error("no root certificates in {0}: install the package ca-bundle")]
    NoRoots(String),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the form cannot be made: {0}")]
    Form(reqwest::Error),
    #[error("HTTP client cannot be set up: {0}")]
    Setup(String),
    #[error("{host}: {reason}")]
    Request { host: String, reason: String },
}

/// An address of the API and the right to use it.
#[derive(Clone)]
pub struct Endpoint {
    url: Url,
    host: String,
}

impl Endpoint {
    /// Reads `text`, the value of option `option`; with a token, `access_token` and `mac` join its
    /// query.
    ///
    /// # Errors
    ///
    /// Anything but an http or https URL.
    pub fn new(
        option: &'static str,
        text: &str,
        token: &Secret,
        mac: &str,
    ) -> Result<Self, HttpError> {
        let mut url = Url::parse(text).map_err(|_| HttpError::Url(option))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(HttpError::Url(option));
        }
        if !token.is_empty() {
            url.query_pairs_mut()
                .append_pair("access_token", token.reveal())
                .append_pair("mac", mac);
        }
        let host = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
            None => url.host_str().unwrap_or_default().to_owned(),
        };
        Ok(Endpoint { url, host })
    }

    /// Host, and port if it is not the usual one.
    pub fn host(&self) -> &str {
        &self.host
    }

    fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
}

/// Sends requests, one after the other.
#[derive(Debug, Clone)]
pub struct Client(reqwest::Client);

impl Client {
    /// A client for these endpoints. Root certificates are loaded only if one of them is https,
    /// because they cost memory.
    ///
    /// # Errors
    ///
    /// https without root certificates on the device.
    pub fn new<'a>(endpoints: impl IntoIterator<Item = &'a Endpoint>) -> Result<Self, HttpError> {
        let https = endpoints.into_iter().any(Endpoint::is_https);
        let roots = if https {
            system_roots()?
        } else {
            rustls::RootCertStore::empty()
        };
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls(roots)?)
            .https_only(false)
            .no_proxy()
            .redirect(Policy::none())
            .user_agent(concat!("SocketMan/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(1)
            .build()
            .map(Client)
            .map_err(|error| HttpError::Setup(reason(error)))
    }

    /// Posts a form.
    ///
    /// # Errors
    ///
    /// No connection, no whole answer in time, or an answer that is not HTTP.
    pub async fn post(&self, to: &Endpoint, form: Form) -> Result<Answer, HttpError> {
        let failed = |error| HttpError::Request {
            host: to.host.clone(),
            reason: reason(error),
        };
        let request = self.0.post(to.url.clone()).multipart(form);
        let mut response = request.send().await.map_err(failed)?;
        let body = beginning(&mut response).await.map_err(failed)?;
        let header = |name| response.headers().get(name)?.to_str().ok();
        Ok(Answer::judge(
            response.status().as_u16(),
            header(CONTENT_TYPE),
            header(RETRY_AFTER),
            &body,
        ))
    }
}

/// The first [`ANSWER_MAX`] bytes of the body; the connection is given up if there are more.
async fn beginning(response: &mut Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = ANSWER_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            break;
        }
    }
    Ok(body)
}

fn tls(roots: rustls::RootCertStore) -> Result<rustls::ClientConfig, rustls::Error> {
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(ring);
    let builder = builder.with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The system's roots, as `SSL_CERT_FILE`, `SSL_CERT_DIR` or the usual paths give them.
fn system_roots() -> Result<rustls::RootCertStore, HttpError> {
    let place = std::env::var("SSL_CERT_FILE");
    let place = place.unwrap_or_else(|_| "/etc/ssl/certs/ca-certificates.crt".to_owned());
    root_store(rustls_native_certs::load_native_certs(), place)
}

fn root_store(found: CertificateResult, place: String) -> Result<rustls::RootCertStore, HttpError> {
    for error in &found.errors {
        log::warn!("root certificates: {error}");
    }
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(HttpError::NoRoots(place));
    }
    Ok(roots)
}

/// The innermost cause says what happened; the outer ones name the URL, with the token in it.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        let what = if error.is_connect() {
            "no connection"
        } else {
            "no answer"
        };
        return format!("{what} in time");
    }
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let inner = cause.to_string();
    match () {
        () if error.source().is_none() => error.to_string(),
        () if error.is_connect() => format!("cannot connect: {inner}"),
        () => format!("no valid answer: {inner}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str, token: &str) -> Result<Endpoint, HttpError> {
        Endpoint::new("stats_url", url, &Secret::new(token), "0a:1b")
    }

    #[test]
    fn the_token_and_the_mac_join_the_query_that_is_there() {
        for (url, token, expected) in [
            ("http://h/p", "", "http://h/p"),
            ("http://h/p?a=b", "", "http://h/p?a=b"),
            (
                "http://h/p",
                "x y",
                "http://h/p?access_token=x+y&mac=0a%3A1b",
            ),
            (
                "http://h/p?a=b",
                "t&c",
                "http://h/p?a=b&access_token=t%26c&mac=0a%3A1b",
            ),
        ] {
            assert_eq!(endpoint(url, token).unwrap().url.as_str(), expected);
        }
    }

    #[test]
    fn the_host_of_an_endpoint_names_nothing_else_of_its_url() {
        let host = |url| endpoint(url, "secret").unwrap().host().to_owned();
        assert_eq!(
            host("https://user:pass@api.example.net/path?q=1"),
            "api.example.net"
        );
        assert_eq!(host("http://[::1]:8080/"), "[::1]:8080");
    }

    #[test]
    fn what_is_not_http_is_refused_by_the_name_of_its_option() {
        for url in [
            "",
            "api.example.net",
            "file:///etc/passwd",
            "mailto:a@b",
            "http://",
        ] {
            let error = endpoint(url, "secret").map(|_| ()).unwrap_err();
            assert_eq!(error.to_string(), "'stats_url' is not an http or https URL");
        }
    }

    #[test]
    fn missing_root_certificates_are_named_with_the_package_that_brings_them() {
        let error = root_store(CertificateResult::default(), "/etc/bundle.crt".to_owned());
        assert_eq!(
            error.unwrap_err().to_string(),
            "no root certificates in /etc/bundle.crt: install the package ca-bundle"
        );
    }

    #[test]
    fn plain_http_needs_no_root_certificates() {
        assert!(Client::new([&endpoint("http://h/", "").unwrap()]).is_ok());
    }
}
