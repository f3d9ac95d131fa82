//! Reports that are taken while nobody knows the time.

use serde_json::Value;
use socketman::config::ApiAuth;
use socketman::process::clock::{epoch_seconds, Clock};
use socketman_lab::collector::{Collector, Mode};

use super::agent::{collector, config, set_clock, Agent};

const TEN_YEARS: i64 = 3652 * 86_400;

/// The clock member of each report that arrived.
fn clocks(collector: &Collector) -> Vec<String> {
    let lines = collector.lines().unwrap();
    let clock = |line: &String| {
        let report: Value = serde_json::from_str(line).unwrap();
        report["device"]["clock"].as_str().unwrap().to_owned()
    };
    lines.iter().map(clock).collect()
}

#[tokio::test]
async fn reports_of_a_wrong_clock_wait_and_go_out_with_the_right_time() {
    for offset in [-TEN_YEARS, TEN_YEARS] {
        let tmp = tempfile::tempdir().unwrap();
        let file = tmp.path().join("clock");
        set_clock(&file, offset, false);
        let collector = collector(tmp.path()).await;
        let clock = Clock::new(Some(file.clone()));
        let agent = Agent::start_by(tmp.path(), config(collector.url("/")), clock);
        agent.append(3).await;
        let outcome = agent.deliveries.deliver().await.unwrap();
        assert_eq!((outcome.accepted, outcome.error), (0, None), "they wait");
        agent.reports_left(3).await;

        set_clock(&file, 0, true);
        agent.append(1).await;
        agent.reports_left(0).await;
        let now = epoch_seconds();
        let clocks = ["restamped", "restamped", "restamped", "ok"];
        let lines = collector.lines().unwrap();
        assert_eq!(lines.len(), clocks.len());
        for ((line, clock), seq) in lines.iter().zip(clocks).zip(1..) {
            let report: Value = serde_json::from_str(line).unwrap();
            let device = &report["device"];
            assert_eq!(
                (&device["clock"], &device["seq"]),
                (&clock.into(), &seq.into())
            );
            let at = device["created_at"].as_u64().unwrap();
            assert!(at.abs_diff(now) < 60, "{offset}: {line}");
        }
        agent.stop().await;
    }
}

#[tokio::test]
async fn the_server_tells_that_a_clock_is_wrong() {
    let tmp = tempfile::tempdir().unwrap();
    let file = tmp.path().join("clock");
    // It seems to be right until the server says what time it is.
    set_clock(&file, TEN_YEARS, true);
    let collector = collector(tmp.path()).await;
    let clock = Clock::new(Some(file.clone()));
    let agent = Agent::start_by(tmp.path(), config(collector.url("/")), clock);
    agent.append(1).await;
    agent.reports_left(0).await;
    set_clock(&file, TEN_YEARS, false);
    agent.append(2).await;
    let outcome = agent.deliveries.deliver().await.unwrap();
    assert_eq!(outcome.accepted, 0);
    // Near enough to what the server said, whatever the kernel says.
    set_clock(&file, 1800, false);
    agent.append(1).await;
    agent.reports_left(0).await;
    agent.stop().await;
}

#[tokio::test]
async fn no_date_makes_a_clock_wrong_that_the_kernel_says_is_synchronised() {
    for date in [
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ] {
        let tmp = tempfile::tempdir().unwrap();
        let collector = collector(tmp.path()).await;
        collector.set(Mode::Dated(date)).await.unwrap();
        let agent = Agent::start(tmp.path(), config(collector.url("/")));
        for _ in 0..3 {
            agent.append(1).await;
            agent.reports_left(0).await;
        }
        assert_eq!(clocks(&collector), ["ok"; 3], "{date}");
        agent.stop().await;
    }
}

#[tokio::test]
async fn where_https_is_set_a_date_over_http_makes_no_clock_right() {
    let tmp = tempfile::tempdir().unwrap();
    let file = tmp.path().join("clock");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let collector = collector(tmp.path()).await;
    let mut config = config(format!("https://{address}/"));
    config.upload.backup_url = collector.url("/").into();
    set_clock(&file, 0, true);
    let agent = Agent::start_by(tmp.path(), config, Clock::new(Some(file.clone())));
    agent.append(1).await;
    agent.reports_left(0).await;
    // The date of that answer was right, and yet anybody could have given it.
    set_clock(&file, 0, false);
    agent.append(2).await;
    let outcome = agent.deliveries.deliver().await.unwrap();
    assert_eq!(outcome.accepted, 0, "they wait");
    let error = outcome.error.unwrap();
    assert!(error.contains("connection refused"), "{error}");
    agent.reports_left(2).await;
    set_clock(&file, 0, true);
    agent.append(1).await;
    agent.reports_left(0).await;
    let expected = ["ok", "restamped", "restamped", "ok"];
    assert_eq!(clocks(&collector), expected);
    agent.stop().await;
}

#[tokio::test]
async fn before_an_answer_no_clock_is_right_because_it_looks_like_one() {
    let tmp = tempfile::tempdir().unwrap();
    let file = tmp.path().join("clock");
    set_clock(&file, -86_400, false);
    let collector = collector(tmp.path()).await;
    let clock = Clock::new(Some(file));
    let agent = Agent::start_by(tmp.path(), config(collector.url("/")), clock);
    agent.append(1).await;
    for _ in 0..3 {
        let outcome = agent.deliveries.deliver().await.unwrap();
        assert_eq!((outcome.accepted, outcome.error), (0, None), "it waits");
    }
    assert_eq!(collector.record().requests_total, 1, "asked once");
    agent.stop().await;
}

#[tokio::test]
async fn a_clock_that_nobody_keeps_is_right_as_soon_as_the_server_agrees_with_it() {
    for no_cache in [false, true] {
        let tmp = tempfile::tempdir().unwrap();
        let file = tmp.path().join("clock");
        set_clock(&file, 0, false);
        let collector = collector(tmp.path()).await;
        let mut config = config(collector.url("/stats?key=secret"));
        config.upload.no_cache = no_cache;
        config.api.auth = ApiAuth::Bearer;
        let agent = Agent::start_by(tmp.path(), config, Clock::new(Some(file)));
        // Without an answer they would wait for 10 min.
        for _ in 0..2 {
            agent.append(1).await;
            agent.reports_left(0).await;
        }
        assert_eq!(clocks(&collector), ["restamped", "ok"], "{no_cache}");
        let requests = collector.record().requests;
        let methods: Vec<_> = requests.iter().map(|it| it.method.as_str()).collect();
        assert_eq!(methods, ["HEAD", "POST", "POST"]);
        assert_eq!(
            (requests[0].path.as_str(), &requests[0].query),
            ("/stats", &None)
        );
        assert_eq!(requests[0].header("authorization"), None);
        assert!(requests[1].header("authorization").is_some());
        agent.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_does_not_say_what_time_it_is_is_asked_once() {
    let tmp = tempfile::tempdir().unwrap();
    let file = tmp.path().join("clock");
    set_clock(&file, 0, false);
    let collector = collector(tmp.path()).await;
    collector.set(Mode::Dated("")).await.unwrap();
    let agent = Agent::start_by(
        tmp.path(),
        config(collector.url("/")),
        Clock::new(Some(file)),
    );
    agent.append(1).await;
    for _ in 0..3 {
        let outcome = agent.deliveries.deliver().await.unwrap();
        assert_eq!((outcome.accepted, outcome.error), (0, None), "it waits");
    }
    assert_eq!(collector.record().requests_total, 1);
    agent.stop().await;
}
