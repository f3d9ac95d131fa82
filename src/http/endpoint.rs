//! An address of the API and the right to use it.

use std::fmt::Write;

use reqwest::header::HeaderValue;
use url::Url;

use super::client::HttpError;
use crate::config::{Api, ApiAuth};

/// The target of requests, and the credentials for it.
///
/// With a token, `mac` joins the query of every URL; the token itself stands before it as
/// `access_token`, or in an Authorization header, as `api_auth` says.
#[derive(Clone)]
pub struct Endpoint {
    /// As configured, with nothing of ours in it.
    base: Url,
    host: String,
    query: Vec<(&'static str, String)>,
    bearer: Option<HeaderValue>,
    insecure: bool,
}

impl Endpoint {
    /// Reads `url`, the value of option `option`.
    ///
    /// # Errors
    ///
    /// Nothing, or anything but an http or https URL; a token that cannot stand in a header.
    pub fn new(option: &'static str, url: &str, api: &Api, mac: &str) -> Result<Self, HttpError> {
        if url.is_empty() {
            return Err(HttpError::Unset(option));
        }
        let base = Url::parse(url).map_err(|_| HttpError::Url(option))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(HttpError::Url(option));
        }
        let host = shown_host(&base);
        let mut query = Vec::new();
        let mut bearer = None;
        if !api.token.is_empty() {
            let token = api.token.reveal();
            match api.auth {
                ApiAuth::Query => query.push(("access_token", token.to_owned())),
                ApiAuth::Bearer => {
                    let value = HeaderValue::from_str(&format!("Bearer {token}"));
                    let mut value = value.map_err(|_| HttpError::Token("token"))?;
                    value.set_sensitive(true);
                    bearer = Some(value);
                }
            }
            query.push(("mac", mac.to_owned()));
        }
        Ok(Endpoint {
            base,
            host,
            query,
            bearer,
            insecure: api.insecure,
        })
    }

    /// A place that has nothing to do with the API and gets none of its credentials.
    pub fn elsewhere(url: Url, api: &Api) -> Self {
        let host = shown_host(&url);
        Endpoint {
            base: url,
            host,
            query: Vec::new(),
            bearer: None,
            insecure: api.insecure,
        }
    }

