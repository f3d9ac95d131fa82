//! Behaviour when room runs out.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use durable::Directory;

use super::*;
use crate::{SpoolError, PENDING_MAX};

fn small(ram: u64) -> (tempfile::TempDir, Spool) {
    let tmp = tempfile::tempdir().unwrap();
    let bounds = Bounds { ram, ..LARGE };
    let spool = Spool::open(&tmp.path().join("spool"), BOOT, bounds).unwrap();
    (tmp, spool)
}

// Row 32.
#[test]
fn when_room_runs_out_the_oldest_are_thinned_the_newest_stay_and_all_is_declared() {
    let (_tmp, mut spool) = small(40_000);
    for n in 0..400 {
        spool.append(&report(200), after(15 * n)).unwrap();
        assert!(spool.facts().bytes <= 40_000);
    }
    let facts = spool.facts();
    assert!(facts.thinned > 0 && facts.last_error.is_none(), "{facts:?}");
    assert_eq!(facts.reports + facts.thinned + facts.dropped, 400);
    let mut all = deliver_all(&mut spool, after(6050));
    // What the last one left no room for is declared by the next.
    spool.append(&report(0), after(6100)).unwrap();
    all.extend(deliver_all(&mut spool, after(6200)));
    let missing = declared(&all, Reason::Thinned) + declared(&all, Reason::Full);
    assert_eq!(all.len() as u64 + missing, 401);
    // The newest are there without a hole.
    let last: Vec<u64> = seqs(&all).into_iter().rev().take(20).collect();
    assert_eq!(last, (382..=401).rev().collect::<Vec<_>>());
}

// Row 26.
#[test]
fn a_hundred_lines_of_a_kilobyte_are_delivered_all() {
    let (_tmp, mut spool) = small(1 << 20);
    for n in 0..100 {
        spool.append(&report(900), after(n)).unwrap();
    }
    let batch = spool.next_batch(1 << 20, after(100)).unwrap();
    assert_eq!(seqs(&arrived(&batch)), (1..=100).collect::<Vec<_>>());
    assert!(batch.plain > 32 << 10);
    spool.delivered(batch.id, after(100));
    assert_eq!(spool.facts().reports, 0);
}

#[test]
fn a_report_that_is_larger_than_the_spool_is_refused_and_declared() {
    let (_tmp, mut spool) = small(20_000);
    let error = spool.append(&report(30_000), after(1)).unwrap_err();
    assert!(matches!(error, SpoolError::TooLarge { .. }), "{error}");
    spool.append(&report(0), after(2)).unwrap();
    let all = deliver_all(&mut spool, after(3));
    assert_eq!((seqs(&all), declared(&all, Reason::Full)), (vec![1], 1));
}

#[test]
fn a_report_is_one_line() {
    let (_tmp, mut spool) = small(1 << 20);
    for line in [&b""[..], b"{}\n", b"{\n}"] {
        let build = move |_: &Stamp<'_>| line.to_vec();
        let error = spool.append(&build, after(1)).unwrap_err();
        assert_eq!(error.to_string(), "spool: a report must be one line");
    }
    assert_eq!(spool.facts().reports, 0);
}

#[test]
fn a_report_of_any_size_that_fits_is_packed_and_delivered_whole() {
    let (_tmp, mut spool) = small(4 << 20);
    for (n, pad) in [0, 50_000, 70_000, 200_000, 1_000_000]
        .into_iter()
        .enumerate()
    {
        spool.append(&report(pad), after(n as u64)).unwrap();
    }
    let mut all = Vec::new();
    while let Some(batch) = spool.next_batch(128 << 10, after(9)) {
        all.extend(arrived(&batch));
        spool.delivered(batch.id, after(9));
    }
    assert_eq!(seqs(&all), [1, 2, 3, 4, 5]);
}

#[test]
fn while_nobody_knows_the_time_reports_are_held_back_and_then_go_with_the_time_they_have() {
    let tmp = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&tmp.path().join("spool"), BOOT, LARGE).unwrap();
    let unsure = |mono| Reading {
        epoch: 1_000 + mono,
        mono,
        synced: false,
    };
    for mono in [10, 20] {
        spool.append(&report(0), unsure(mono)).unwrap();
    }
    assert!(spool.next_batch(9_000, unsure(600)).is_none());
    let batch = spool.next_batch(9_000, unsure(700)).unwrap();
    let lines = String::from_utf8(batch.lines().unwrap()).unwrap();
    assert_eq!(lines.matches(r#""clock":"unsynced""#).count(), 2, "{lines}");
    for at in [1_010, 1_020] {
        assert!(lines.contains(&format!(r#""created_at":{at}"#)), "{lines}");
    }
}

/// A directory on a medium that may be full.
struct Filled {
    directory: Directory,
    is_full: Rc<Cell<bool>>,
}

impl Disk for Filled {
    durable::pass_on!(self => self.directory; list size read create truncate rename remove sync sync_names);

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize> {
        match self.is_full.get() {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => self.directory.append(name, bytes),
        }
    }
}

#[test]
fn while_the_disk_takes_nothing_memory_holds_the_newest_reports_and_the_next_declare_the_others() {
    // As large as a seventh of what memory holds, and larger than all of it.
    for (pad, count, held) in [(37_000, 19, 7), (300_000, 3, 1)] {
        let tmp = tempfile::tempdir().unwrap();
        let is_full = Rc::new(Cell::new(false));
        let disk = Filled {
            directory: Directory::open(&tmp.path().join("spool")).unwrap(),
            is_full: Rc::clone(&is_full),
        };
        let mut spool = Spool::on(disk, None::<Directory>, BOOT, LARGE).unwrap();
        spool.append(&report(0), after(1)).unwrap();
        is_full.set(true);
        for n in 2..2 + count {
            spool.append(&report(pad), after(n)).unwrap();
        }
        let facts = spool.facts();
        let error = facts.last_error.unwrap();
        assert!(error.starts_with("cannot keep a report: "), "{error}");
        assert_eq!((facts.reports, facts.dropped), (1 + held, count - held));
        assert!(held == 1 || facts.bytes < PENDING_MAX + 1000);
        is_full.set(false);
        spool.append(&report(0), after(30)).unwrap();
        assert_eq!(spool.facts().last_error, None);
        let all = deliver_all(&mut spool, after(31));
        let newest = count + 2 - held..=count + 2;
        assert_eq!(
            seqs(&all),
            std::iter::once(1).chain(newest).collect::<Vec<_>>()
        );
        assert_eq!(declared(&all, Reason::Full), count - held);
    }
}
