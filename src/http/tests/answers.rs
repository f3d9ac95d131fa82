//! Answers that are odd, and what counts of them.

use super::*;

/// The outcome of a request that is answered with `text`, and then the end of the connection.
async fn answered(text: &str) -> Result<Reply, HttpError> {
    let (listener, mut client, to) = site("", "/").await;
    let server = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        answer(&mut socket, text).await;
        // The client may have seen enough before the end.
        let _ = socket.shutdown().await;
        let _ = socket.read(&mut [0]).await;
    };
    in_time(async { tokio::join!(send(&mut client, &to), server).0 }).await
}

async fn judged(text: &str) -> Answer {
    match answered(text).await {
        Ok(reply) => reply.answer,
        Err(error) => panic!("{text}: {error}"),
    }
}

#[tokio::test]
async fn how_a_body_ends_decides_nothing() {
    let json = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let long = "x".repeat(70_000);
    for text in [
        format!("{json}content-length: 70000\r\n\r\n{long}"),
        format!("{json}content-length: 70000\r\n\r\n{{}}"),
        format!("{json}content-length: 70000\r\n\r\n"),
        format!("{json}transfer-encoding: chunked\r\n\r\n5\r\n{{}}"),
        format!("{json}transfer-encoding: chunked\r\n\r\nzzz\r\n"),
        "HTTP/1.0 200 OK\r\n\r\n{\"ok\":1}".to_owned(),
        "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
    ] {
        assert_eq!(judged(&text).await, Answer::Accepted, "{text}");
    }
    let page = format!("HTTP/1.1 200 OK\r\ncontent-length: 70000\r\n\r\n \n<html>{long}");
    assert_eq!(judged(&page).await, Answer::Page { status: 200 });
}

#[tokio::test]
async fn a_sloppy_head_is_read() {
    let many: String = (0..120).map(|n| format!("x-{n}: 1\r\n")).collect();
    for lines in [
        "x-folded: a\r\n b\r\n",
        "server : x\r\n",
        "a line without a colon\r\n",
        "x-bad\u{1}name: 1\r\n",
        &many,
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{lines}content-length: 2\r\n\r\nok");
        assert_eq!(judged(&text).await, Answer::Accepted, "{lines}");
    }
    let bare = "HTTP/1.1 200 OK\ncontent-length: 2\n\nok";
    assert_eq!(judged(bare).await, Answer::Accepted);
}

#[tokio::test]
async fn what_is_not_http_is_no_answer_and_told_in_words() {
    for text in [
        "SSH-2.0-dropbear\r\n",
        "200 OK\r\n\r\n",
        "\u{15}\u{3}\u{3}\0\u{2}\u{2}(",
    ] {
        let error = answered(text).await.unwrap_err().to_string();
        assert!(error.contains("no valid answer: it is not HTTP"), "{error}");
    }
    let error = answered("HTTP/1.1 20").await.unwrap_err().to_string();
    assert!(error.ends_with("the server ends the connection"), "{error}");
}

#[tokio::test]
async fn a_date_to_come_back_at_is_read_by_the_date_of_the_answer() {
    let text = "HTTP/1.1 503 Busy\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                retry-after: Sun, 06 Nov 1994 08:50:17 GMT\r\ncontent-length: 0\r\n\r\n";
    let reply = answered(text).await.unwrap();
    assert_eq!(reply.answer.asked_wait(), Duration::from_secs(40));
    assert_eq!(reply.date, Some(784_111_777));
}

#[tokio::test]
async fn an_answer_that_does_not_wait_for_the_body_counts() {
    let (listener, mut client, to) = site("", "/").await;
    let server = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut begun = Vec::new();
        while !begun.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
            assert!(socket.read_buf(&mut begun).await.unwrap() > 0);
        }
        let text = b"HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        socket.write_all(text).await.unwrap();
        socket.shutdown().await.unwrap();
        while socket
            .read(&mut [0; 4096])
            .await
            .is_ok_and(|count| count > 0)
        {}
    };
    let body = Body::json(vec![b' '; 1 << 20]);
    let sent = client.send(Method::POST, &to, body, WITHIN);
    let sent = in_time(async { tokio::join!(sent, server).0 }).await;
    assert_eq!(sent.unwrap().answer, Answer::Refused { status: 413 });
}
