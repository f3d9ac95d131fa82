//! The web check: does the page come that only the right server sends?
//!
//! A portal answers for every server with a redirect or a page of its own. Redirects are not followed,
//! no proxy is asked, and no token is sent.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::LOCATION;
use reqwest::Response;
use serde::Serialize;
use tokio::time::{timeout, Instant};
use url::{Host, Url};

use super::lookup::{self, Resolved};
use super::millis;
use crate::config::shown_url;
use crate::http::{Addresses, Asked, Transport, Trouble, Within};
use crate::lookup::{Address, Resolver};
use crate::tls::{self, TlsError};

/// Time of the server for everything, the look-up included.
pub(super) const WITHIN: Duration = Duration::from_secs(6);

const WAY: Within = Within {
    look_up: lookup::WITHIN,
    connect: Duration::from_secs(4),
};

/// Longest address of a redirect that is shown, characters.
const LOCATION_MAX: usize = 200;

/// The outcome of a web check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WebResult {
    /// 204, or 200 with the body that was wanted.
    Ok,
    /// Another page, a redirect, or 511 (log in first): not what the server sends.
    Foreign,
    /// No answer, or an error of the server.
    Failed,
}

/// A web check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Web {
    /// Without user, password, query and fragment.
    pub url: String,
    /// Duration.
    pub ms: u64,
    pub result: WebResult,
    /// HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Target of a redirect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Outcome of the look-up; absent for an address in the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookup: Option<Resolved>,
    /// Addresses that the name in the URL resolves to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The page, and the body that it should have.
