//! Times of reports that were taken by a wrong clock.

use super::*;
use crate::notes::ANCHORS_MAX;

#[test]
fn a_report_whose_time_cannot_be_set_right_any_more_does_not_wait_for_that() {
    let tmp = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&tmp.path().join("spool"), BOOT, LARGE).unwrap();
    let unsure = |at| Reading {
        epoch: at,
        mono: at,
        synced: false,
    };
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
