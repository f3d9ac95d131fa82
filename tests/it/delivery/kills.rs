//! Ends in the middle of a delivery.

use std::io::Write;
use std::time::Duration;

use socketman_lab::collector::Mode;

use super::agent::{collector, config, facing, seqs, Agent, BOOT, DEADLINE};

// Row 30.
#[tokio::test]
async fn an_api_that_is_slow_to_answer_gets_each_report_under_one_identity() {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    // Longer than the original waited, shorter than we do.
    collector
        .set(Mode::Slow(Duration::from_secs(8)))
        .await
        .unwrap();
    let agent = Agent::start(tmp.path(), config(collector.url("/")));
    agent.append(2).await;
    agent.reports_left(0).await;
    assert_eq!(seqs(&collector), [1, 2], "sent once");

    // Cut off after it was stored, before it was answered: it comes again, and can be told.
    agent.append(1).await;
    collector
        .wait_for(DEADLINE, |record| record.reports.len() == 3)
        .await
        .unwrap();
    collector.set(Mode::Up).await.unwrap();
    agent.reports_left(0).await;
    let record = collector.record();
    assert_eq!(seqs(&collector), [1, 2, 3, 3]);
    assert_eq!(
        record
            .duplicates()
            .iter()
            .map(|id| id.seq)
            .collect::<Vec<_>>(),
        [3]
    );
    assert_eq!(record.missing(), []);
    let lines = collector.lines().unwrap();
    assert_eq!(lines[2], lines[3], "the same identity is the same report");
    agent.stop().await;
}

#[tokio::test]
async fn a_kill_during_a_delivery_loses_nothing_and_repeats_under_the_same_identity() {
    let (tmp, collector, agent) = facing(Mode::Slow(Duration::from_secs(600)), 4).await;
    collector
        .wait_for(DEADLINE, |record| !record.reports.is_empty())
        .await
        .unwrap();
    agent.kill().await;

    // The kill came in the middle of a write, too.
    let tail = std::fs::read_dir(tmp.path().join("spool")).unwrap();
    let tail = tail.map(|file| file.unwrap().path()).max().unwrap();
    let mut tail = std::fs::OpenOptions::new().append(true).open(tail).unwrap();
    tail.write_all(b"{\"device\":{\"created").unwrap();

    collector.set(Mode::Up).await.unwrap();
    let agent = Agent::start(tmp.path(), config(collector.url("/")));
    agent.append(2).await;
    agent.reports_left(0).await;
    let record = collector.record();
    assert_eq!(record.missing(), []);
    let mut distinct = seqs(&collector);
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct, [1, 2, 3, 4, 5, 6]);
    agent.stop().await;
}

#[tokio::test]
async fn stopping_gives_up_an_attempt_at_once_and_keeps_its_reports() {
    let (tmp, collector, agent) = facing(Mode::Slow(Duration::from_secs(600)), 1).await;
    collector
        .wait_for(DEADLINE, |record| record.requests_total == 1)
        .await
        .unwrap();
    let stopping = tokio::time::timeout(Duration::from_secs(5), agent.stop());
    stopping.await.expect("it does not wait for the answer");
    let bounds = spool::Bounds {
        ram: 1 << 20,
        flash: 0,
        flash_daily: 0,
    };
    let spool = spool::Spool::open(&tmp.path().join("spool"), BOOT, bounds).unwrap();
    assert_eq!(spool.facts().reports, 1);
}
