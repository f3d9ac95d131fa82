//! The requests that are sent, and their addresses.

use socketman::config::Secret;
use socketman_lab::collector::{Mode, Request};
use spool::{Certainty, Gap, Stamp};

use super::agent::{self, collector, config, Agent, BOOT};

// Row 25: the original padded its body with NULs and declared a form as gzip.
#[tokio::test]
async fn a_post_is_exact_ndjson_in_one_gzip_member_and_says_so_only_where_it_is_true() {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    let agent = Agent::start(tmp.path(), config(collector.url("/api/stats?site=7")));
    agent.append(2).await;
    agent.reports_left(0).await;

    // The collector refuses anything but one member of whole lines in one part named data.
    let lines = collector.lines().unwrap();
    assert_eq!(lines.len(), 2);
    for (line, seq) in lines.iter().zip(1..) {
        let sent: serde_json::Value = serde_json::from_str(line).unwrap();
        let expected = agent::line(
            &Stamp {
                boot_id: BOOT,
                seq,
                created_at: sent["device"]["created_at"].as_u64().unwrap(),
                clock: Certainty::Ok,
                // This machine may have been cut off; nobody can know.
                gaps: &serde_json::from_value::<Vec<Gap>>(sent["gaps"].clone()).unwrap_or_default(),
            },
            0,
        );
        assert_eq!(line.as_bytes(), expected);
    }

    let Request {
        method,
        path,
        query,
        part_headers,
        ..
    } = &collector.record().requests[0];
    assert_eq!((method.as_str(), path.as_str()), ("POST", "/api/stats"));
    assert_eq!(
        query.as_deref(),
        Some("site=7&access_token=t0p%26secret%3D%3F%23&mac=0A%3A1B%3A2C%3A3D%3A4E%3A5F")
    );
    let request = &collector.record().requests[0];
    assert!(request
        .header("content-type")
        .unwrap()
        .starts_with("multipart/form-data; boundary="));
    assert_eq!(request.header("content-encoding"), None);
    assert!(
        request.header("content-length").is_some(),
        "no chunks: old servers know none"
    );
    assert_eq!(request.header("transfer-encoding"), None);
    assert_eq!(
        part_headers[0],
        (
            "content-disposition".to_owned(),
            "form-data; name=\"data\"; filename=\"archive.gz\"".to_owned()
        )
    );
    assert_eq!(part_headers.len(), 2, "{part_headers:?}");
    assert_eq!(part_headers[1].1, "application/octet-stream");
    agent.stop().await;
}

#[tokio::test]
async fn a_backlog_of_any_size_arrives_whole_in_order_in_bounded_batches() {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    collector.set(Mode::Down).await.unwrap();
    let agent = Agent::start(tmp.path(), config(collector.url("/")));
    for _ in 0..800 {
        agent
            .spool
            .append(|stamp| agent::line(stamp, 1000))
            .await
            .unwrap()
            .unwrap();
    }
    collector.set(Mode::Up).await.unwrap();
    agent.reports_left(0).await;
    let requests = collector.record().requests;
    assert!(requests.len() > 4, "{}", requests.len());
    // The newest went ahead.
    assert_eq!(requests[0].reports.len(), 1);
    assert_eq!(requests[0].reports[0].seq, 800);
    let in_turn: Vec<u64> = requests[1..]
        .iter()
        .flat_map(|request| request.reports.iter().map(|id| id.seq))
        .collect();
    assert_eq!(in_turn, (1..800).collect::<Vec<_>>());
    agent.stop().await;
}

#[tokio::test]
async fn the_token_goes_to_the_api_and_nowhere_else() {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    let own_query = "own=hidden-value";
    for fault in [
        Mode::Down,
        Mode::Rubbish,
        Mode::Page,
        Mode::Status(302, None),
    ] {
        collector.set(fault).await.unwrap();
        let url = collector.url(&format!("/hidden-path?{own_query}"));
        let agent = Agent::start(tmp.path(), config(url));
        agent.append(1).await;
        let error = agent.failure().await;
        let facts = serde_json::to_string(&*agent.facts.borrow()).unwrap();
        for secret in ["t0p", "secret", "access_token", "hidden"] {
            assert!(
                !error.contains(secret) && !facts.contains(secret),
                "{error} {facts}"
            );
        }
        assert!(error.contains(&collector.addr().to_string()), "{error}");
        agent.stop().await;
    }
}

#[tokio::test]
async fn without_a_token_the_url_is_used_as_it_is() {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    let mut config = config(collector.url("/stats"));
    config.api.token = Secret::default();
    let agent = Agent::start(tmp.path(), config);
    agent.append(1).await;
    agent.reports_left(0).await;
    assert_eq!(collector.record().requests[0].query, None);
    agent.stop().await;
}

#[tokio::test]
async fn without_a_usable_stats_url_nothing_is_sent_and_the_facts_say_why() {
    for (url, why) in [
        ("", "stats_url is not set"),
        (
            "ftp://example.net/?x=secret",
            "'stats_url' is not an http or https URL",
        ),
        ("::", "'stats_url' is not an http or https URL"),
    ] {
        let tmp = tempfile::tempdir().unwrap();
        let agent = Agent::start(tmp.path(), config(url.to_owned()));
        agent.append(1).await;
        assert_eq!(agent.failure().await, why);
        agent.reports_left(1).await;
        agent.stop().await;
    }
}
