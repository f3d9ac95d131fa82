//! Answers of the server, and their absence.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use socketman_lab::collector::Mode;

use super::agent::{collector, config, facing, seqs, Agent, DEADLINE};

/// Sets `fault`, appends, waits for the failure, heals, and expects all of it in order and once.
async fn nothing_is_lost_over(fault: Mode, failure: &str) {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    let agent = Agent::start(tmp.path(), config(collector.url("/stats")));
    agent.append(3).await;
    agent.reports_left(0).await;

    collector.set(fault).await.unwrap();
    agent.append(5).await;
    let error = agent.failure().await;
    assert!(error.contains(failure), "{fault:?}: {error}");
    assert_eq!(
        seqs(&collector),
        [1, 2, 3],
        "{fault:?}: nothing is accepted"
    );
    agent.append(2).await;
    agent.reports_left(7).await;

    collector.set(Mode::Up).await.unwrap();
    agent.reports_left(0).await;
    let facts = agent.facts(|facts| facts.last_error.is_none()).await;
    assert!(facts.last_ok.is_some());
    assert_eq!(seqs(&collector), (1..=10).collect::<Vec<_>>(), "{fault:?}");
    agent.stop().await;
}

// Rows 27 and 28: the original deleted what it had sent, and after a 401 collected no more.
#[tokio::test]
async fn whatever_the_api_answers_of_itself_but_2xx_keeps_the_reports() {
    for status in [301, 302, 307, 401, 403, 404, 429, 500, 502, 503, 504] {
        nothing_is_lost_over(Mode::Status(status, None), &format!("answered {status}")).await;
    }
}

#[tokio::test]
async fn a_refused_connection_keeps_the_reports() {
    nothing_is_lost_over(Mode::Down, "cannot connect: connection refused").await;
}

#[tokio::test]
async fn a_web_page_instead_of_an_answer_keeps_the_reports() {
    nothing_is_lost_over(Mode::Page, "answered 200 with a web page").await;
}

#[tokio::test]
async fn a_server_without_tls_behind_an_https_url_keeps_the_reports() {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    let url = collector.url("/").replace("http:", "https:");
    let agent = Agent::start(tmp.path(), config(url));
    agent.append(1).await;
    let error = agent.failure().await;
    // The machine the test runs on may have no root certificates; that is a failure of TLS as well.
    let expected = ["cannot connect: ", "no root certificates in "];
    assert!(expected.iter().any(|text| error.contains(text)), "{error}");
    agent.reports_left(1).await;
    assert_eq!(collector.reports(), []);
    agent.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_not_http_keeps_the_reports() {
    nothing_is_lost_over(Mode::Rubbish, "no valid answer").await;
}

#[tokio::test]
async fn retry_after_is_the_least_that_is_waited() {
    // At this pace 600 s are 2 s, and no wait of the backoff is longer than 34 ms.
    let (_tmp, collector, agent) = facing(Mode::Status(429, Some(600)), 1).await;
    collector
        .wait_for(DEADLINE, |record| record.requests_total == 1)
        .await
        .unwrap();
    let refused = Instant::now();
    let error = agent.failure().await;
    assert!(
        error.ends_with("answered 429, to be asked again in 600 s"),
        "{error}"
    );
    let facts = agent.facts(|facts| facts.next_attempt.is_some()).await;
    assert!(facts.next_attempt > Some(socketman::process::clock::epoch_seconds()));
    collector.set(Mode::Up).await.unwrap();
    agent.reports_left(0).await;
    assert!(
        refused.elapsed() >= Duration::from_millis(1950),
        "{:?}",
        refused.elapsed()
    );
    assert_eq!(collector.record().requests_total, 2);
    agent.stop().await;
}

#[tokio::test]
async fn a_redirect_is_not_followed_to_another_server() {
    let tmp = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let other = collector(tmp.path()).await;
    let location = other.url("/elsewhere");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let mut line = Vec::new();
        lines.read_until(b'\n', &mut line).unwrap();
        let answer =
            format!("HTTP/1.1 307 Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).unwrap();
        // Read to the end, so that the answer is not lost in a reset.
        std::io::copy(&mut lines, &mut std::io::sink()).ok();
    });
    let agent = Agent::start(tmp.path(), config(format!("http://{addr}/")));
    agent.append(1).await;
    let error = agent.failure().await;
    assert_eq!(error, format!("{addr} answered 307, a redirect"));
    agent.stop().await;
    server.join().unwrap();
    assert_eq!(other.record().requests_total, 0);
}
