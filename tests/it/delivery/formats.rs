//! Other ways to send: `upload_format`, `api_auth`, `no-cache`.

use std::time::Duration;

use serde_json::Value;
use socketman::config::{ApiAuth, Config, UploadFormat};
use socketman_lab::collector::{Collector, Mode};
use tempfile::TempDir;

use super::agent::{collector, config, seqs, Agent, MAC, TOKEN};

/// An agent whose settings are changed so, and its collector.
async fn with(path: &str, change: impl FnOnce(&mut Config)) -> (TempDir, Collector, Agent) {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    let mut config = config(collector.url(path));
    change(&mut config);
    let agent = Agent::start(tmp.path(), config);
    (tmp, collector, agent)
}

#[tokio::test]
async fn ndjson_is_gzip_as_such_and_says_so() {
    let ndjson = |config: &mut Config| config.upload.format = UploadFormat::Ndjson;
    let (_tmp, collector, agent) = with("/stats", ndjson).await;
    agent.append(3).await;
    agent.reports_left(0).await;
    // The collector refuses anything but one gzip member of whole lines.
    assert_eq!(seqs(&collector), [1, 2, 3]);
    let request = &collector.record().requests[0];
    assert_eq!(request.method, "POST");
    assert_eq!(request.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(request.header("content-encoding"), Some("gzip"));
    assert!(request.header("content-length").is_some());
    agent.stop().await;
}

#[tokio::test]
async fn a_bearer_token_goes_in_the_header_and_the_mac_stays_in_the_query() {
    let bearer = |config: &mut Config| config.api.auth = ApiAuth::Bearer;
    let (_tmp, collector, agent) = with("/stats?site=7", bearer).await;
    agent.append(1).await;
    agent.reports_left(0).await;
    let request = &collector.record().requests[0];
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(request.header("authorization"), Some(bearer.as_str()));
    let mac = MAC.replace(':', "%3A");
    assert_eq!(request.query, Some(format!("site=7&mac={mac}")));
    agent.stop().await;
}

#[tokio::test]
async fn without_cache_each_report_is_posted_at_once_as_a_plain_object() {
    let at_once = |config: &mut Config| {
        config.upload.no_cache = true;
        // Nothing waits for a heartbeat.
        config.upload.heartbeat = Duration::from_secs(1_000_000);
    };
    let (_tmp, collector, agent) = with("/stats", at_once).await;
    agent.append(3).await;
    agent.reports_left(0).await;
    let requests = collector.record().requests;
    assert_eq!(requests.len(), 3);
    for (request, seq) in requests.iter().zip(1..) {
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("content-encoding"), None);
        assert_eq!(request.reports[0].seq, seq);
    }
    agent.stop().await;
}

/// The reports that the collector has: seq and gaps of each.
fn arrived(lines: &[String]) -> Vec<(u64, Value)> {
    let report = |line: &String| {
        let report: Value = serde_json::from_str(line).unwrap();
        let seq = report["device"]["seq"].as_u64().unwrap();
        (seq, report["gaps"].clone())
    };
    lines.iter().map(report).collect()
}

// Row 31.
#[tokio::test]
async fn without_cache_a_report_that_cannot_be_sent_is_declared_as_a_gap() {
    for fault in [
        Mode::Down,
        Mode::Status(500, None),
        Mode::Status(401, None),
        Mode::Page,
    ] {
        let (_tmp, collector, agent) = with("/stats", |config| config.upload.no_cache = true).await;
        agent.append(1).await;
        agent.reports_left(0).await;

        collector.set(fault).await.unwrap();
        for dropped in 1..=2 {
            agent.append(1).await;
            agent.dropped(dropped).await;
        }
        agent.failure().await;
        agent.reports_left(0).await;

        collector.set(Mode::Up).await.unwrap();
        agent.append(2).await;
        agent.reports_left(0).await;
        let [first, fourth, fifth] = arrived(&collector.lines().unwrap()).try_into().unwrap();
        assert_eq!([first.0, fourth.0, fifth.0], [1, 4, 5], "{fault:?}");
        assert_eq!(fifth.1, Value::Null);
        let gap = &fourth.1[0];
        let unsent = (gap["count"].as_u64(), gap["reason"].as_str());
        assert_eq!(unsent, (Some(2), Some("unsent")), "{fault:?}: {gap}");
        let between = gap["from"].as_u64().unwrap()..=gap["to"].as_u64().unwrap();
        let now = socketman::process::clock::epoch_seconds();
        assert!(now - between.start() < 60 && now >= *between.end(), "{gap}");
        assert_eq!(agent.facts.borrow().last_error, None);
        agent.stop().await;
    }
}

#[tokio::test]
async fn without_cache_a_server_that_asks_for_a_pause_gets_it() {
    let (_tmp, collector, agent) = with("/stats", |config| config.upload.no_cache = true).await;
    // At this pace an hour is 12 s.
    collector.set(Mode::Status(503, Some(3600))).await.unwrap();
    for dropped in 1..=3 {
        agent.append(1).await;
        agent.dropped(dropped).await;
    }
    assert_eq!(collector.record().requests_total, 1);
    agent.stop().await;
}

#[tokio::test]
async fn what_was_kept_before_no_cache_was_set_arrives_too() {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    let agent = Agent::start(tmp.path(), config(String::new()));
    agent.append(3).await;
    agent.reports_left(3).await;
    agent.stop().await;
    let mut config = config(collector.url("/stats"));
    config.upload.no_cache = true;
    let agent = Agent::start(tmp.path(), config);
    agent.append(1).await;
    agent.reports_left(0).await;
    assert_eq!(seqs(&collector), [1, 2, 3, 4]);
    agent.stop().await;
}
