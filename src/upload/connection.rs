//! A connection that speaks HTTP/1.1, with TLS for https.
//!
//! ```text
//!  addresses ─► TCP (both families) ─► TLS ─► request, answer ─► request, answer …
//! ```
//!
//! No proxy is asked, no redirect followed, nothing unpacked: an answer is what the server said.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{Engine, BASE64_STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HeaderMap, HeaderValue, ACCEPT, AUTHORIZATION, HOST, USER_AGENT};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use rustls::pki_types::ServerName;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until, timeout, Instant};
use tokio_rustls::TlsConnector;
use url::{Host, Position, Url};

/// Longest wait for a connection, name look-up and TLS included.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The family of addresses that the resolver prefers has this much of a head start (RFC 8305).
const HEAD_START: Duration = Duration::from_millis(300);

/// How long a connection is kept that has nothing to do; between heartbeats there is none.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

const AGENT: &str = concat!("SocketMan/", env!("CARGO_PKG_VERSION"));

/// What a connection is made of: bytes both ways. One type for all, for each further one would be as much
/// code again.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection to one server. It ends when this is dropped, when the server ends it, or with
/// [`IDLE_TIMEOUT`].
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Since when there is nothing to do.
    idle: watch::Sender<Option<Instant>>,
}

/// The server of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    https: bool,
    host: Host,
    port: u16,
}

/// A failure on the way to an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("no connection in time")]
    NoConnection,
    #[error("cannot connect: {}", innermost(.0))]
    Connect(io::Error),
    #[error("no answer in time")]
    NoAnswer,
    #[error("no valid answer: {}", innermost(.0))]
    Http(hyper::Error),
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("the URL cannot stand in a request")]
    Url,
}

impl Trouble {
    /// The server has ended the connection without a word.
    pub(super) fn is_end(&self) -> bool {
        let ended = |error: &hyper::Error| {
            error.is_closed() || error.is_canceled() || error.is_incomplete_message()
        };
        matches!(self, Trouble::Http(error) if ended(error))
    }
}

/// The outer causes tell of layers, the innermost what happened.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

impl Server {
    /// `None` if the URL names none.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        Some(Server {
            https: url.scheme() == "https",
            host: url.host()?.to_owned(),
            port: url.port_or_known_default()?,
        })
    }

    pub(crate) fn is_https(&self) -> bool {
        self.https
    }

    /// The address in the place of a name, or the name.
    pub(crate) fn address(&self) -> Result<IpAddr, &str> {
        match &self.host {
            Host::Domain(name) => Err(name),
            Host::Ipv4(address) => Ok((*address).into()),
            Host::Ipv6(address) => Ok((*address).into()),
        }
    }

    /// Its addresses, as the system's resolver knows them.
    pub(super) async fn addresses(&self) -> Result<Vec<IpAddr>, Trouble> {
        let name = match self.address() {
            Ok(address) => return Ok(vec![address]),
            Err(name) => name,
        };
        let found = tokio::net::lookup_host((name, self.port)).await;
        let found = found.map_err(Trouble::Connect)?;
        Ok(found.map(|address| address.ip()).collect())
    }

    fn tls_name(&self) -> io::Result<ServerName<'static>> {
        match self.address() {
            Ok(address) => Ok(address.into()),
            Err(name) => ServerName::try_from(name.to_owned()).map_err(io::Error::other),
        }
    }
}

impl Connection {
    /// Connects to one of the server's addresses; `tls` is for https.
    ///
    /// # Errors
    ///
    /// Nobody takes the connection, or TLS fails.
    pub(crate) async fn open(
        server: &Server,
        addresses: &[IpAddr],
        tls: Option<Arc<ClientConfig>>,
    ) -> Result<Self, Trouble> {
        let stream = connect(addresses, server.port).await;
        let stream = stream.map_err(Trouble::Connect)?;
        let stream: Box<dyn Stream> = match tls {
            Some(tls) => {
                let name = server.tls_name().map_err(Trouble::Connect)?;
                let stream = TlsConnector::from(tls).connect(name, stream).await;
                Box::new(stream.map_err(Trouble::Connect)?)
            }
            None => Box::new(stream),
        };
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(Trouble::Http)?;
        let (idle, idle_since) = watch::channel(None);
        tokio::spawn(serve(connection, idle_since));
        Ok(Connection { sender, idle })
    }

    /// Nothing is to be done until the next request.
    pub(super) fn rest(&self) {
        self.idle.send_replace(Some(Instant::now()));
    }

