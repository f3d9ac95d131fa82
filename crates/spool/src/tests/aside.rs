//! Reports that a server refuses, and the others.

use super::*;
use crate::ReportId;

/// A spool with reports 1 to 9, of which these are set aside.
fn without(refused: &[u64]) -> (tempfile::TempDir, Spool, Vec<ReportId>) {
    let tmp = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&tmp.path().join("spool"), BOOT, LARGE).unwrap();
    for n in 1..10 {
        spool.append(&report(50), after(15 * n)).unwrap();
    }
    let mut aside = Vec::new();
    for &seq in refused {
        let report = ReportId::new(BOOT, seq);
        let batch = spool.alone(&report, after(200)).unwrap();
        assert_eq!((batch.reports, &batch.first), (1, &report));
        assert_eq!(seqs(&arrived(&batch)), [seq]);
        spool.set_aside(batch.id);
        aside.push(report);
    }
    (tmp, spool, aside)
}

#[test]
fn the_others_go_on_in_order_without_what_is_set_aside() {
    let (_tmp, mut spool, aside) = without(&[1, 4, 5]);
    let facts = spool.facts();
    assert_eq!((facts.reports, facts.set_aside), (9, 3));
    let batch = spool.next_batch(1 << 20, after(201)).unwrap();
    assert_eq!(seqs(&arrived(&batch)), [2, 3, 6, 7, 8, 9]);
    let half = spool.halve(batch.id, after(202)).unwrap();
    assert_eq!(seqs(&arrived(&half)), [2, 3, 6]);
    assert_eq!(
        seqs(&deliver_all(&mut spool, after(203))),
        [2, 3, 6, 7, 8, 9]
    );
    assert_eq!((spool.facts().reports, spool.facts().set_aside), (3, 3));

    // Report 4 is accepted after all and 1 given up: both are forgotten.
    let batch = spool.alone(&aside[1], after(204)).unwrap();
    spool.delivered(batch.id, after(204));
    let batch = spool.alone(&aside[0], after(205)).unwrap();
    spool.refused(batch.id);
    assert_eq!(
        [1, 4, 5].map(|seq| spool.aside.holds(BOOT, seq)),
        [false, false, true]
    );
    assert_eq!(spool.alone(&aside[0], after(206)).map(|b| b.reports), None);
    let facts = spool.facts();
    assert_eq!((facts.reports, facts.set_aside, facts.dropped), (1, 1, 1));
    spool.append(&report(0), after(207)).unwrap();
    let all = deliver_all(&mut spool, after(208));
    assert_eq!((seqs(&all), declared(&all, Reason::Refused)), (vec![10], 1));
    spool.take_back(&aside, after(209));
    assert_eq!(seqs(&deliver_all(&mut spool, after(210))), [5]);
}

#[test]
fn facts_tell_how_many_are_set_aside_if_any_are() {
    let told = |refused: &[u64]| {
        let (_tmp, spool, _) = without(refused);
        serde_json::to_value(spool.facts()).unwrap()["set_aside"].clone()
    };
    assert_eq!((told(&[]), told(&[1, 4])), (Value::Null, Value::from(2)));
}

#[test]
fn the_newest_set_aside_does_not_go_ahead() {
    let (_tmp, mut spool, aside) = without(&[9]);
    assert!(spool.newest(after(300)).is_none());
    spool.append(&report(0), after(301)).unwrap();
    let newest = spool.newest(after(302)).unwrap();
    assert_eq!(seqs(&arrived(&newest)), [10]);
    spool.delivered(newest.id, after(302));
    spool.take_back(&aside, after(303));
    assert_eq!(
        seqs(&deliver_all(&mut spool, after(304))),
        (1..=9).collect::<Vec<_>>()
    );
}

#[test]
fn what_is_set_aside_stays_aside_while_it_is_on_its_way_and_kept_back() {
    let (_tmp, mut spool, aside) = without(&[2]);
    let batch = spool.alone(&aside[0], after(300)).unwrap();
    spool.kept_back(batch.id, after(301));
    assert_eq!(spool.facts().set_aside, 1);
    let all = deliver_all(&mut spool, after(302));
    assert_eq!(seqs(&all), [1, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn a_start_and_a_move_find_it_in_its_place() {
    let (tmp, spool, _) = without(&[1, 4]);
    drop(spool);
    let mut spool = Spool::open(&tmp.path().join("spool"), BOOT, LARGE).unwrap();
    assert_eq!((spool.facts().reports, spool.facts().set_aside), (9, 0));
    assert_eq!(
        seqs(&deliver_all(&mut spool, after(300))),
        (1..=9).collect::<Vec<_>>()
    );
}

#[test]
fn what_is_accepted_around_it_does_not_take_it_along() {
    let (tmp, mut spool, _) = without(&[4]);
    let all = deliver_all(&mut spool, after(300));
    assert_eq!(seqs(&all), [1, 2, 3, 5, 6, 7, 8, 9]);
    drop(spool);
    let mut spool = Spool::open(&tmp.path().join("spool"), BOOT, LARGE).unwrap();
    assert_eq!(seqs(&deliver_all(&mut spool, after(301))), [4]);
}

#[test]
fn room_is_made_of_what_is_set_aside_too_and_that_is_declared() {
    let tmp = tempfile::tempdir().unwrap();
    let bounds = Bounds {
        ram: 20_000,
        ..LARGE
    };
    let mut spool = Spool::open(&tmp.path().join("spool"), BOOT, bounds).unwrap();
    spool.append(&report(3000), after(3599)).unwrap();
    let batch = spool.next_batch(0, after(3600)).unwrap();
    let first = batch.first.clone();
    spool.set_aside(batch.id);
    for n in 0..30 {
        spool.append(&report(3000), after(3601 + n)).unwrap();
        assert!(spool.facts().bytes <= 20_000);
    }
    // The first of its hour was kept; it is dropped for those of later hours.
    let batch = spool.alone(&first, after(3700)).unwrap();
    spool.kept_back(batch.id, after(3700));
    for n in 2..30 {
        spool.append(&report(3000), after(3600 * n)).unwrap();
    }
    assert!(spool.alone(&first, after(3600 * 31)).is_none());
    assert_eq!(spool.facts().set_aside, 0);
    let facts = spool.facts();
    assert_eq!(facts.reports + facts.thinned + facts.dropped, 59);
    spool.append(&report(0), after(3600 * 31)).unwrap();
    let all = deliver_all(&mut spool, after(3600 * 31 + 1));
    let missing = declared(&all, Reason::Thinned) + declared(&all, Reason::Full);
    assert_eq!(all.len() as u64 + missing, 60);
}

#[test]
fn a_report_is_named_by_its_boot_and_its_number() {
    let id = ReportId::new(BOOT, 7);
    assert_eq!((id.seq(), &*id.boot), (7, BOOT));
    assert_ne!(id, ReportId::new(BOOT, 8));
    assert_ne!(id, ReportId::new("other", 7));
}
