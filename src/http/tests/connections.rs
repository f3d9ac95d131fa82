//! Kept connections and new ones.

use super::*;
use crate::closed::Closed;

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let (listener, mut client, to) = site("me:%26pass@", "/a?b=c").await;
    let server = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let asked = answer(&mut socket, OK).await;
        answer(&mut socket, OK).await;
        asked
    };
    let requests = async {
        for _ in 0..2 {
            assert_eq!(post(&mut client, &to).await.answer, Answer::Accepted);
        }
    };
    let (asked, ()) = in_time(async { tokio::join!(server, requests) }).await;
    assert!(asked.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{asked}");
    let asked = asked.to_lowercase();
    // me:&pass
    assert!(
        asked.contains("authorization: basic bwu6jnbhc3m=\r\n"),
        "{asked}"
    );
    let host = format!("host: {}\r\n", listener.local_addr().unwrap());
    assert!(asked.contains(&host), "{asked}");
    assert!(asked.contains("user-agent: socketman/"), "{asked}");
    assert!(asked.contains("content-length: 2\r\n"), "{asked}");
    assert!(!asked.contains("accept-encoding"), "{asked}");
}

/// The server ends the kept connection in its way as the second request arrives.
async fn ended_by(end: fn(TcpStream)) -> (Result<Reply, HttpError>, usize) {
    let (listener, mut client, to) = site("", "/").await;
    let server = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        answer(&mut socket, OK).await;
        take_request(&mut socket).await;
        end(socket);
        let (mut socket, _) = listener.accept().await.unwrap();
        answer(&mut socket, OK).await;
        2
    };
    let requests = async {
        post(&mut client, &to).await;
        send(&mut client, &to).await
    };
    let (connections, sent) = in_time(async { tokio::join!(server, requests) }).await;
    (sent, connections)
}

#[tokio::test]
async fn a_kept_connection_that_the_server_ends_or_resets_is_replaced_by_a_new_one() {
    for end in [drop::<TcpStream>, reset] {
        let (sent, connections) = ended_by(end).await;
        assert_eq!(sent.unwrap().answer, Answer::Accepted);
        assert_eq!(connections, 2);
    }
}

#[tokio::test]
async fn a_kept_connection_is_replaced_once() {
    for end in [drop::<TcpStream>, reset] {
        let (listener, mut client, to) = site("", "/").await;
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            answer(&mut socket, OK).await;
            take_request(&mut socket).await;
            end(socket);
            let (mut socket, _) = listener.accept().await.unwrap();
            take_request(&mut socket).await;
            end(socket);
        };
        let requests = async {
            post(&mut client, &to).await;
            send(&mut client, &to).await.unwrap_err()
        };
        let (error, ()) = in_time(async { tokio::join!(requests, server) }).await;
        let error = error.to_string();
        assert!(error.contains("no valid answer: the server "), "{error}");
    }
}

#[tokio::test]
async fn a_new_connection_without_an_answer_is_an_error_at_once() {
    for end in [drop::<TcpStream>, reset] {
        let (listener, mut client, to) = site("", "/").await;
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            take_request(&mut socket).await;
            end(socket);
        };
        let (sent, ()) = in_time(async { tokio::join!(send(&mut client, &to), server) }).await;
        let error = sent.unwrap_err();
        assert!(!error.is_no_answer_in_time(), "{error}");
        let another = tokio::time::timeout(Duration::from_millis(1), listener.accept()).await;
        assert!(another.is_err(), "a second connection");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_nothing_to_do_ends() {
    let (listener, mut client, to) = site("", "/").await;
    let server = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        answer(&mut socket, OK).await;
        let begun = Instant::now();
        assert_eq!(socket.read(&mut [0]).await.unwrap(), 0);
        begun.elapsed()
    };
    let (idle, _) = tokio::join!(server, post(&mut client, &to));
    assert!((10..=20).contains(&idle.as_secs()), "{idle:?}");
}

#[tokio::test]
async fn no_failure_tells_a_secret() {
    let closed = Closed::new();
    let place = closed.address();
    for place in [
        place.to_string(),
        "name.invalid".to_owned(),
        "[::1]:1".to_owned(),
    ] {
        let api = Api {
            token: Secret::new("t0ken"),
            ..Api::default()
        };
        let url = format!("http://me:pa55@{place}/way?key=s3cret");
        let to = Endpoint::new("stats_url", &url, &api, "m").unwrap();
        let resolver = Resolver::fixed(|_| Err(std::io::Error::other("Try again")));
        let mut client = Client::new(api, resolver);
        let error = in_time(send(&mut client, &to)).await.unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(error.to_string().starts_with(&place), "{told}");
        for secret in ["t0ken", "pa55", "s3cret", "/way", "me:"] {
            assert!(!told.contains(secret), "{told}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_refused_is_told_in_words() {
    let (listener, mut client, to) = site("", "/").await;
    let _closed = Closed::instead_of(listener);
    let error = in_time(send(&mut client, &to)).await.unwrap_err();
    let words = "cannot connect: connection refused; does a server listen on this port?";
    assert_eq!(error.to_string(), format!("{}: {words}", to.host()));
}
