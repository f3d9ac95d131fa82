//! A spool with a copy on flash.

use std::fs;

use durable::Directory;

use super::*;

fn open(dir: &Path, boot: &str) -> Spool {
    let bounds = Bounds {
        ram: 16_000,
        flash: 16_000,
        flash_daily: 1 << 24,
    };
    let ram = Directory::open(&dir.join("ram")).unwrap();
    let flash = Directory::open(&dir.join("flash")).unwrap();
    Spool::on(ram, Some(flash), boot, bounds).unwrap()
}

fn files(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}

#[test]
fn what_arrived_does_not_come_again_after_a_restart_while_its_file_stays() {
    let tmp = tempfile::tempdir().unwrap();
    let mut spool = open(tmp.path(), BOOT);
    for n in 0..10 {
        spool.append(&report(1000), after(60 * n)).unwrap();
    }
    let batch = spool.next_batch(0, after(600)).unwrap();
    spool.kept_back(batch.id, after(600));
    drop(spool);
    fs::remove_dir_all(tmp.path().join("ram")).unwrap();

    // In the next boot they are on flash alone. The first file stays for its loss, which no report has
    // declared, and the last one with it.
    let next = "next-boot";
    let mut spool = open(tmp.path(), next);
    let waiting = spool.facts().reports;
    let batch = spool.next_batch(0, after(2000)).unwrap();
    spool.refused(batch.id);
    let all = deliver_all(&mut spool, after(2010));
    assert_eq!(all.len() as u64, waiting - 1);
    assert!(waiting > 2 && files(&tmp.path().join("flash")) == 2);
    drop(spool);

    let mut spool = open(tmp.path(), next);
    assert_eq!(deliver_all(&mut spool, after(2020)), []);
    spool.append(&report(0), after(2030)).unwrap();
    let all = deliver_all(&mut spool, after(2040));
    assert_eq!((all.len(), declared(&all, Reason::Refused)), (1, 1));
    assert_eq!(files(&tmp.path().join("flash")), 0);
}

#[test]
fn a_time_that_was_set_right_stays_so_when_the_reports_beside_its_note_are_gone() {
    let tmp = tempfile::tempdir().unwrap();
    let flash = tmp.path().join("flash");
    let mut spool = open(tmp.path(), BOOT);
    spool.append(&report(0), after(0)).unwrap();
    let batch = spool.next_batch(0, after(0)).unwrap();
    spool.kept_back(batch.id, after(0));
    for n in 1..3 {
        spool.append(&report(1000), unsure(60 * n)).unwrap();
    }
    // Flash gets two segments; the second goes before the first.
    spool.append(&report(0), unsure(700)).unwrap();
    assert_eq!(files(&flash), 2);
    let newest = spool.newest(after(701)).unwrap();
    assert_eq!(seqs(&arrived(&newest)), [4]);
    spool.delivered(newest.id, after(701));
    drop(spool);
    let mut spool = open(tmp.path(), BOOT);
    let batch = spool.next_batch(9000, after(702)).unwrap();
    assert_eq!(seqs(&arrived(&batch)), [1, 2, 3]);
    drop(spool);
    fs::remove_dir_all(tmp.path().join("ram")).unwrap();

    // The next boot begins a third.
    let next = "next-boot";
    let mut spool = open(tmp.path(), next);
    spool.append(&report(0), after(0)).unwrap();
    let batch = spool.next_batch(0, after(0)).unwrap();
    spool.kept_back(batch.id, after(0));
    spool.append(&report(0), after(700)).unwrap();
    let sent = spool.next_batch(9000, after(700)).unwrap();
    assert_eq!(seqs(&arrived(&sent)), [1, 2, 3, 1, 2]);
    assert_eq!(files(&flash), 2);
    drop(spool);

    let mut spool = open(tmp.path(), next);
    let again = spool.next_batch(9000, after(701)).unwrap();
    assert_eq!(again.lines().unwrap(), sent.lines().unwrap());
    deliver_all(&mut spool, after(702));
    assert_eq!(files(&flash), 0);
}

#[test]
fn what_flash_took_in_the_last_day_is_known_after_a_restart() {
    let tmp = tempfile::tempdir().unwrap();
    let mut spool = open(tmp.path(), BOOT);
    for n in 0..4 {
        spool.append(&report(1000), after(60 * n)).unwrap();
    }
    let batch = spool.next_batch(0, after(300)).unwrap();
    spool.kept_back(batch.id, after(300));
    spool.append(&report(0), after(1000)).unwrap();
    let written = spool.facts().flash_today;
    assert!(written > 3000, "{written}");
    drop(spool);

    // The bytes of the notes beside the reports are forgotten.
    let spool = open(tmp.path(), BOOT);
    let known = spool.facts().flash_today;
    assert!((3000..=written).contains(&known), "{known} of {written}");
}

#[test]
fn a_power_cut_is_declared_from_the_first_report_that_was_in_ram_alone() {
    let tmp = tempfile::tempdir().unwrap();
    let mut spool = open(tmp.path(), BOOT);
    spool.append(&report(0), after(100)).unwrap();
    let batch = spool.next_batch(0, after(100)).unwrap();
    spool.delivered(batch.id, after(101));
    for n in 2..6 {
        spool.append(&report(0), after(100 * n)).unwrap();
    }
    let batch = spool.next_batch(0, after(500)).unwrap();
    spool.kept_back(batch.id, after(500));
    spool.append(&report(0), after(1000)).unwrap();
    assert_eq!(files(&tmp.path().join("flash")), 1);
    drop(spool);
    fs::remove_dir_all(tmp.path().join("ram")).unwrap();

    let mut spool = open(tmp.path(), "next-boot");
    spool.append(&report(0), after(2000)).unwrap();
    let all = deliver_all(&mut spool, after(2001));
    assert_eq!(seqs(&all), [2, 3, 4, 5, 6, 1]);
    let lost = |from, to| Gap {
        from: Some(after(from).epoch),
        to: Some(after(to).epoch),
        count: None,
        reason: Reason::Power,
    };
    // Between those on flash there may have been others.
    assert_eq!(all[5].gaps, [lost(200, 1000), lost(1000, 2000)]);
}
