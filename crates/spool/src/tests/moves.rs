//! A spool that moves to other directories.

use std::fs;

use super::*;
use crate::{run, Flash, Handle};

struct Mover {
    handle: Handle,
    place: Place,
}

impl Mover {
    fn start(dir: &Path) -> Self {
        let (handle, inbox) = Handle::new();
        let settings = settings(&dir.join("first"));
        let place = settings.place.clone();
        tokio::spawn(run(settings, inbox));
        Mover { handle, place }
    }

    async fn append(&self, count: usize, pad: usize) {
        for _ in 0..count {
            self.handle.append(report(pad)).await.unwrap().unwrap();
        }
    }

    async fn settle(&self) {
        self.handle.settle(self.place.clone()).await.unwrap();
        // An answer says that it is done.
        self.handle.newest().await.unwrap();
    }

    async fn take_all(&self) -> Vec<u64> {
        let mut all = Vec::new();
        while let Some(batch) = self.handle.next_batch(2000).await.unwrap() {
            all.extend(seqs(&arrived(&batch)));
            self.handle.delivered(batch.id).await.unwrap();
        }
        all
    }
}

fn files(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}

#[tokio::test]
async fn a_spool_that_moves_takes_every_report_along_and_counts_on() {
    let tmp = tempfile::tempdir().unwrap();
    let mut mover = Mover::start(tmp.path());
    mover.append(5, 20_000).await;
    let given_out = mover.handle.next_batch(1 << 20).await.unwrap().unwrap();
    mover.place.dir = tmp.path().join("second");
    mover.settle().await;
    mover.append(1, 10).await;
    // Nobody knows any more what that batch was.
    mover.handle.delivered(given_out.id).await.unwrap();
    assert_eq!(mover.handle.facts().borrow().reports, 6);
    assert_eq!(files(&tmp.path().join("first")), 0);
    assert_eq!(mover.take_all().await, [1, 2, 3, 4, 5, 6]);
    // It counts on after a restart at the new place, too.
    let mut again = Spool::open(&tmp.path().join("second"), BOOT, LARGE).unwrap();
    again.append(&report(10), after(1)).unwrap();
    assert_eq!(seqs(&deliver_all(&mut again, after(1))), [7]);
}

#[tokio::test]
async fn what_lies_in_directories_that_are_left_is_delivered_first_and_the_archive_follows() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = |name: &str| tmp.path().join(name);
    for (boot, count) in [("one", 2), ("two", 1)] {
        let mut spool = Spool::open(&dir(boot), &format!("boot-{boot}"), LARGE).unwrap();
        for _ in 0..count {
            spool.append(&report(10), after(1)).unwrap();
        }
    }
    // Another store's, in the same directory.
    fs::write(dir("one").join("floor.new"), "floor").unwrap();
    let mut settings = settings(&dir("ram"));
    settings.place.left = vec![dir("missing"), dir("one"), dir("two")];
    settings.place.flash = Some(Flash {
        dir: dir("archive"),
        max: 1 << 20,
        daily: 1 << 20,
    });
    let (handle, inbox) = Handle::new();
    tokio::spawn(run(settings, inbox));
    let mut delivered = Vec::new();
    for _ in 0..2 {
        handle.append(report(10)).await.unwrap().unwrap();
        while let Some(batch) = handle.next_batch(1).await.unwrap() {
            let arrived = arrived(&batch);
            delivered.extend(arrived.iter().map(|one| (one.boot_id.clone(), one.seq)));
            handle.delivered(batch.id).await.unwrap();
        }
    }
    let ids: Vec<_> = delivered
        .iter()
        .map(|(boot, seq)| (boot.as_str(), *seq))
        .collect();
    assert_eq!(
        ids,
        [
            ("boot-one", 1),
            ("boot-one", 2),
            ("boot-two", 1),
            (BOOT, 1),
            (BOOT, 2)
        ]
    );
    assert_eq!(handle.facts().borrow().last_error, None);
    assert!(dir("archive").is_dir(), "the archive is in use now");
    let names: Vec<_> = fs::read_dir(dir("one")).unwrap().flatten().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(fs::read(dir("one").join("floor.new")).unwrap(), b"floor");
}

#[tokio::test]
async fn a_new_bound_holds_at_once_and_a_wrong_place_changes_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let in_the_way = tmp.path().join("file");
    fs::write(&in_the_way, "").unwrap();
    let other = tmp.path().join("other");
    drop(Spool::open(&other, "an-earlier-boot", LARGE).unwrap());
    let mut mover = Mover::start(tmp.path());
    mover.append(10, 10_000).await;
    let first = mover.place.dir.clone();
    for (place, why) in [(in_the_way, "not a directory"), (other, "other reports")] {
        mover.place.dir = place;
        mover.settle().await;
        let facts = mover.handle.facts().borrow().clone();
        assert_eq!((facts.reports, facts.dropped), (10, 0));
        let error = facts.last_error.unwrap();
        assert!(error.contains(why), "{error}");
        assert!(error.ends_with("first stays in use"), "{error}");
    }
    mover.place.dir = first;
    mover.place.max = 60_000;
    mover.settle().await;
    let facts = mover.handle.facts().borrow().clone();
    assert_eq!(facts.last_error, None);
    assert!(facts.bytes <= 60_000, "{facts:?}");
    assert_eq!(facts.reports + facts.thinned + facts.dropped, 10);
}

#[tokio::test]
async fn an_archive_comes_moves_and_goes_and_nothing_gets_lost() {
    let tmp = tempfile::tempdir().unwrap();
    let mut mover = Mover::start(tmp.path());
    mover.append(3, 100).await;
    for dir in ["one", "two"] {
        let dir = tmp.path().join(dir);
        mover.place.flash = Some(Flash {
            dir: dir.clone(),
            max: 1 << 20,
            daily: 1 << 20,
        });
        mover.settle().await;
        mover.append(1, 100).await;
        assert_eq!(mover.handle.facts().borrow().last_error, None);
        assert_eq!(files(&dir), 0);
    }
    mover.place.flash = None;
    mover.settle().await;
    mover.append(1, 100).await;
    assert_eq!(mover.take_all().await, [1, 2, 3, 4, 5, 6]);
}
