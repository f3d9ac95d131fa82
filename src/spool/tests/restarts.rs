//! What a restart finds.

use std::fs;

use super::*;
use crate::durable::replace;
use crate::spool::Reason;

#[test]
fn seq_counts_on_across_restarts_of_a_boot_even_when_everything_was_delivered() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("spool");
    for expected in 1..=5 {
        let mut spool = Spool::open(&dir, BOOT, LARGE).unwrap();
        spool.append(&report(expected, 10)).unwrap();
        assert_eq!(seqs(&deliver_all(&mut spool)), [expected]);
        let files = fs::read_dir(&dir).unwrap().count();
        assert_eq!(files, 1, "the empty tail stays and is all that stays");
        // The spool is dropped without a word, as a kill would.
    }
}

#[test]
fn a_new_boot_starts_at_one_and_the_old_boot_goes_first() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("spool");
    for boot in ["b", "a"] {
        let mut spool = Spool::open(&dir, boot, LARGE).unwrap();
        for at in 1..=3 {
            spool.append(&report(at, 10)).unwrap();
        }
    }
    let mut spool = Spool::open(&dir, "a", LARGE).unwrap();
    spool.append(&report(4, 10)).unwrap();
    let out = deliver_all(&mut spool);
    let ids: Vec<_> = out.iter().map(|a| (a.boot_id.as_str(), a.seq)).collect();
    assert_eq!(
        ids,
        [
            ("b", 1),
            ("b", 2),
            ("b", 3),
            ("a", 1),
            ("a", 2),
            ("a", 3),
            ("a", 4)
        ]
    );
}

#[test]
fn a_tail_cut_anywhere_loses_at_most_the_cut_line_and_declares_it() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("spool");
    let mut spool = Spool::open(&dir, BOOT, LARGE).unwrap();
    for at in 1..=3 {
        spool.append(&report(at, 5)).unwrap();
    }
    let file = fs::read_dir(&dir).unwrap().next().unwrap().unwrap();
    let (name, whole) = (file.file_name(), fs::read(file.path()).unwrap());
    for len in 0..=whole.len() {
        let copy = tmp.path().join(format!("cut-{len}"));
        drop(Spool::open(&copy, "other", LARGE).unwrap());
        fs::remove_dir_all(&copy).unwrap();
        let name = name.to_str().unwrap();
        let mut own = Directory::open(&copy).unwrap();
        replace(&mut own, name, &whole[..len]).unwrap();

        let mut spool = Spool::open(&copy, BOOT, LARGE).unwrap();
        let lines = whole[..len].iter().filter(|&&b| b == b'\n').count() as u64;
        let torn = u64::from(len > 0 && whole[len - 1] != b'\n');
        assert_eq!(spool.facts().reports, lines);
        assert_eq!(spool.facts().dropped, torn);
        spool.append(&report(9, 5)).unwrap();
        let out = deliver_all(&mut spool);
        assert_eq!(
            seqs(&out),
            (1..=lines + 1).collect::<Vec<_>>(),
            "cut at {len}"
        );
        let declared: Vec<&Gap> = out.iter().flat_map(|a| &a.gaps).collect();
        assert_eq!(declared.len() as u64, torn, "cut at {len}");
        assert!(declared
            .iter()
            .all(|g| g.count == 1 && g.reason == Reason::Damaged));
        assert!(out.last().unwrap().gaps.len() as u64 == torn);
    }
}

#[test]
fn files_that_are_not_ours_are_left_alone() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("spool");
    drop(Spool::open(&dir, BOOT, LARGE).unwrap());
    fs::write(dir.join("notes.txt"), "mine").unwrap();
    fs::create_dir(dir.join("0000000000000007.x.0000000000000001.ndjson")).unwrap();
    let mut spool = Spool::open(&dir, BOOT, LARGE).unwrap();
    spool.append(&report(1, 0)).unwrap();
    assert_eq!(seqs(&deliver_all(&mut spool)), [1]);
    assert_eq!(fs::read(dir.join("notes.txt")).unwrap(), b"mine");
    assert!(dir
        .join("0000000000000007.x.0000000000000001.ndjson")
        .is_dir());
}

#[test]
fn empty_segments_left_by_a_kill_are_cleared_away() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("spool");
    let mut own = Directory::open(&dir).unwrap();
    for ordinal in 1..=3 {
        let name = format!("{ordinal:016}.{BOOT}.{:016}.ndjson", 8);
        replace(&mut own, &name, b"").unwrap();
    }
    let mut spool = Spool::open(&dir, BOOT, LARGE).unwrap();
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
    spool.append(&report(1, 0)).unwrap();
    assert_eq!(seqs(&deliver_all(&mut spool)), [8]);
}

#[test]
fn a_segment_that_vanished_is_declared_and_holds_nothing_up() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("spool");
    let mut spool = Spool::open(&dir, BOOT, LARGE).unwrap();
    for at in 1..=2 {
        spool.append(&report(at, 0)).unwrap();
    }
    spool.next_batch(1).unwrap();
    let sealed = fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path()).min();
    fs::remove_file(sealed.unwrap()).unwrap();
    spool.append(&report(3, 0)).unwrap();
    assert_eq!(seqs(&deliver_all(&mut spool)), [3]);
    spool.append(&report(4, 0)).unwrap();
    let gap = Gap {
        from: Some(1),
        to: Some(2),
        count: 2,
        reason: Reason::Damaged,
    };
    assert_eq!(deliver_all(&mut spool)[0].gaps, [gap]);
}

#[test]
fn a_boot_id_that_cannot_be_a_file_name_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    for boot in ["", "../x", "a.b", "a b", &"x".repeat(65)] {
        assert!(Spool::open(&tmp.path().join("s"), boot, LARGE).is_err());
    }
}
