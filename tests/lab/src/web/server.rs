//! HTTP: connections, paths and limits.

use std::convert::Infallible;
use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{HeaderValue, CACHE_CONTROL, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::files;
use super::rpc::Gate;

/// Longest request uhttpd takes, bytes.
const BODY_MAX: usize = 64 << 10;

/// Serves for ever. What it answered is forgotten; connections end with it.
pub(super) async fn run(listener: TcpListener, gate: Gate) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A peer that is gone before it was met, or no file left to meet it with: the next.
                let Ok((stream, _)) = accepted else {
                    tokio::task::yield_now().await;
                    continue;
                };
                let gate = gate.clone();
                connections.spawn(async move {
                    let service = service_fn(|request| answer(request, &gate));
                    let server = hyper::server::conn::http1::Builder::new();
                    // The browser may hang up at any point, which is its right.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    gate: &Gate,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let (status, kind, bytes) = match (&head.method, head.uri.path()) {
        (&Method::POST, "/ubus") => match Limited::new(body, BODY_MAX).collect().await {
            Ok(body) => {
                let answer = gate.answer(&body.to_bytes()).await;
                (
                    StatusCode::OK,
                    "application/json",
                    answer.to_string().into(),
                )
            }
            Err(_) => said(StatusCode::PAYLOAD_TOO_LARGE),
        },
        (&Method::GET, "/lab/menu.json") => match gate.menu() {
            Ok(menu) => (StatusCode::OK, "application/json", menu.to_string().into()),
            Err(error) => failed(&error),
        },
        (&Method::GET, path) => match files::read(path) {
            Ok(Some(page)) => (StatusCode::OK, page.kind, page.bytes),
            Ok(None) => said(StatusCode::NOT_FOUND),
            Err(error) => failed(&error),
        },
        _ => said(StatusCode::METHOD_NOT_ALLOWED),
    };
    // No Content-Security-Policy: LuCI has none, and here too hostile text is to be harmless by itself.
    let mut response = Response::new(Full::new(Bytes::from(bytes)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

const TEXT: &str = "text/plain; charset=utf-8";

fn failed(error: &io::Error) -> (StatusCode, &'static str, Vec<u8>) {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    (status, TEXT, error.to_string().into())
}

fn said(status: StatusCode) -> (StatusCode, &'static str, Vec<u8>) {
    let words = status.canonical_reason().unwrap_or_default();
    (status, TEXT, words.into())
}
