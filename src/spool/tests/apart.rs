//! Reports that are sent once, each on its own.

use super::*;
use crate::spool::{run, Handle, Reason, Settings};

fn apart(dir: &Path) -> Spool {
    let mut spool = Spool::open(dir, BOOT, LARGE).unwrap();
    spool.apart = true;
    spool
}

fn unsent(from: u64, to: u64, count: u64) -> Gap {
    Gap {
        from: Some(from),
        to: Some(to),
        count,
        reason: Reason::Unsent,
    }
}

#[test]
fn reports_kept_apart_are_batches_of_one_but_for_those_of_before() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("spool");
    let mut spool = Spool::open(&dir, BOOT, LARGE).unwrap();
    spool.append(&report(1, 0)).unwrap();
    spool.append(&report(2, 0)).unwrap();
    drop(spool);
    let mut spool = apart(&dir);
    for at in 3..6 {
        spool.append(&report(at, 0)).unwrap();
    }
    let batches: Vec<_> = (0..5).map(|_| seqs(&deliver(&mut spool, 0))).collect();
    assert_eq!(batches, [vec![1, 2], vec![3], vec![4], vec![5], vec![]]);
}

#[test]
fn what_is_given_up_is_declared_by_the_next_report_and_by_no_other() {
    let tmp = tempfile::tempdir().unwrap();
    let mut spool = apart(&tmp.path().join("spool"));
    for at in 11..14 {
        spool.append(&report(at, 0)).unwrap();
    }
    for _ in 0..2 {
        let id = spool.next_batch(0).unwrap().id;
        spool.given_up(id);
        // The same again means nothing.
        spool.given_up(id);
    }
    assert_eq!((spool.facts().reports, spool.facts().dropped), (1, 2));
    spool.append(&report(14, 0)).unwrap();
    spool.append(&report(15, 0)).unwrap();
    let out = deliver_all(&mut spool);
    assert_eq!(seqs(&out), [3, 4, 5]);
    let gaps: Vec<_> = out.into_iter().map(|report| report.gaps).collect();
    assert_eq!(gaps, [vec![], vec![unsent(11, 12, 2)], vec![]]);
    assert_eq!(
        std::fs::read_dir(tmp.path().join("spool")).unwrap().count(),
        1
    );
}

#[test]
fn a_gap_in_what_is_given_up_is_declared_again() {
    let tmp = tempfile::tempdir().unwrap();
    let mut spool = apart(&tmp.path().join("spool"));
    for at in 1..4 {
        spool.append(&report(at, 0)).unwrap();
        let id = spool.next_batch(0).unwrap().id;
        spool.given_up(id);
    }
    spool.append(&report(4, 0)).unwrap();
    assert_eq!(deliver_all(&mut spool)[0].gaps, [unsent(1, 3, 3)]);
}

#[test]
fn what_was_given_up_and_not_declared_is_in_the_queue_after_a_kill() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("spool");
    let mut spool = apart(&dir);
    spool.append(&report(1, 0)).unwrap();
    let id = spool.next_batch(0).unwrap().id;
    spool.given_up(id);
    assert_eq!(spool.facts().reports, 0);
    drop(spool);
    let mut spool = apart(&dir);
    spool.append(&report(2, 0)).unwrap();
    let out = deliver_all(&mut spool);
    assert_eq!(seqs(&out), [1, 2]);
    assert!(out.iter().all(|report| report.gaps.is_empty()));
}

#[test]
fn what_the_disk_does_not_let_go_stays_in_the_queue() {
    let tmp = tempfile::tempdir().unwrap();
    let disk = Faulty::new(&tmp.path().join("spool"));
    let mut spool = Spool::on(disk.clone(), BOOT, LARGE).unwrap();
    spool.apart = true;
    spool.append(&report(1, 0)).unwrap();
    let id = spool.next_batch(0).unwrap().id;
    *disk.faults.borrow_mut() = Faults {
        after: Some(0),
        for_good: true,
        ..Faults::default()
    };
    spool.given_up(id);
    assert_eq!((spool.facts().reports, spool.facts().dropped), (1, 0));
    *disk.faults.borrow_mut() = Faults::default();
    assert_eq!(seqs(&deliver_all(&mut spool)), [1]);
}

#[tokio::test]
async fn reports_are_kept_apart_from_the_moment_that_is_wanted_until_it_is_not() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("spool");
    let (spool, inbox) = Handle::new();
    let settings = Settings {
        dir: dir.clone(),
        boot_id: BOOT.to_owned(),
        max: LARGE,
        apart: false,
    };
    tokio::spawn(run(settings, inbox));
    for (at, apart) in [(1, false), (2, false), (3, true), (4, true), (5, false)] {
        spool.settle(dir.clone(), LARGE, apart).await.unwrap();
        spool.append(report(at, 0)).await.unwrap().unwrap();
    }
    // It holds in another place too.
    let second = tmp.path().join("second");
    for at in 6..8 {
        spool.settle(second.clone(), LARGE, true).await.unwrap();
        spool.append(report(at, 0)).await.unwrap().unwrap();
    }
    let mut batches = Vec::new();
    while let Some(batch) = spool.next_batch(0).await.unwrap() {
        batches.push(seqs(&arrived(&batch.lines)));
        spool.delivered(batch.id).await.unwrap();
    }
    assert_eq!(batches, [vec![1, 2], vec![3], vec![4, 5], vec![6], vec![7]]);
}