    /// The same place, and `pairs` at the end of its query. Those without a value are left out.
    #[must_use]
    pub fn asking(mut self, pairs: &[(&'static str, &str)]) -> Self {
        let said = pairs.iter().filter(|(_, value)| !value.is_empty());
        self.query
            .extend(said.map(|(name, value)| (*name, (*value).to_owned())));
        self
    }

    /// The same place with `value`, that of option `option`, as the whole Authorization header in place of the API's
    /// credentials.
    ///
    /// # Errors
    ///
    /// A value that cannot stand in a header.
    pub fn authorized_by(mut self, option: &'static str, value: &str) -> Result<Self, HttpError> {
        self.query.clear();
        self.bearer = match value {
            "" => None,
            value => {
                let value = HeaderValue::from_str(value);
                let mut value = value.map_err(|_| HttpError::Token(option))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Ok(self)
    }

    /// Host, and port if it is not the usual one.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The same place with `path` (`/`, and what needs it percent-encoded) behind its own path.
    pub fn below(&self, path: &str) -> Self {
        let mut below = self.clone();
        let own = self.base.path().trim_end_matches('/');
        below.base.set_path(&format!("{own}{path}"));
        below
    }

    /// The whole URL. It may hold the token: it is for the request alone.
    pub(super) fn url(&self) -> Url {
        let mut url = self.base.clone();
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }

    /// The same place without credentials and query.
    pub(super) fn bare(&self) -> Url {
        let mut url = self.base.clone();
        url.set_query(None);
        url.set_fragment(None);
        // It fails only for URLs that cannot hold credentials.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url
    }

    /// Value of the Authorization header, if there is one.
    pub(super) fn bearer(&self) -> Option<HeaderValue> {
        self.bearer.clone()
    }

    /// True if nobody but the server can answer: over TLS, and its certificate is checked.
    pub fn is_verified(&self) -> bool {
        self.is_https() && !self.insecure
    }

    pub fn is_https(&self) -> bool {
        self.base.scheme() == "https"
    }
}

/// Host, and port if it is not the usual one.
fn shown_host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// False for `.` and `..`: percent-encoded or not, clients, proxies and servers take them for steps in
/// the path.
pub fn fits_path(text: &str) -> bool {
    !matches!(text, "." | "..")
}

/// `text` as one part of a path: every byte percent-encoded that is no letter, digit, `-`, `_`, `.`
/// or `~`. `None` if it does not fit ([`fits_path`]).
pub fn path_part(text: &str) -> Option<String> {
    if !fits_path(text) {
        return None;
    }
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            byte => write!(encoded, "%{byte:02X}").expect("writing to a string does not fail"),
        }
    }
    Some(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn endpoint(url: &str, token: &str, api_auth: ApiAuth) -> Result<Endpoint, HttpError> {
        let api = Api {
            token: Secret::new(token),
            auth: api_auth,
            ..Api::default()
        };
        Endpoint::new("stats_url", url, &api, "0a:1b")
    }

    fn query(url: &str, token: &str) -> Endpoint {
        endpoint(url, token, ApiAuth::Query).unwrap()
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
            assert_eq!(query(url, token).url().as_str(), expected);
            assert_eq!(query(url, token).bearer(), None);
        }
    }

    #[test]
    fn a_bearer_token_stands_in_the_header_and_the_mac_alone_in_the_query() {
        let endpoint = |token| endpoint("http://h/p?a=b", token, ApiAuth::Bearer);
        let with = endpoint("t&c").unwrap();
        assert_eq!(with.url().as_str(), "http://h/p?a=b&mac=0a%3A1b");
        let header = with.bearer().unwrap();
        assert_eq!(header.to_str().unwrap(), "Bearer t&c");
        assert!(header.is_sensitive());

        let without = endpoint("").unwrap();
        assert_eq!(without.url().as_str(), "http://h/p?a=b");
        assert_eq!(without.bearer(), None);
        let error = endpoint("hush\n").map(|_| ()).unwrap_err().to_string();
        assert_eq!(error, "option 'token' cannot stand in an HTTP header");
    }

    #[test]
    fn the_bare_url_of_an_endpoint_holds_nothing_secret() {
        let url = "https://user:pass@h:8443/stats?key=secret#f";
        assert_eq!(query(url, "t0k").bare().as_str(), "https://h:8443/stats");
    }

    #[test]
    fn the_host_of_an_endpoint_names_nothing_else_of_its_url() {
        let host = |url| query(url, "secret").host().to_owned();
        assert_eq!(
            host("https://user:pass@api.example.net/path?q=1"),
            "api.example.net"
        );
        assert_eq!(host("http://[::1]:8080/"), "[::1]:8080");
    }

    #[test]
    fn only_https_with_its_certificates_checked_is_verified() {
        for (url, insecure, verified) in [
            ("https://h", false, true),
            ("https://h", true, false),
            ("http://h", false, false),
        ] {
            let api = Api {
                insecure,
                ..Api::default()
            };
            let endpoint = Endpoint::new("stats_url", url, &api, "m").unwrap();
            assert_eq!(endpoint.is_verified(), verified, "{url} {insecure}");
        }
    }

    #[test]
    fn what_is_not_http_is_refused_by_the_name_of_its_option() {
        let unset = endpoint("", "secret", ApiAuth::Query).map(|_| ());
        assert_eq!(unset.unwrap_err().to_string(), "stats_url is not set");
        for url in [
            "api.example.net",
            "file:///etc/passwd",
            "mailto:a@b",
            "http://",
        ] {
            let error = endpoint(url, "secret", ApiAuth::Query).map(|_| ());
            assert_eq!(
                error.unwrap_err().to_string(),
                "'stats_url' is not an http or https URL"
            );
        }
    }

    #[test]
    fn a_path_below_keeps_the_query_and_whatever_an_id_is_made_of() {
        for (url, id, expected) in [
            ("http://h", "1", "http://h/o/1"),
            ("http://h/api/", "a/b?ü", "http://h/api/o/a%2Fb%3F%C3%BC"),
            ("http://h/api?x=1", "..%2e", "http://h/api/o/..%252e?x=1"),
            ("http://h/api", "a b&c#d", "http://h/api/o/a%20b%26c%23d"),
            ("http://h/api", "\\..\\x", "http://h/api/o/%5C..%5Cx"),
        ] {
            let part = path_part(id).unwrap();
            let below = query(url, "").below(&format!("/o/{part}"));
            assert_eq!(below.url().as_str(), expected);
        }
        assert_eq!([path_part("."), path_part("..")], [None, None]);
        for dots in [".", "..", "%2E", "%2e%2E", ".%2E"] {
            let below = query("http://h/api", "").below(&format!("/o/{dots}"));
            assert!(!below.url().as_str().contains(dots), "{dots} can be sent");
        }
    }
}
