//! Harm that others do to our files.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::batch::REPAIRS;

fn kept() -> (tempfile::TempDir, PathBuf) {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("spool");
    let mut spool = Spool::open(&dir, BOOT, LARGE).unwrap();
    for n in 0..10 {
        spool.append(&report(300), after(n)).unwrap();
    }
    (tmp, dir)
}

fn the_file(dir: &Path) -> PathBuf {
    fs::read_dir(dir).unwrap().next().unwrap().unwrap().path()
}

/// Reports that arrive after a start, together with one more.
fn after_a_start(dir: &Path) -> Vec<Arrived> {
    let mut spool = Spool::open(dir, BOOT, LARGE).unwrap();
    spool.append(&report(0), after(20)).unwrap();
    deliver_all(&mut spool, after(21))
}

// Row 34.
#[test]
fn a_torn_end_is_repaired_and_at_most_one_report_is_lost_and_declared() {
    let (_tmp, dir) = kept();
    let file = the_file(&dir);
    let whole = fs::read(&file).unwrap();
    for cut in [1, 30, 200, 320] {
        fs::write(&file, &whole[..whole.len() - cut]).unwrap();
        let all = after_a_start(&dir);
        assert_eq!(
            seqs(&all),
            (1..=10).collect::<Vec<_>>(),
            "the tenth is another"
        );
        let lost = Gap {
            from: Some(after(8).epoch),
            to: Some(after(20).epoch),
            count: Some(1),
            reason: Reason::Damaged,
        };
        assert_eq!(all[9].gaps, [lost], "between the ninth and this one");
        fs::remove_dir_all(&dir).unwrap();
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
}

#[test]
fn damage_in_the_middle_is_repaired_and_every_report_it_cost_declared() {
    for place in [100, 1000, 2000] {
        let (_tmp, dir) = kept();
        let file = the_file(&dir);
        let mut bytes = fs::read(&file).unwrap();
        bytes[place..place + 20].fill(0xA5);
        fs::write(&file, &bytes).unwrap();
        let all = after_a_start(&dir);
        let missing = declared(&all, Reason::Damaged);
        assert!(missing >= 1, "{place}: {all:?}");
        assert_eq!(all.len() as u64 + missing, 11, "{place}: {all:?}");
    }
}

#[test]
fn a_file_that_vanishes_or_changes_under_a_running_spool_is_declared() {
    for gone in [true, false] {
        let (_tmp, dir) = kept();
        let mut spool = Spool::open(&dir, BOOT, LARGE).unwrap();
        let file = the_file(&dir);
        match gone {
            true => fs::remove_file(&file).unwrap(),
            false => {
                let mut bytes = fs::read(&file).unwrap();
                bytes[1000] ^= 0xFF;
                fs::write(&file, &bytes).unwrap();
            }
        }
        let mut all = deliver_all(&mut spool, after(20));
        spool.append(&report(0), after(21)).unwrap();
        all.extend(deliver_all(&mut spool, after(22)));
        let missing = declared(&all, Reason::Damaged);
        assert!(missing >= 1 && all.len() as u64 + missing == 11, "{all:?}");
    }
}

#[test]
fn a_batch_waits_for_a_bounded_number_of_repairs() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("spool");
    let mut spool = Spool::open(&dir, BOOT, LARGE).unwrap();
    for n in 0.. {
        spool.append(&report(4000), after(n)).unwrap();
        if fs::read_dir(&dir).unwrap().count() > REPAIRS + 2 {
            break;
        }
    }
    let files = fs::read_dir(&dir).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    files.pop();
    for file in files {
        let mut bytes = fs::read(&file).unwrap();
        bytes[1000] ^= 0xFF;
        fs::write(&file, &bytes).unwrap();
    }
    assert!(spool.next_batch(1 << 20, after(9000)).is_none());
    assert!(spool.next_batch(1 << 20, after(9001)).is_some());
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let (_tmp, dir) = kept();
    fs::write(dir.join("notes.txt"), "a person's").unwrap();
    fs::write(dir.join("0000000000000007.b.thin"), "half written").unwrap();
    assert_eq!(after_a_start(&dir).len(), 11);
    assert!(dir.join("notes.txt").exists());
    assert!(!dir.join("0000000000000007.b.thin").exists());
}

/// `tests/data/spool` was written by miniz_oxide without flate2 around it, which looked for a match at 48
/// places: 16 reports, six of which had arrived.
#[test]
fn what_an_earlier_version_wrote_is_read_and_goes_on() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("spool");
    drop(Spool::open(&dir, BOOT, LARGE).unwrap());
    fs::remove_file(the_file(&dir)).unwrap();
    let written = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/spool");
    let written = the_file(&written);
    let copy = dir.join(written.file_name().unwrap());
    fs::write(&copy, fs::read(&written).unwrap()).unwrap();
    fs::set_permissions(&copy, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();

    let mut spool = Spool::open(&dir, BOOT, LARGE).unwrap();
    assert_eq!((spool.facts().reports, spool.facts().dropped), (10, 0));
    // It goes into the same segment, and refers to what stands there.
    spool.append(&report(600), after(400)).unwrap();
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
    let batch = spool.next_batch(1 << 20, after(401)).unwrap();
    let all = arrived(&batch);
    assert_eq!(seqs(&all), (7..=17).collect::<Vec<_>>());
    assert_eq!(declared(&all, Reason::Damaged), 0);
}
