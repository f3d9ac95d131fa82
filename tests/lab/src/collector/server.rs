//! Connections, and what the mode of the day does to them.

use std::convert::Infallible;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{
    HeaderMap, HeaderValue, CONTENT_ENCODING, CONTENT_TYPE, DATE, LOCATION, RETRY_AFTER,
};
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::body::{self, Reports};
use super::raw::Raw;
use super::record::{Record, Request};
use super::{Mode, Words, BOOT, INIT};
use crate::address::fall_silent;

/// The answer of a captive portal.
const PAGE: &str = "<!DOCTYPE html><title>Log in</title>";

/// State shared by all connections.
#[derive(Clone)]
pub(super) struct Shelf {
    pub(super) file: PathBuf,
    pub(super) record: watch::Sender<Record>,
    pub(super) words: watch::Receiver<Words>,
}

/// Serves in the newest of `modes` until their sender is gone.
pub(super) async fn run(socket: TcpSocket, modes: watch::Receiver<Mode>, shelf: Shelf) {
    let record = shelf.record.clone();
    if let Err(error) = serve(socket, modes, &shelf).await {
        record.send_modify(|record| record.failure = Some(error.to_string()));
    }
}

async fn serve(
    mut socket: TcpSocket,
    mut modes: watch::Receiver<Mode>,
    shelf: &Shelf,
) -> io::Result<()> {
    let record = &shelf.record;
    loop {
        let mode = *modes.borrow_and_update();
        if mode == Mode::Down {
            record.send_modify(|record| record.mode = Some(mode));
            if modes.changed().await.is_err() {
                return Ok(());
            }
            continue;
        }
        let listener = socket.listen(1024)?;
        let more = listen(&listener, &mut modes, shelf).await?;
        // Bound again at once, so that nobody else gets the address while we are down.
        socket = fall_silent(listener)?;
        if !more {
            return Ok(());
        }
    }
}

/// Serves until the mode is `Down`; false if there will be no more modes.
async fn listen(
    listener: &TcpListener,
    modes: &mut watch::Receiver<Mode>,
    shelf: &Shelf,
) -> io::Result<bool> {
    let record = &shelf.record;
    let mut connections = JoinSet::new();
    loop {
        let mode = *modes.borrow_and_update();
        // What was open belongs to the mode before.
        connections.shutdown().await;
        if mode == Mode::Down {
            return Ok(true);
        }
        record.send_modify(|record| record.mode = Some(mode));
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (stream, _) = accepted?;
                    let api = Api { mode, shelf: shelf.clone() };
                    connections.spawn(api.converse(stream));
                }
                Some(_) = connections.join_next() => {}
                changed = modes.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return Ok(false),
                },
            }
        }
    }
}

/// The server as one connection sees it.
struct Api {
    mode: Mode,
    shelf: Shelf,
}

impl Api {
    async fn converse(self, stream: TcpStream) {
        if matches!(
            self.mode,
            Mode::Rubbish | Mode::Reset | Mode::Drip | Mode::Huge
        ) {
            let raw = Raw {
                mode: self.mode,
                record: &self.shelf.record,
            };
            return raw.converse(stream).await;
        }
        let service = service_fn(|request| self.answer(request));
        let connection = hyper::server::conn::http1::Builder::new();
        let _ = connection
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        if *request.method() == Method::GET && request.uri().path() == super::WEB_CHECK {
            return Ok(match self.mode {
                Mode::Page => self.response(200, PAGE.to_owned()),
                _ => self.response(204, String::new()),
            });
        }
        let (head, body) = request.into_parts();
        let mut seen = Request {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(str::to_owned),
            headers: texts(&head.headers),
            ..Request::default()
        };
        let words = self.shelf.words.borrow().clone();
        let got = match (&head.method, &*seen.path) {
            (&Method::GET, INIT) => words.offer.or(Some((404, String::new()))),
            (&Method::GET, BOOT) => Some((200, "{}".to_owned())),
            _ => None,
        };
        if let Some((status, text)) = got {
            let (status, text) = match self.mode {
                Mode::Status(status, _) => (status, String::new()),
                Mode::Page => (200, PAGE.to_owned()),
                _ => (status, text),
            };
            seen.status = Some(status);
            self.shelf.record.send_modify(|record| record.add(seen));
            return Ok(self.response(status, text));
        }
        let (status, text) = match self
            .take(&head.method, &head.headers, body, &mut seen)
            .await
        {
            Ok(reports) => match self.mode {
                Mode::Status(status, _) => (status, "{}".to_owned()),
                Mode::Page => (200, PAGE.to_owned()),
                Mode::Redirect => (302, String::new()),
                Mode::AtMost(bytes) if reports.bytes > bytes => (413, "{}".to_owned()),
                Mode::Picky(seq) if reports.ids.iter().any(|id| id.seq == seq) => {
                    (400, "{}".to_owned())
                }
                _ => match self.store(&reports.lines) {
                    Ok(()) => (200, words.accepted),
                    Err(error) => (500, error.to_string()),
                },
            },
            Err((status, reason)) => (status, reason),
        };
        let stored = status == 200 && self.mode != Mode::Page;
        seen.status = Some(status);
        self.shelf.record.send_modify(|record| {
            if stored {
                record.reports.extend(seen.reports.iter().cloned());
            }
            record.add(seen);
        });
        if let Mode::Slow(wait) = self.mode {
            tokio::time::sleep(wait).await;
        }
        let mut response = self.response(status, text);
        if self.mode == Mode::Redirect {
            if let Ok(here) = HeaderValue::try_from(head.uri.to_string()) {
                response.headers_mut().insert(LOCATION, here);
            }
        }
        Ok(response)
    }

    /// Reads and checks a request; what is in it is noted in `seen`.
    async fn take(
        &self,
        method: &Method,
        headers: &HeaderMap,
        body: Incoming,
        seen: &mut Request,
    ) -> Result<Reports, (u16, String)> {
        let wanted = match seen.path.as_str() {
            path if path.contains("/operations/") => Method::PATCH,
            _ => Method::POST,
        };
        if method != wanted {
            return Err((405, format!("{wanted} is wanted here")));
        }
        let body = Limited::new(body, body::BODY_MAX).collect().await;
        let body = body.map_err(|error| (413, error.to_string()))?.to_bytes();
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let content_type = header(CONTENT_TYPE).unwrap_or_default();
        if wanted == Method::PATCH || seen.path.ends_with("/ping") {
            if content_type != "application/json" {
                return Err((415, content_type.to_owned()));
            }
            let json = serde_json::from_slice(&body);
            seen.json = Some(json.map_err(|error| (400, error.to_string()))?);
            return Ok(Reports::default());
        }
        let bytes = body.len();
        let reports = body::read(content_type, header(CONTENT_ENCODING), body).await;
        let mut reports = reports.map_err(|error| (400, error.to_string()))?;
        reports.bytes = bytes;
        seen.reports.clone_from(&reports.ids);
        seen.part_headers.clone_from(&reports.part_headers);
        Ok(reports)
    }

    fn store(&self, lines: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.shelf.file)?;
        file.write_all(lines)
    }

    fn response(&self, status: u16, text: String) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content_type = match self.mode {
            Mode::Page => "text/html",
            _ => "application/json",
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        match self.mode {
            Mode::Status(_, Some(seconds)) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            Mode::Dated(date) => {
                headers.insert(DATE, HeaderValue::from_static(date));
            }
            _ => {}
        }
        response
    }
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let pairs = headers.iter();
    pairs
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}
