//! Names with several addresses, of which some do not work.

use std::net::IpAddr;

use super::*;

/// A listener at each of two addresses, with one port; the first address is the resolver's first.
async fn twofold(scheme: &str) -> (TcpListener, TcpListener, Client, Endpoint) {
    let first = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = first.local_addr().unwrap().port();
    let second = TcpListener::bind(("127.0.0.3", port)).await.unwrap();
    let (client, to) = named(scheme, port);
    (first, second, client, to)
}

fn named(scheme: &str, port: u16) -> (Client, Endpoint) {
    let api = Api {
        insecure: true,
        ..Api::default()
    };
    let url = format!("{scheme}://twofold.example:{port}/");
    let to = Endpoint::new("stats_url", &url, &api, "m").unwrap();
    let resolver =
        Resolver::fixed(|_| Ok([2, 3].map(|n| IpAddr::from([127, 0, 0, n]).into()).to_vec()));
    (Client::new(api, resolver), to)
}

#[tokio::test]
async fn an_address_that_accepts_and_is_silent_in_tls_is_passed_over_in_the_same_request() {
    let (first, second, mut client, to) = twofold("https").await;
    let server = async {
        let (mut silent, _) = first.accept().await.unwrap();
        let mut hello = [0; 64];
        silent.read_exact(&mut hello).await.unwrap();
        let asked = Instant::now();
        // The look-up has come back from its thread.
        tokio::time::pause();
        let (mut other, _) = second.accept().await.unwrap();
        other.read_exact(&mut hello).await.unwrap();
        let waited = asked.elapsed();
        drop(other);
        waited
    };
    let (waited, sent) = in_time(async { tokio::join!(server, send(&mut client, &to)) }).await;
    assert!(waited < Duration::from_secs(16), "{waited:?}");
    let error = sent.unwrap_err();
    assert!(!error.is_no_answer_in_time());
    assert!(error.to_string().contains("does it speak TLS?"), "{error}");
}

#[tokio::test]
async fn an_address_that_takes_the_request_and_is_silent_is_the_last_one_for_the_next_request() {
    let (first, second, mut client, to) = twofold("http").await;
    let server = async {
        let (mut silent, _) = first.accept().await.unwrap();
        take_request(&mut silent).await;
        tokio::time::pause();
        assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
        tokio::time::resume();
        for _ in 0..2 {
            let (mut other, _) = second.accept().await.unwrap();
            let close = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            answer(&mut other, close).await;
        }
    };
    let requests = async {
        let error = send(&mut client, &to).await.unwrap_err();
        assert!(error.is_no_answer_in_time(), "{error}");
        for _ in 0..2 {
            assert_eq!(post(&mut client, &to).await.answer, Answer::Accepted);
        }
    };
    in_time(async { tokio::join!(server, requests) }).await;
}

#[tokio::test]
async fn an_address_that_resets_the_request_is_passed_over_in_the_same_request() {
    let (first, second, mut client, to) = twofold("http").await;
    let server = async {
        let (mut broken, _) = first.accept().await.unwrap();
        take_request(&mut broken).await;
        reset(broken);
        let (mut other, _) = second.accept().await.unwrap();
        answer(&mut other, OK).await;
    };
    let (reply, ()) = in_time(async { tokio::join!(post(&mut client, &to), server) }).await;
    assert_eq!(reply.answer, Answer::Accepted);
}

#[tokio::test]
async fn when_no_address_works_the_request_ends_after_the_last() {
    let (first, second, mut client, to) = twofold("http").await;
    drop((first, second));
    let error = in_time(send(&mut client, &to))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("cannot connect: connection refused"),
        "{error}"
    );

    let resolver = Resolver::fixed(|_| Ok(Vec::new()));
    let mut client = Client::new(Api::default(), resolver);
    let error = in_time(send(&mut client, &to))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("cannot connect: there is no such name"),
        "{error}"
    );
}