    /// Sends a request; the head of the answer is there when this returns.
    ///
    /// # Errors
    ///
    /// No answer, or one that is not HTTP.
    pub(crate) async fn send(
        &mut self,
        (method, url, headers, body): (Method, &Url, HeaderMap, Bytes),
    ) -> Result<Response<Incoming>, Trouble> {
        self.idle.send_replace(None);
        self.sender.ready().await.map_err(Trouble::Http)?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = target(url).ok_or(Trouble::Url)?;
        *request.headers_mut() = headers;
        let headers = request.headers_mut();
        headers.insert(HOST, host(url).ok_or(Trouble::Url)?);
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if !headers.contains_key(AUTHORIZATION) {
            if let Some(login) = login(url) {
                headers.insert(AUTHORIZATION, login);
            }
        }
        let answer = self.sender.send_request(request).await;
        answer.map_err(Trouble::Http)
    }
}

/// The next piece of the body; `None` at its end.
///
/// # Errors
///
/// The body breaks off.
pub(crate) async fn chunk(answer: &mut Response<Incoming>) -> Result<Option<Bytes>, Trouble> {
    while let Some(frame) = answer.body_mut().frame().await {
        // What is no data are headers behind the body, which nobody needs.
        if let Ok(data) = frame.map_err(Trouble::Http)?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// Path and query.
fn target(url: &Url) -> Option<Uri> {
    url[Position::BeforePath..Position::AfterQuery].parse().ok()
}

/// Host, and port if it is not the usual one.
fn host(url: &Url) -> Option<HeaderValue> {
    HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]).ok()
}

/// User and password of the URL.
fn login(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut login: Vec<u8> = percent_decode_str(url.username()).collect();
    login.push(b':');
    login.extend(percent_decode_str(url.password().unwrap_or_default()));
    let value = format!("Basic {}", BASE64_STANDARD.encode(login));
    let mut value = HeaderValue::from_str(&value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Moves bytes until one side has enough.
async fn serve<T>(
    connection: http1::Connection<TokioIo<T>, Full<Bytes>>,
    mut idle: watch::Receiver<Option<Instant>>,
) where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = std::pin::pin!(connection);
    loop {
        let since = *idle.borrow_and_update();
        let expired = async {
            match since {
                Some(since) => sleep_until(since + IDLE_TIMEOUT).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // Who waits for an answer hears why there is none.
            _ = &mut connection => return,
            () = expired => return,
            changed = idle.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

/// A connection to the first address that takes one. Where the resolver names both families, the other one
/// is tried beside the first after [`HEAD_START`]: one of them is often broken.
async fn connect(addresses: &[IpAddr], port: u16) -> io::Result<TcpStream> {
    let is_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let is_first = |address: &IpAddr| address.is_ipv6() == is_v6;
    let sockets = addresses.iter().map(|ip| SocketAddr::new(*ip, port));
    let (first, second): (Vec<_>, Vec<_>) = sockets.partition(|socket| is_first(&socket.ip()));
    if second.is_empty() {
        return one_of(&first).await;
    }
    let mut first = std::pin::pin!(one_of(&first));
    let mut second = std::pin::pin!(async {
        sleep(HEAD_START).await;
        one_of(&second).await
    });
    tokio::select! {
        stream = &mut first => match stream {
            Ok(stream) => Ok(stream),
            Err(error) => second.await.map_err(|_| error),
        },
        stream = &mut second => match stream {
            Ok(stream) => Ok(stream),
            Err(_) => first.await,
        },
    }
}

/// One after the other; none has more than its share of [`CONNECT_TIMEOUT`].
async fn one_of(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let share = CONNECT_TIMEOUT / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_other_family_is_tried_where_one_does_not_work() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (v4, v6) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
        for addresses in [&[v6, v4][..], &[v4, v6], &[v6, v6, v4], &[v4]] {
            let stream = connect(addresses, port).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap().ip(), v4);
        }
        drop(listener);
        let error = connect(&[v4, v6], port).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        connect(&[], port).await.unwrap_err();
    }

    #[test]
    fn a_request_names_what_the_url_does_and_no_secret() {
        let url = Url::parse("http://u:p@[::1]:8080/a b?q=%20#f").unwrap();
        assert_eq!(target(&url).unwrap(), "/a%20b?q=%20");
        assert_eq!(host(&url).unwrap(), "[::1]:8080");
        assert!(login(&url).unwrap().is_sensitive());
        let url = Url::parse("https://api.example.net:443").unwrap();
        assert_eq!(target(&url).unwrap(), "/");
        assert_eq!(host(&url).unwrap(), "api.example.net");
        assert!(login(&url).is_none());
        assert_eq!(Server::of(&url).unwrap().address(), Err("api.example.net"));
    }
}