pub(super) struct WebCheck {
    url: Url,
    body: String,
    addresses: Arc<Addresses>,
    /// Made for the first check.
    transport: OnceLock<Transport>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl WebCheck {
    /// `None` for an empty URL, which switches the check off.
    pub(super) fn new(url: &str, body: &str, resolver: &Resolver) -> Option<Self> {
        let parsed = Url::parse(url).ok().filter(Url::has_host);
        if parsed.is_none() && !url.is_empty() {
            log::warn!("'web_url' is not a URL: the web check is off");
        }
        Some(WebCheck {
            url: parsed?,
            body: body.to_owned(),
            addresses: Addresses::new(resolver.clone(), WAY),
            transport: OnceLock::new(),
        })
    }

    /// The name of the server; `None` for an address.
    pub(super) fn name(&self) -> Option<&str> {
        match self.url.host()? {
            Host::Domain(name) => Some(name),
            _ => None,
        }
    }

    /// Asks for the page, and waits `within` at most.
    pub(super) async fn ask(&self, within: Duration) -> Web {
        let start = Instant::now();
        let mut web = Web {
            url: shown_url(self.url.as_str()),
            ms: 0,
            result: WebResult::Failed,
            status: None,
            location: None,
            lookup: None,
            addresses: Vec::new(),
            error: None,
        };
        match timeout(within, self.answer(&mut web)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => web.error = Some(error.to_string()),
            Err(_) => {
                // The next check begins with another address.
                self.addresses.failed();
                web.error = Some(format!("no answer within {} s", within.as_secs()));
            }
        }
        web.addresses = self.addresses.found().iter().map(Address::ip).collect();
        if web.lookup == Some(Resolved::NotAsked) && !web.addresses.is_empty() {
            web.lookup = Some(Resolved::Found);
        }
        web.ms = millis(start);
        web
    }

    async fn answer(&self, web: &mut Web) -> Result<(), Failed> {
        let transport = self.transport()?;
        // Until it has ended; the check may end before.
        web.lookup = self.name().map(|_| Resolved::NotAsked);
        let asked = Asked::page(self.url.clone());
        let sent = transport.send(&asked, WITHIN).await;
        if let (Err(Trouble::Lookup(error)), Some(lookup)) = (&sent, &mut web.lookup) {
            *lookup = Resolved::from(error);
        }
        let mut response = sent?;
        let status = response.status().as_u16();
        web.status = Some(status);
        web.location = location(&response);
        web.result = match status {
            204 => WebResult::Ok,
            // Without a body to expect, any page would do, a portal's too.
            200 if self.body.is_empty() => WebResult::Foreign,
            200 => match self.begins_right(&mut response).await {
                true => WebResult::Ok,
                false => WebResult::Foreign,
            },
            201..=399 | 511 => WebResult::Foreign,
            // An error of the right server, as far as one can tell.
            _ => WebResult::Failed,
        };
        Ok(())
    }

    fn transport(&self) -> Result<&Transport, Failed> {
        if let Some(made) = self.transport.get() {
            return Ok(made);
        }
        let tls = match self.url.scheme() {
            "https" => tls::for_pages()?,
            _ => tls::for_nobody()?,
        };
        // A connection that was kept would say nothing of the way there.
        let made = Transport::new(tls, &self.addresses, false)?;
        Ok(self.transport.get_or_init(|| made))
    }

    /// Does the body begin as it should? No more of it is read than that takes, and how it ends, or
    /// breaks off, decides nothing.
    async fn begins_right(&self, response: &mut Response) -> bool {
        let mut left = self.body.as_bytes();
        while !left.is_empty() {
            let Ok(Some(chunk)) = response.chunk().await else {
                return false;
            };
            let (now, later) = left.split_at(left.len().min(chunk.len()));
            if chunk[..now.len()] != *now {
                return false;
            }
            left = later;
        }
        true
    }
}

/// Target of a redirect, safe to show.
fn location(response: &Response) -> Option<String> {
    let to = response.headers().get(LOCATION)?.as_bytes();
    let shown = shown_url(&String::from_utf8_lossy(to));
    let safe = shown.chars().take(LOCATION_MAX);
    Some(safe.flat_map(char::escape_debug).collect())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::closed::Closed;

    /// Answers one request with these bytes and says what was asked.
    async fn answered(answer: &str, body: &str) -> (Web, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://u:p@{}/check?key=1", listener.local_addr().unwrap());
        let check = WebCheck::new(&url, body, &Resolver::system("lookup")).unwrap();
        let serve = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                assert!(
                    socket.read_buf(&mut asked).await.unwrap() > 0,
                    "half a request"
                );
            }
            socket.write_all(answer.as_bytes()).await.unwrap();
            // The client may have seen enough before the end.
            let _ = socket.shutdown().await;
            String::from_utf8(asked).unwrap()
        };
        tokio::join!(check.ask(WITHIN), serve)
    }

    async fn result(answer: &str, body: &str) -> WebResult {
        answered(answer, body).await.0.result
    }

    #[tokio::test]
    async fn only_204_or_the_wanted_body_will_do() {
        use WebResult::{Failed, Foreign, Ok};
        let ok = "HTTP/1.1 200 OK\r\n";
        let page = format!("{ok}content-length: 12\r\n\r\nSuccess now.");
        let chunked =
            format!("{ok}transfer-encoding: chunked\r\n\r\n4\r\nSucc\r\n4\r\ness.\r\n0\r\n\r\n");
        let short = format!("{ok}content-length: 4\r\n\r\nSucc");
        let cut = format!("{ok}content-length: 70000\r\n\r\nSuccess");
        let endless = format!("{ok}transfer-encoding: chunked\r\n\r\n7\r\nSuccess\r\nzz");
        for (answer, body, expected) in [
            ("HTTP/1.1 204 No Content\r\n\r\n", "", Ok),
            ("HTTP/1.1 204 No Content\r\n\r\n", "Success", Ok),
            (&page, "Success", Ok),
            (&chunked, "Success", Ok),
            (&cut, "Success", Ok),
            (&endless, "Success", Ok),
            (&cut, "Success and more", Foreign),
            (&page, "success", Foreign),
            (&short, "Success", Foreign),
            (&page, "", Foreign),
            (
                "HTTP/1.1 511 Log in\r\ncontent-length: 0\r\n\r\n",
                "",
                Foreign,
            ),
            ("HTTP/1.1 404 Gone\r\ncontent-length: 0\r\n\r\n", "", Failed),
            ("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", "", Failed),
            ("SSH-2.0-dropbear\r\n", "", Failed),
        ] {
            assert_eq!(result(answer, body).await, expected, "{answer} {body}");
        }
    }

    #[tokio::test]
    async fn a_portal_with_a_sloppy_head_is_a_portal() {
        for head in [
            "HTTP/1.1 302 Found\r\nlocation : http://portal.example/login\r\n",
            "HTTP/1.1 302 Found\r\nlocation: http://portal.example/login\r\nno colon\r\n",
            "HTTP/1.0 302 Found\nlocation: http://portal.example/login\n",
        ] {
            let (web, _) = answered(&format!("{head}\r\n"), "").await;
            assert_eq!(web.result, WebResult::Foreign, "{head}");
            assert_eq!(web.location.as_deref(), Some("http://portal.example/login"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn interim_answers_without_end_are_no_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let check = WebCheck::new(&url, "", &Resolver::silent()).unwrap();
        let serve = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            assert!(socket.read(&mut [0; 4096]).await.unwrap() > 0);
            while socket
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                .await
                .is_ok()
            {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let (web, ()) = tokio::join!(check.ask(WITHIN), serve);
        assert_eq!(web.error.as_deref(), Some("no answer within 6 s"));
        assert_eq!((web.result, web.ms / 1000), (WebResult::Failed, 6));
    }

    #[tokio::test]
    async fn a_redirect_is_told_and_not_followed_and_no_secret_is_shown() {
        let answer = "HTTP/1.1 302 Found\r\nlocation: http://portal.example/login?mac=02:00\r\n\
                      content-length: 0\r\n\r\n";
        let (web, asked) = answered(answer, "").await;
        assert_eq!(web.result, WebResult::Foreign);
        assert_eq!(web.status, Some(302));
        assert_eq!(web.location.as_deref(), Some("http://portal.example/login"));
        assert_eq!((web.lookup, web.error), (None, None));
        assert!(
            web.url.ends_with("/check") && !web.url.contains('@'),
            "{}",
            web.url
        );
        assert!(
            asked.starts_with("GET /check?key=1 HTTP/1.1\r\n"),
            "{asked}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_resolver_that_is_silent_is_told_from_a_server_that_is() {
        let dead = Resolver::silent();
        let check = WebCheck::new("http://w.example/", "", &dead).unwrap();
        let web = check.ask(WITHIN).await;
        assert_eq!(
            (web.result, web.lookup),
            (WebResult::Failed, Some(Resolved::Dead))
        );
        assert_eq!(web.status, None);
    }

    #[tokio::test]
    async fn an_address_that_says_nothing_is_the_last_one_in_the_next_check() {
        let silent = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let other = TcpListener::bind(("127.0.0.3", port)).await.unwrap();
        let resolver = Resolver::fixed(|_| {
            let both = [2, 3].map(|n| std::net::IpAddr::from([127, 0, 0, n]).into());
            Ok(both.to_vec())
        });
        let url = format!("http://w.example:{port}/");
        let check = WebCheck::new(&url, "", &resolver).unwrap();
        let first = async {
            let (mut socket, _) = silent.accept().await.unwrap();
            tokio::time::pause();
            while socket.read(&mut [0; 4096]).await.unwrap() > 0 {}
        };
        let (web, ()) = tokio::join!(check.ask(WITHIN), first);
        assert_eq!(web.error.as_deref(), Some("no answer within 6 s"));
        assert_eq!(web.lookup, Some(Resolved::Found));
        tokio::time::resume();
        let second = async {
            let (mut socket, _) = other.accept().await.unwrap();
            assert!(socket.read(&mut [0; 4096]).await.unwrap() > 0);
            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
            socket.write_all(answer).await.unwrap();
        };
        let (web, ()) = tokio::join!(check.ask(WITHIN), second);
        assert_eq!(web.result, WebResult::Ok);
    }

    #[tokio::test]
    async fn a_refused_connection_is_a_failure_and_an_empty_url_no_check() {
        let closed = Closed::new();
        let url = format!("http://{}/", closed.address());
        let resolver = Resolver::system("lookup");
        let web = WebCheck::new(&url, "", &resolver)
            .unwrap()
            .ask(WITHIN)
            .await;
        assert_eq!(web.result, WebResult::Failed);
        assert!(web.error.unwrap().contains("refused"));
        assert!(WebCheck::new("", "", &resolver).is_none());
    }
}
