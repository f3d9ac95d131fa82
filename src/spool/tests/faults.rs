//! A disk that does not do what it is told.

use super::*;
use crate::spool::PENDING_MAX;

#[test]
fn a_report_the_disk_refuses_waits_in_memory_and_follows_in_order() {
    for half in [0, 1, 40] {
        let tmp = tempfile::tempdir().unwrap();
        let disk = Faulty::new(&tmp.path().join("spool"));
        let mut spool = Spool::on(disk.clone(), BOOT, LARGE).unwrap();
        spool.append(&report(1, 0)).unwrap();
        disk.set(Faults {
            after: Some(0),
            for_good: true,
            half,
            ..Faults::default()
        });
        for at in 2..=4 {
            spool.append(&report(at, 0)).unwrap();
        }
        let facts = spool.facts();
        assert_eq!((facts.reports, facts.oldest), (4, Some(1)));
        assert!(facts
            .last_error
            .unwrap()
            .contains("cannot append to segment"));

        disk.set(Faults::default());
        spool.append(&report(5, 0)).unwrap();
        assert_eq!(spool.facts().last_error, None);
        assert_eq!(
            seqs(&deliver_all(&mut spool)),
            [1, 2, 3, 4, 5],
            "half {half}"
        );
        assert_eq!(spool.facts().dropped, 0);
    }
}

#[test]
fn half_a_line_that_cannot_be_cut_off_never_leaves_the_spool() {
    let tmp = tempfile::tempdir().unwrap();
    let disk = Faulty::new(&tmp.path().join("spool"));
    let mut spool = Spool::on(disk.clone(), BOOT, LARGE).unwrap();
    spool.append(&report(1, 0)).unwrap();
    disk.set(Faults {
        after: Some(0),
        for_good: true,
        half: 30,
        ..Faults::default()
    });
    spool.append(&report(2, 0)).unwrap();
    disk.set(Faults::default());
    // Before any repair could run: what is taken now are whole lines only.
    assert_eq!(seqs(&deliver_all(&mut spool)), [1, 2]);
}

#[test]
fn memory_is_bounded_too_and_what_it_drops_is_declared() {
    let tmp = tempfile::tempdir().unwrap();
    let disk = Faulty::new(&tmp.path().join("spool"));
    let mut spool = Spool::on(disk.clone(), BOOT, 8 * LARGE).unwrap();
    disk.set(Faults {
        after: Some(0),
        for_good: true,
        ..Faults::default()
    });
    for at in 1..=100 {
        spool.append(&report(at, 10_000)).unwrap();
        assert!(spool.facts().bytes <= PENDING_MAX);
    }
    spool.append(&report(101, PENDING_MAX as usize)).unwrap();
    assert_eq!(
        spool.facts().reports,
        1,
        "the newest is kept whatever its size"
    );

    disk.set(Faults::default());
    spool.append(&report(102, 0)).unwrap();
    let out = deliver_all(&mut spool);
    assert_eq!(seqs(&out), [101, 102]);
    let lost: u64 = out.iter().flat_map(|a| &a.gaps).map(|g| g.count).sum();
    assert_eq!(lost, 100);
}

#[test]
fn one_failing_call_of_any_kind_loses_nothing() {
    for call in ["create", "append", "truncate", "rename", "remove"] {
        for after in 0..12 {
            let tmp = tempfile::tempdir().unwrap();
            let disk = Faulty::new(&tmp.path().join("spool"));
            let mut spool = Spool::on(disk.clone(), BOOT, 3000).unwrap();
            disk.set(Faults {
                after: Some(after),
                only: Some(call),
                half: 20,
                ..Faults::default()
            });
            let mut out = Vec::new();
            for at in 1..=60 {
                spool.append(&report(at, 60)).unwrap();
                if at % 25 == 0 {
                    out.extend(deliver(&mut spool, 1000));
                }
            }
            out.extend(deliver_all(&mut spool));
            let known = seqs(&out);
            let context = format!("{call} after {after}: {known:?}");
            assert!(known.is_sorted_by(|a, b| a < b), "{context}");
            let lost: u64 = out.iter().flat_map(|a| &a.gaps).map(|g| g.count).sum();
            assert_eq!(known.len() as u64 + lost, 60, "{context}");
        }
    }
}
