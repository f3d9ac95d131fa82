//! The client against servers, each a listener of the test.

mod answers;
mod connections;
mod deadlines;
mod hosts;

use std::future::Future;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::*;
use crate::config::{Api, Secret};
use crate::lookup::Resolver;

const WITHIN: Duration = Duration::from_secs(30);

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A server that does not answer yet, and a client with a way there.
async fn site(login: &str, place: &str) -> (TcpListener, Client, Endpoint) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{login}{}{place}", listener.local_addr().unwrap());
    let (client, to) = client(&url);
    (listener, client, to)
}

fn client(url: &str) -> (Client, Endpoint) {
    let api = Api::default();
    let to = Endpoint::new("stats_url", url, &api, "m").unwrap();
    (Client::new(api, Resolver::system("lookup")), to)
}

async fn take_request(socket: &mut TcpStream) -> String {
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n{}") {
        let count = socket.read_buf(&mut asked).await.unwrap();
        assert!(count > 0, "half a request");
    }
    String::from_utf8(asked).unwrap()
}

/// Ends a connection with RST.
fn reset(socket: TcpStream) {
    socket.set_zero_linger().unwrap();
}

async fn answer(socket: &mut TcpStream, text: &str) -> String {
    let asked = take_request(socket).await;
    socket.write_all(text.as_bytes()).await.unwrap();
    asked
}

async fn send(client: &mut Client, to: &Endpoint) -> Result<Reply, HttpError> {
    client
        .send(Method::POST, to, Body::json("{}"), WITHIN)
        .await
}

async fn post(client: &mut Client, to: &Endpoint) -> Reply {
    send(client, to).await.unwrap()
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(Duration::from_secs(60), work).await;
    done.expect("in time")
}

#[test]
fn a_request_has_half_a_minute_and_a_second_for_every_512_bytes() {
    for (len, seconds) in [(0, 30), (511, 30), (512, 31), (128 << 10, 286)] {
        assert_eq!(deadline(len), Duration::from_secs(seconds), "{len}");
    }
}
