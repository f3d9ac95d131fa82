//! A spool that moves to another directory.

use super::*;
use crate::spool::{run, Handle, Settings};

fn seqs(spool: &mut Spool<Directory>) -> Vec<u64> {
    let mut seqs = Vec::new();
    while let Some(batch) = spool.next_batch(LARGE) {
        seqs.extend(arrived(&batch.lines).iter().map(|report| report.seq));
        spool.delivered(batch.id);
    }
    seqs
}

#[test]
fn a_spool_that_moves_takes_every_report_along_and_counts_on() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let mut old = Spool::open(&from, BOOT, LARGE).unwrap();
    for at in 1..=5 {
        old.append(&report(at, 20_000)).unwrap();
    }
    let given_out = old.next_batch(LARGE).unwrap();
    let mut new = Spool::open(&to, BOOT, LARGE).unwrap();
    new.take_over(&mut old).unwrap();
    new.append(&report(6, 10)).unwrap();
    assert_eq!(new.facts().reports, 6);
    // Nobody knows any more what that batch was.
    new.delivered(given_out.id);
    assert_eq!(new.facts().reports, 6);
    assert_eq!(std::fs::read_dir(&from).unwrap().count(), 0);
    drop(new);

    let mut again = Spool::open(&to, BOOT, LARGE).unwrap();
    assert_eq!(seqs(&mut again), [1, 2, 3, 4, 5, 6]);
    drop(again);
    let mut empty = Spool::open(&to, BOOT, LARGE).unwrap();
    empty.append(&report(7, 10)).unwrap();
    assert_eq!(seqs(&mut empty), [7]);
}

#[test]
fn an_empty_spool_that_moves_counts_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut old = Spool::open(&dir.path().join("from"), BOOT, LARGE).unwrap();
    old.append(&report(1, 10)).unwrap();
    assert_eq!(seqs(&mut old), [1]);
    let mut new = Spool::open(&dir.path().join("to"), BOOT, LARGE).unwrap();
    new.take_over(&mut old).unwrap();
    drop(new);
    let mut new = Spool::open(&dir.path().join("to"), BOOT, LARGE).unwrap();
    new.append(&report(2, 10)).unwrap();
    assert_eq!(seqs(&mut new), [2]);
}

#[test]
fn what_lies_at_the_new_place_already_stays_and_comes_first() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("to");
    let mut earlier = Spool::open(&to, "an-earlier-boot", LARGE).unwrap();
    earlier.append(&report(1, 10)).unwrap();
    drop(earlier);
    let mut old = Spool::open(&dir.path().join("from"), BOOT, LARGE).unwrap();
    old.append(&report(2, 10)).unwrap();
    let mut new = Spool::open(&to, BOOT, LARGE).unwrap();
    new.take_over(&mut old).unwrap();
    let batch = new.next_batch(LARGE).unwrap();
    let boots: Vec<_> = arrived(&batch.lines)
        .into_iter()
        .map(|r| r.boot_id)
        .collect();
    assert_eq!(boots, ["an-earlier-boot", BOOT]);
}

#[tokio::test]
async fn a_new_bound_and_a_new_place_hold_at_once_and_a_wrong_place_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    let in_the_way = dir.path().join("file");
    std::fs::write(&in_the_way, "").unwrap();
    let (spool, inbox) = Handle::new();
    let settings = Settings {
        dir: first.clone(),
        boot_id: BOOT.to_owned(),
        max: LARGE,
        apart: false,
    };
    let task = tokio::spawn(run(settings, inbox));
    for at in 1..=10 {
        spool.append(report(at, 10_000)).await.unwrap().unwrap();
    }
    spool
        .settle(in_the_way.clone(), LARGE, false)
        .await
        .unwrap();
    spool.append(report(11, 10_000)).await.unwrap().unwrap();
    let facts = spool.facts().borrow().clone();
    assert_eq!((facts.reports, facts.dropped), (11, 0));
    let error = facts.last_error.unwrap();
    assert!(
        error.contains("file") && error.ends_with("first stays in use"),
        "{error}"
    );

    spool.settle(second, 60_000, false).await.unwrap();
    spool.append(report(12, 10_000)).await.unwrap().unwrap();
    let facts = spool.facts().borrow().clone();
    assert_eq!(facts.last_error, None);
    assert!(facts.bytes <= 60_000 && facts.dropped > 0, "{facts:?}");
    assert_eq!(facts.reports + facts.dropped, 12);
    assert_eq!(std::fs::read_dir(first).unwrap().count(), 0);
    drop(spool);
    task.await.unwrap();
}
