//! Times of reports that were taken by a wrong clock.

use super::*;
use crate::deflate::Packer;
use crate::notes::{Anchor, Notes, ANCHORS_MAX};
use crate::record;

#[test]
fn a_report_whose_time_cannot_be_set_right_any_more_does_not_wait_for_that() {
    let tmp = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&tmp.path().join("spool"), BOOT, LARGE).unwrap();
    // The clock is wrong again and again, and set right each time.
    let periods = ANCHORS_MAX as u64 + 2;
    let mut clocks = Vec::new();
    for period in 1..=periods {
        let at = 10 * period;
        spool.append(&report(0), unsure(at)).unwrap();
        let batch = spool.next_batch(1 << 20, after(at + 1)).unwrap();
        let line: Value = serde_json::from_slice(&batch.lines().unwrap()).unwrap();
        clocks.push(line["device"]["clock"].as_str().unwrap().to_owned());
        spool.delivered(batch.id, after(at + 1));
    }
    let restamped = clocks.iter().take_while(|clock| *clock == "restamped");
    assert_eq!(restamped.count(), ANCHORS_MAX);
    assert_eq!(clocks[ANCHORS_MAX..], ["unsynced", "unsynced"]);
}

/// Found by the fuzzer: corrections go forward, so what lies before the last and has none never gets one.
#[test]
fn a_report_that_every_correction_left_out_does_not_wait_for_one() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("spool");
    let notes = Notes {
        anchors: vec![Anchor {
            first: 50,
            last: 60,
            base: 1,
        }],
        ..Notes::default()
    };
    let line = b"{}\n";
    let head = Head {
        at: 100,
        mono: 100,
        clock: Certainty::Unsynced,
        ..head(line)
    };
    let left_out = record::report(&head, &Packer::new().pack(line));
    let name = format!("0000000000000001.{BOOT}.reports");
    write(&dir, vec![(name, vec![record::notes(&notes), left_out])]);

    let mut spool = Spool::open(&dir, BOOT, LARGE).unwrap();
    spool.append(&report(0), after(101)).unwrap();
    let batch = spool.next_batch(1 << 20, after(102)).unwrap();
    assert_eq!(batch.reports, 2);
}

#[test]
fn what_was_sent_with_a_wrong_time_keeps_it() {
    let tmp = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&tmp.path().join("spool"), BOOT, LARGE).unwrap();
    spool.append(&report(0), unsure(10)).unwrap();
    let sent = spool.next_batch(1 << 20, unsure(700)).unwrap();
    spool.kept_back(sent.id, unsure(701));
    spool.append(&report(0), unsure(710)).unwrap();
    let batch = spool.next_batch(1 << 20, after(720)).unwrap();
    let lines = batch.lines().unwrap();
    let sent = sent.lines().unwrap();
    assert!(lines.starts_with(&sent), "not the bytes that were sent");
    let line: Value = serde_json::from_slice(&lines[sent.len()..]).unwrap();
    assert_eq!(line["device"]["clock"], "restamped");
}
