//! Reports that come when the last segment ends with something that none could be read behind: they go elsewhere.

use std::io;

use super::*;
use crate::deflate::Packer;
use crate::record::{self, PART};

const NAME: &str = "0000000000000001.6f1c0d2e-aaaa-4bbb-8ccc-1234567890ab.reports";

/// A spool's directory with a segment of this boot that has these records.
fn with(records: &[Vec<u8>]) -> (tempfile::TempDir, std::path::PathBuf) {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("spool");
    write(&dir, vec![(NAME.to_owned(), records.to_vec())]);
    (tmp, dir)
}

/// The record of a report whose line is right, and whose deflate `change` makes another.
fn first(change: impl Fn(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let stamp = Stamp {
        boot_id: BOOT,
        seq: 1,
        created_at: 1_780_000_001,
        clock: Certainty::Ok,
        gaps: &[],
    };
    let mut line = line::line(&stamp, 300);
    line.push(b'\n');
    record::report(&head(&line), &change(Packer::new().pack(&line)))
}

/// Two reports come, the second after a restart. Those of the whole queue that can be read, each sent alone.
fn with_two_more(dir: &Path) -> Vec<Arrived> {
    for n in 2..4 {
        let mut spool = Spool::open(dir, BOOT, LARGE).unwrap();
        spool.append(&report(300), after(n)).unwrap();
    }
    let mut spool = Spool::open(dir, BOOT, LARGE).unwrap();
    let mut all = Vec::new();
    while let Some(batch) = spool.next_batch(0, after(9)) {
        if batch.lines().is_ok() {
            all.extend(arrived(&batch));
        }
        spool.delivered(batch.id, after(9));
    }
    all
}

/// Found by the fuzzer: the deflate of a report whose line is whole ended before its flush did.
#[test]
fn a_report_that_ends_in_the_middle_of_a_block_does_not_take_along_those_that_come_after_it() {
    for cut in 1..5 {
        let record = first(|mut packed| {
            packed.truncate(packed.len() - cut);
            packed
        });
        let (_tmp, dir) = with(&[record]);
        let all = with_two_more(&dir);
        assert_eq!(seqs(&all), [2, 3], "{cut} bytes less");
        assert_eq!(declared(&all, Reason::Damaged), 0);
    }
    let (_tmp, dir) = with(&[first(|packed| packed)]);
    assert_eq!(seqs(&with_two_more(&dir)), [1, 2, 3]);
}

#[test]
fn a_block_that_goes_on_behind_a_report_does_not_swallow_those_that_come_after_it() {
    // Stored, and longer than what is there of it.
    let record = first(|mut packed| {
        packed.extend([0, 0xFF, 0x0F, 0, 0xF0]);
        packed
    });
    let (_tmp, dir) = with(&[record]);
    assert_eq!(seqs(&with_two_more(&dir)), [2, 3]);
}

#[test]
fn parts_of_a_report_that_never_came_are_not_taken_for_those_of_the_next() {
    let part = record::part(&[7; PART]);
    for before in [vec![], vec![first(|packed| packed)]] {
        let count = before.len();
        let (_tmp, dir) = with(&[before, vec![part.clone()]].concat());
        let all = with_two_more(&dir);
        assert_eq!(all.len(), count + 2, "{:?}", seqs(&all));
        assert_eq!(declared(&all, Reason::Damaged), 1);
    }
}

/// A directory on which no segment can be rewritten.
struct Unmended(Directory);

impl Disk for Unmended {
    durable::pass_on!(self => self.0; list size read append truncate rename remove sync sync_names);

    fn create(&mut self, name: &str) -> io::Result<()> {
        match name.ends_with(".thin") {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => self.0.create(name),
        }
    }
}

#[test]
fn a_segment_that_cannot_be_repaired_takes_no_report() {
    let whole = first(|packed| packed);
    let part = record::part(&[7; PART]);
    for damage in [b"?".to_vec(), part] {
        let (_tmp, dir) = with(&[whole.clone(), damage]);
        for n in 2..4 {
            let disk = Unmended(Directory::open(&dir).unwrap());
            let mut spool = Spool::on(disk, None::<Directory>, BOOT, LARGE).unwrap();
            assert!(spool.facts().last_error.is_some());
            spool.append(&report(300), after(n)).unwrap();
        }
        let mut spool = Spool::open(&dir, BOOT, LARGE).unwrap();
        assert_eq!(seqs(&deliver_all(&mut spool, after(9))), [1, 2, 3]);
    }
}
