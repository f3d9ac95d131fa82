//! Reports that are taken while nobody knows the time.

use std::path::Path;

use serde_json::Value;
use socketman::clock::{epoch_seconds, Clock};

use super::agent::{collector, config, Agent};

const TEN_YEARS: i64 = 3652 * 86_400;

fn set(file: &Path, offset: i64, synced: bool) {
    std::fs::write(file, format!("{offset} {}\n", u8::from(synced))).unwrap();
}

#[tokio::test]
async fn reports_of_a_wrong_clock_wait_and_go_out_with_the_right_time() {
    for offset in [-TEN_YEARS, TEN_YEARS] {
        let tmp = tempfile::tempdir().unwrap();
        let file = tmp.path().join("clock");
        set(&file, offset, false);
        let collector = collector(tmp.path()).await;
        let clock = Clock::new(Some(file.clone()));
        let agent = Agent::start_by(tmp.path(), config(collector.url("/")), clock);
        agent.append(3).await;
        let outcome = agent.deliveries.deliver().await.unwrap();
        assert_eq!((outcome.accepted, outcome.error), (0, None), "they wait");
        agent.reports_left(3).await;

        set(&file, 0, true);
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
    set(&file, TEN_YEARS, true);
    let collector = collector(tmp.path()).await;
    let clock = Clock::new(Some(file.clone()));
    let agent = Agent::start_by(tmp.path(), config(collector.url("/")), clock);
    agent.append(1).await;
    agent.reports_left(0).await;
    set(&file, TEN_YEARS, false);
    agent.append(2).await;
    let outcome = agent.deliveries.deliver().await.unwrap();
    assert_eq!(outcome.accepted, 0);
    // Near enough to what the server said, whatever the kernel says.
    set(&file, 1800, false);
    agent.append(1).await;
    agent.reports_left(0).await;
    agent.stop().await;
}
