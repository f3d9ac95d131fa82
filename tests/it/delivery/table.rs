//! The fate of a batch by the server's answer, where the answer is about its contents; and servers
//! that answer as no server should.

use std::time::{Duration, Instant};

use serde_json::Value;
use socketman::process::clock::Pace;
use socketman_lab::collector::{Collector, Mode};
use tokio::time::timeout;

use super::agent::{collector, config, line, seqs, Agent, DEADLINE};

/// Appends reports that are packed into some 700 bytes each.
async fn append(agent: &Agent, count: usize) {
    for _ in 0..count {
        let kept = agent.spool.append(|stamp| line(stamp, 900)).await;
        kept.unwrap().unwrap();
    }
}

/// The reports declared missing, without those that nobody can know of.
fn declared(collector: &Collector) -> Vec<(u64, String)> {
    let lines = collector.lines().unwrap();
    let gaps = lines.iter().flat_map(|line| {
        let report: Value = serde_json::from_str(line).unwrap();
        report["gaps"].as_array().cloned().unwrap_or_default()
    });
    let counted = gaps.filter_map(|gap| {
        let reason = gap["reason"].as_str().unwrap().to_owned();
        Some((gap["count"].as_u64()?, reason))
    });
    counted.collect()
}

fn sorted(collector: &Collector) -> Vec<u64> {
    let mut seqs = seqs(collector);
    seqs.sort_unstable();
    seqs
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_halved_until_it_fits_and_nothing_is_lost() {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    collector.set(Mode::AtMost(5000)).await.unwrap();
    let agent = Agent::start(tmp.path(), config(collector.url("/")));
    append(&agent, 60).await;
    agent.reports_left(0).await;
    assert_eq!(sorted(&collector), (1..=60).collect::<Vec<_>>());
    assert_eq!(declared(&collector), []);
    // It learns: most requests are of a size that is taken.
    let requests = collector.record().requests;
    let refused = requests
        .iter()
        .filter(|request| request.status == Some(413));
    assert!(refused.count() <= requests.len() / 2, "{}", requests.len());
    agent.stop().await;
}

#[tokio::test]
async fn a_report_that_the_api_refuses_is_kept_aside_and_given_up_after_hours_of_evidence() {
    for seq in [1, 5, 10] {
        let tmp = tempfile::tempdir().unwrap();
        let collector = collector(tmp.path()).await;
        collector.set(Mode::Picky(seq)).await.unwrap();
        // Six hours last 6 s.
        let config = config(collector.url("/")).with(|config| config.pace = Pace::faster(3600));
        let agent = Agent::start(tmp.path(), config);
        append(&agent, 10).await;
        agent.reports_left(1).await;
        let begun = Instant::now();
        let mut count = 10;
        while agent.spool.facts().borrow().dropped == 0 {
            append(&agent, 1).await;
            count += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(begun.elapsed() < 2 * DEADLINE, "it is never given up");
        }
        assert!(begun.elapsed() >= Duration::from_millis(5900));
        append(&agent, 1).await;
        agent.reports_left(0).await;
        let expected: Vec<u64> = (1..=count + 1).filter(|other| *other != seq).collect();
        assert_eq!(sorted(&collector), expected);
        assert_eq!(declared(&collector), [(1, "refused".to_owned())]);
        agent.stop().await;
    }
}

#[tokio::test]
async fn while_the_api_accepts_nothing_its_refusals_keep_everything() {
    for status in [400, 413, 422] {
        let tmp = tempfile::tempdir().unwrap();
        let collector = collector(tmp.path()).await;
        collector.set(Mode::Status(status, None)).await.unwrap();
        // Two hours last 2 s.
        let config = config(collector.url("/")).with(|config| config.pace = Pace::faster(3600));
        let agent = Agent::start(tmp.path(), config);
        append(&agent, 10).await;
        let error = agent.failure().await;
        let says = format!(": the server refuses the format ({status})");
        assert!(error.ends_with(&says), "{error}");
        let some = |record: &socketman_lab::collector::Record| record.requests_total > 30;
        collector.wait_for(DEADLINE, some).await.unwrap();
        agent.reports_left(10).await;
        collector.set(Mode::Up).await.unwrap();
        // A report that was refused as the API came back waits for its turn, beside new ones.
        let (begun, mut count) = (Instant::now(), 10);
        let mut facts = agent.spool.facts();
        loop {
            append(&agent, 1).await;
            count += 1;
            let empty = facts.wait_for(|facts| facts.reports == 0);
            if timeout(Duration::from_millis(100), empty).await.is_ok() {
                break;
            }
            assert!(begun.elapsed() < DEADLINE, "reports are left");
        }
        assert_eq!(sorted(&collector), (1..=count).collect::<Vec<_>>());
        assert_eq!(declared(&collector), []);
        agent.stop().await;
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_in_mid_body_keeps_the_reports() {
    keeps_the_reports(Mode::Reset, &["no valid answer", "cannot connect"]).await;
}

#[tokio::test]
async fn a_server_that_redirects_in_a_loop_is_asked_once_each_time() {
    keeps_the_reports(Mode::Redirect, &["answered 302, a redirect"]).await;
}

#[tokio::test]
async fn reports_are_accepted_by_the_head_of_the_answer_however_its_body_ends() {
    for mode in [Mode::Drip, Mode::Huge] {
        let tmp = tempfile::tempdir().unwrap();
        let collector = collector(tmp.path()).await;
        collector.set(mode).await.unwrap();
        let agent = Agent::start(tmp.path(), config(collector.url("/")));
        append(&agent, 3).await;
        agent.reports_left(0).await;
        let facts = agent.facts.borrow().clone();
        assert_eq!(facts.last_error, None, "{mode:?}");
        agent.stop().await;
    }
}

/// Everything is there after `fault` is over; the log names it in one of these words.
async fn keeps_the_reports(fault: Mode, words: &[&str]) {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    collector.set(fault).await.unwrap();
    let agent = Agent::start(tmp.path(), config(collector.url("/")));
    append(&agent, 3).await;
    let mut facts = agent.facts.clone();
    let failed = facts.wait_for(|facts| facts.last_error.is_some());
    let failed = tokio::time::timeout(DEADLINE, failed)
        .await
        .unwrap()
        .unwrap();
    let error = failed.last_error.clone().unwrap();
    drop(failed);
    assert!(words.iter().any(|words| error.contains(words)), "{error}");
    agent.reports_left(3).await;
    assert_eq!(collector.reports(), []);
    collector.set(Mode::Up).await.unwrap();
    agent.reports_left(0).await;
    assert_eq!(sorted(&collector), [1, 2, 3]);
    agent.stop().await;
}
