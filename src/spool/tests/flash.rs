//! A spool with a copy on flash.

use std::fs;

use super::*;
use crate::durable::Directory;

fn open(dir: &Path, boot: &str) -> Spool {
    let bounds = Bounds {
        flash: 16_000,
        flash_daily: 1 << 20,
        ..LARGE
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
    for n in 0..20 {
        spool.append(&report(1000), after(60 * n)).unwrap();
    }
    let batch = spool.next_batch(0, after(1200)).unwrap();
    spool.kept_back(batch.id, after(1200));
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
