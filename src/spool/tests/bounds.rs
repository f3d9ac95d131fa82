//! What happens when there is more than fits.

use super::*;
use crate::spool::{Reason, SpoolError};

fn size_on_disk(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).unwrap();
    files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum()
}

#[test]
fn the_oldest_reports_make_room_and_every_one_of_them_is_declared() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("spool");
    let max = 8 << 10;
    let mut spool = Spool::open(&dir, BOOT, max).unwrap();
    for at in 1..=1000 {
        spool.append(&report(at, (at % 300) as usize)).unwrap();
        assert!(size_on_disk(&dir) <= max, "{} bytes", size_on_disk(&dir));
        assert_eq!(size_on_disk(&dir), spool.facts().bytes);
    }
    assert!(spool.facts().bytes > max / 2, "room is used");
    let facts = spool.facts();
    let out = deliver_all(&mut spool);
    assert_eq!(out.len() as u64, facts.reports);
    assert_eq!(out[0].at, facts.oldest.unwrap());
    assert_eq!(seqs(&out), (out[0].seq..=1000).collect::<Vec<_>>());

    let gaps: Vec<&Gap> = out.iter().flat_map(|a| &a.gaps).collect();
    let lost: u64 = gaps.iter().map(|g| g.count).sum();
    assert_eq!(
        lost,
        1000 - out.len() as u64,
        "declared in what is left: {gaps:?}"
    );
    assert_eq!(lost, facts.dropped);
    assert_eq!(gaps.iter().map(|g| g.from).min(), Some(Some(1)));
    assert_eq!(gaps.iter().map(|g| g.to).max(), Some(Some(out[0].at - 1)));
    assert!(gaps.iter().all(|g| g.reason == Reason::Full));
}

#[test]
fn a_batch_on_its_way_is_spared_and_arrives() {
    let tmp = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&tmp.path().join("spool"), BOOT, 4 << 10).unwrap();
    for at in 1..=5 {
        spool.append(&report(at, 100)).unwrap();
    }
    let batch = spool.next_batch(1).unwrap();
    let on_its_way = arrived(&batch.lines);
    for at in 6..=100 {
        spool.append(&report(at, 100)).unwrap();
    }
    spool.delivered(batch.id);
    let mut out = on_its_way;
    out.extend(deliver_all(&mut spool));
    let lost: u64 = out.iter().flat_map(|a| &a.gaps).map(|g| g.count).sum();
    assert!(lost > 0);
    assert_eq!(
        lost + out.len() as u64,
        100,
        "nothing is both declared and delivered"
    );
}

#[test]
fn a_batch_that_did_not_arrive_is_no_longer_spared() {
    let tmp = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&tmp.path().join("spool"), BOOT, 4 << 10).unwrap();
    spool.append(&report(1, 100)).unwrap();
    let batch = spool.next_batch(1).unwrap();
    spool.kept_back(batch.id);
    for at in 2..=100 {
        spool.append(&report(at, 100)).unwrap();
    }
    assert!(deliver_all(&mut spool)[0].seq > 1);
}

#[test]
fn a_report_larger_than_the_spool_is_refused_and_declared() {
    let tmp = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&tmp.path().join("spool"), BOOT, 4 << 10).unwrap();
    spool.append(&report(1, 0)).unwrap();
    let error = spool.append(&report(2, 5000)).unwrap_err();
    assert!(
        matches!(error, SpoolError::TooLarge { max: 4096, .. }),
        "{error}"
    );
    spool.append(&report(3, 0)).unwrap();
    let out = deliver_all(&mut spool);
    assert_eq!(seqs(&out), [1, 2], "a refused report uses up no seq");
    let gap = Gap {
        from: Some(2),
        to: Some(2),
        count: 1,
        reason: Reason::Full,
    };
    assert_eq!(out[1].gaps, [gap]);
}

#[test]
fn a_report_that_is_not_one_line_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&tmp.path().join("spool"), BOOT, LARGE).unwrap();
    for line in [&b""[..], b"{}\n", b"{}\n{}"] {
        let error = spool.append(&|_| line.to_vec()).unwrap_err();
        assert!(matches!(error, SpoolError::NotALine));
    }
    assert_eq!(spool.facts().reports, 0);
}

#[test]
fn a_batch_is_whole_segments_up_to_its_size_and_at_least_one() {
    let tmp = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&tmp.path().join("spool"), BOOT, LARGE).unwrap();
    for at in 1..=30 {
        spool.append(&report(at, 10_000)).unwrap();
    }
    let batch = spool.next_batch(1).unwrap();
    assert!(batch.lines.len() >= 64 << 10 && batch.lines.len() < 75 << 10);
    let again = spool.next_batch(150 << 10).unwrap();
    assert!(
        again.lines.starts_with(&batch.lines),
        "undelivered reports come again"
    );
    assert!(again.lines.len() > 128 << 10 && again.lines.len() <= 150 << 10);
    spool.delivered(batch.id);
    assert_eq!(
        spool.facts().reports,
        30,
        "a batch that is void deletes nothing"
    );
    spool.delivered(again.id);
    assert_eq!(spool.facts().reports, 30 - again.reports);
}
