//! Deadlines, in simulated time.

use tokio::time::sleep;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_left_after_the_deadline_of_the_request() {
    for within in [30, 286].map(Duration::from_secs) {
        let (listener, mut client, to) = site("", "/").await;
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            take_request(&mut socket).await;
            socket.read(&mut [0]).await
        };
        let begun = Instant::now();
        let sent = client.send(Method::POST, &to, Body::json("{}"), within);
        let (sent, _) = tokio::join!(sent, server);
        let error = sent.unwrap_err();
        assert!(error.is_no_answer_in_time(), "{error}");
        let words = format!("no answer within {} s", within.as_secs());
        assert!(error.to_string().ends_with(&words), "{error}");
        let late = begun.elapsed() - within;
        assert!(late < Duration::from_millis(10), "{late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_interim_answers_ends_with_the_request_and_lets_others_run() {
    let (listener, mut client, to) = site("", "/").await;
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(50);
    let server = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        take_request(&mut socket).await;
        while socket.write_all(&interim).await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    let mut ticks = 0;
    let ticking = async {
        loop {
            sleep(Duration::from_secs(1)).await;
            ticks += 1;
        }
    };
    let begun = Instant::now();
    let requests = async {
        let error = send(&mut client, &to).await.unwrap_err();
        assert!(error.is_no_answer_in_time(), "{error}");
        begun.elapsed()
    };
    let took = tokio::select! {
        (took, ()) = async { tokio::join!(requests, server) } => took,
        () = ticking => unreachable!("it ticks for ever"),
    };
    assert!(took < WITHIN + Duration::from_millis(10), "{took:?}");
    assert!(ticks >= 29, "{ticks}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_or_never_begins_is_an_answer_all_the_same() {
    for begins in [true, false] {
        let (listener, mut client, to) = site("", "/").await;
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            answer(
                &mut socket,
                "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n",
            )
            .await;
            while !begins || socket.write_all(b"x").await.is_ok() {
                sleep(Duration::from_millis(500)).await;
                if !begins {
                    return socket.read(&mut [0]).await.map(drop);
                }
            }
            Ok(())
        };
        let begun = Instant::now();
        let sent = async {
            let sent = post(&mut client, &to).await;
            (sent, begun.elapsed())
        };
        let ((reply, took), _) = tokio::join!(sent, server);
        assert_eq!(reply.answer, Answer::Accepted);
        assert!(took <= Duration::from_secs(6), "{took:?}");
    }
}
