//! The one HTTP client of the agent.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{
    HeaderMap, HeaderValue, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, DATE, RETRY_AFTER,
};
use hyper::{Method, Response};
use rustls::ClientConfig;
use tokio::time::timeout;

use super::answer::Answer;
use super::body::Body;
use super::connection::{chunk, Connection, Server, Trouble, CONNECT_TIMEOUT};
use super::date;
use super::endpoint::Endpoint;
use crate::config::Config;
use crate::tls::{self, words, TlsError};

/// Longest wait for a whole request with its answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

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

/// Sends requests, one after the other, and keeps the last connection for the next.
///
/// Root certificates are read when the first request needs them: a device with nothing to send loads
/// none.
pub struct Client {
    config: Arc<Config>,
    /// None until it is needed, and after a failure of TLS: the next request reads the roots anew.
    tls: Option<Arc<ClientConfig>>,
    kept: Option<(Server, Connection)>,
}

impl Client {
    pub fn new(config: Arc<Config>) -> Self {
        Client {
            config,
            tls: None,
            kept: None,
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
        if to.is_https() && self.tls.is_none() {
            self.tls = Some(Arc::new(tls::for_api(&self.config)?));
        }
        let exchanged = timeout(REQUEST_TIMEOUT, self.exchange(method, to, body)).await;
        let reason = match exchanged.unwrap_or(Err(Trouble::NoAnswer)) {
            Ok(reply) => return Ok(reply),
            Err(trouble) => match in_words(&trouble, to.is_https()) {
                Some(words) => {
                    self.tls = None;
                    words
                }
                None => trouble.to_string(),
            },
        };
        Err(HttpError::Request {
            host: to.host().to_owned(),
            reason,
        })
    }

    async fn exchange(
        &mut self,
        method: Method,
        to: &Endpoint,
        body: Body,
    ) -> Result<Reply, Trouble> {
        let url = to.url();
        let server = Server::of(&url).ok_or(Trouble::Url)?;
        let headers = headers(to, &body)?;
        let kept = self.kept.take().filter(|(to, _)| *to == server);
        let again = kept.is_some();
        let mut connection = match kept {
            Some((_, kept)) => kept,
            None => self.open(&server).await?,
        };
        let request = (method, &url, headers, body.bytes);
        let mut response = match connection.send(request.clone()).await {
            // The server ended it meanwhile. Whatever we send may come twice.
            Err(trouble) if again && trouble.is_end() => {
                connection = self.open(&server).await?;
                connection.send(request).await?
            }
            sent => sent?,
        };
        let (body, is_whole) = beginning(&mut response).await?;
        let header = |name| response.headers().get(name)?.to_str().ok();
        let answer = Answer::judge(
            response.status().as_u16(),
            header(CONTENT_TYPE),
            header(RETRY_AFTER),
            &body,
        );
        let date = header(DATE).and_then(date::parse);
        if is_whole {
            connection.rest();
            self.kept = Some((server, connection));
        } else if answer == Answer::Accepted {
            // Whatever sends that is no API.
            return Err(Trouble::TooLong(ANSWER_MAX));
        }
        Ok(Reply { answer, date })
    }

    async fn open(&self, server: &Server) -> Result<Connection, Trouble> {
        let tls = self.tls.clone().filter(|_| server.is_https());
        let open = async {
            let addresses = server.addresses().await?;
            Connection::open(server, &addresses, tls).await
        };
        let opened = timeout(CONNECT_TIMEOUT, open).await;
        opened.unwrap_or(Err(Trouble::NoConnection))
    }
}

fn headers(to: &Endpoint, body: &Body) -> Result<HeaderMap, Trouble> {
    let mut headers = HeaderMap::new();
    let content_type = HeaderValue::from_str(&body.content_type);
    headers.insert(CONTENT_TYPE, content_type.map_err(|_| Trouble::Url)?);
    if body.gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if let Some(bearer) = to.bearer() {
        headers.insert(AUTHORIZATION, bearer);
    }
    Ok(headers)
}

/// The first [`ANSWER_MAX`] bytes of the body and whether that is all.
async fn beginning(response: &mut Response<Incoming>) -> Result<(Vec<u8>, bool), Trouble> {
    let mut body = Vec::new();
    while let Some(chunk) = chunk(response).await? {
        let room = ANSWER_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok((body, false));
        }
    }
    Ok((body, true))
}

/// What happened, if it was TLS.
fn in_words(trouble: &Trouble, https: bool) -> Option<String> {
    match trouble {
        Trouble::Connect(error) => {
            Some(format!("cannot connect: {}", words::explain(error, https)?))
        }
        Trouble::Http(error) => Some(format!(
            "no valid answer: {}",
            words::explain(error, false)?
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// A server that does not answer yet, and a client with a way there.
    async fn site(login: &str, place: &str) -> (TcpListener, Client, Endpoint) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{login}{}{place}", listener.local_addr().unwrap());
        let config = Arc::new(Config::default());
        let to = Endpoint::new("stats_url", &url, &config, "m").unwrap();
        (listener, Client::new(config), to)
    }

    async fn take_request(socket: &mut TcpStream) -> String {
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n{}") {
            assert!(socket.read_buf(&mut asked).await.unwrap() > 0);
        }
        String::from_utf8(asked).unwrap()
    }

    async fn answer(socket: &mut TcpStream) -> String {
        let asked = take_request(socket).await;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        socket.write_all(answer).await.unwrap();
        asked
    }

    async fn post(client: &mut Client, to: &Endpoint) -> Reply {
        let sent = client.send(Method::POST, to, Body::json("{}")).await;
        sent.unwrap()
    }

    #[tokio::test]
    async fn a_connection_is_kept_for_the_next_request_and_one_that_was_ended_made_anew() {
        let (listener, mut client, to) = site("me:%26pass@", "/a?b=c").await;
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let asked = answer(&mut socket).await;
            answer(&mut socket).await;
            drop(socket);
            let (mut socket, _) = listener.accept().await.unwrap();
            answer(&mut socket).await;
            asked
        };
        let requests = async {
            for _ in 0..3 {
                assert_eq!(post(&mut client, &to).await.answer, Answer::Accepted);
            }
        };
        let (asked, ()) = tokio::join!(server, requests);
        assert!(asked.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{asked}");
        // me:&pass
        let login = "authorization: Basic bWU6JnBhc3M=\r\n";
        assert!(asked.contains(login), "{asked}");
        let host = format!("host: {}\r\n", listener.local_addr().unwrap());
        assert!(asked.contains(&host), "{asked}");
        // Nothing of TLS was needed.
        assert!(client.tls.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_with_nothing_to_do_ends() {
        let (listener, mut client, to) = site("", "/").await;
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            answer(&mut socket).await;
            socket.read(&mut [0]).await.unwrap()
        };
        let (left, _) = tokio::join!(server, post(&mut client, &to));
        assert_eq!(left, 0);
    }
}
