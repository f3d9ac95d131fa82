//! What becomes of a batch by the answer of the server, where that is about what is in it; and servers
//! that answer as no server should.

use serde_json::Value;
use socketman_lab::collector::{Collector, Mode};

use super::agent::{collector, config, report, seqs, Agent, DEADLINE};

/// Appends reports that are packed into some 700 bytes each.
async fn append(agent: &Agent, count: usize) {
    for _ in 0..count {
        let kept = agent.spool.append(|stamp| report(stamp, 900)).await;
        kept.unwrap().unwrap();
    }
}

/// What the reports declare missing, but for what nobody can know.
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
async fn a_report_that_the_api_refuses_is_set_aside_and_declared_when_others_are_accepted() {
    for seq in [1, 5, 10] {
        let tmp = tempfile::tempdir().unwrap();
        let collector = collector(tmp.path()).await;
        collector.set(Mode::Picky(seq)).await.unwrap();
        let agent = Agent::start(tmp.path(), config(collector.url("/")));
        append(&agent, 10).await;
        agent.reports_left(0).await;
        append(&agent, 1).await;
        agent.reports_left(0).await;
        let expected: Vec<u64> = (1..=11).filter(|other| *other != seq).collect();
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
        let agent = Agent::start(tmp.path(), config(collector.url("/")));
        append(&agent, 10).await;
        let error = agent.failure().await;
        assert!(error.ends_with(&format!("answered {status}")), "{error}");
        let some = |record: &socketman_lab::collector::Record| record.requests_total > 12;
        collector.wait_for(DEADLINE, some).await.unwrap();
        agent.reports_left(10).await;
        collector.set(Mode::Up).await.unwrap();
        agent.reports_left(0).await;
        assert_eq!(sorted(&collector), (1..=10).collect::<Vec<_>>());
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

/// Everything is there after `fault` is over, which is told in one of these words.
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
