//! The task and its handles.

use std::fs;
use std::time::Duration;

use super::*;
use crate::{run, Flash, Handle, Stopped};

/// Does this process have a thread of this name?
fn has_thread(name: &str) -> bool {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let mut names =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok());
    names.any(|known| known.trim_end() == name)
}

#[tokio::test]
async fn handles_append_take_and_deliver_and_the_facts_follow() {
    for flash in [false, true] {
        let tmp = tempfile::tempdir().unwrap();
        let mut settings = settings(&tmp.path().join("spool"));
        settings.place.flash = flash.then(|| Flash {
            dir: tmp.path().join("archive"),
            max: 1 << 20,
            daily: 1 << 20,
        });
        let (handle, inbox) = Handle::new();
        let task = tokio::spawn(run(settings, inbox));
        let mut facts = handle.facts();
        for _ in 0..3 {
            facts.mark_unchanged();
            handle.append(report(0)).await.unwrap().unwrap();
            assert!(facts.has_changed().unwrap());
        }
        assert!(!flash || has_thread("spool"), "flash would hold up others");
        assert_eq!(facts.borrow().reports, 3);
        assert!(facts.borrow().oldest.is_some());
        let batch = handle.next_batch(1 << 20).await.unwrap().unwrap();
        handle.kept_back(batch.id).await.unwrap();
        let newest = handle.newest().await.unwrap().unwrap();
        assert_eq!(seqs(&arrived(&newest)), [3]);
        handle.delivered(newest.id).await.unwrap();
        let batch = handle.next_batch(1 << 20).await.unwrap().unwrap();
        assert_eq!(seqs(&arrived(&batch)), [1, 2]);
        let half = handle.halve(batch.id).await.unwrap().unwrap();
        handle.refused(half.id).await.unwrap();
        assert_eq!((facts.borrow().reports, facts.borrow().dropped), (1, 1));
        let batch = handle.next_batch(1 << 20).await.unwrap().unwrap();
        handle.delivered(batch.id).await.unwrap();
        assert_eq!(facts.borrow().reports, 0);
        assert!(handle.next_batch(1 << 20).await.unwrap().is_none());
        drop(handle);
        task.await.unwrap();
    }
}

// Row 33.
#[tokio::test]
async fn a_spool_that_cannot_be_opened_says_so_and_keeps_reports_until_it_can() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("spool");
    fs::write(&dir, "in the way").unwrap();
    let (handle, inbox) = Handle::new();
    tokio::spawn(run(settings(&dir), inbox));
    for _ in 1..=70 {
        handle.append(report(0)).await.unwrap().unwrap();
    }
    let facts = handle.facts();
    assert_eq!((facts.borrow().reports, facts.borrow().dropped), (64, 6));
    let oldest = facts.borrow().oldest.unwrap();
    assert!(Right.read().epoch.abs_diff(oldest) < 60, "{oldest}");
    let error = facts.borrow().last_error.clone().unwrap();
    assert!(
        error.contains(dir.to_str().unwrap()) && error.contains("not a directory"),
        "{error}"
    );
    assert!(handle.next_batch(1 << 20).await.unwrap().is_none());

    fs::remove_file(&dir).unwrap();
    handle.append(report(0)).await.unwrap().unwrap();
    assert_eq!(facts.borrow().last_error, None);
    let batch = handle.next_batch(1 << 20).await.unwrap().unwrap();
    let out = arrived(&batch);
    assert_eq!(seqs(&out), (1..=65).collect::<Vec<_>>());
    assert_eq!(declared(&out, Reason::Full), 6);
}

#[tokio::test]
async fn an_archive_that_cannot_be_used_is_told_and_done_without() {
    let tmp = tempfile::tempdir().unwrap();
    let archive = tmp.path().join("archive");
    fs::write(&archive, "in the way").unwrap();
    let mut settings = settings(&tmp.path().join("spool"));
    settings.place.flash = Some(Flash {
        dir: archive,
        max: 1 << 20,
        daily: 1 << 20,
    });
    let (handle, inbox) = Handle::new();
    tokio::spawn(run(settings, inbox));
    handle.append(report(0)).await.unwrap().unwrap();
    let error = handle.facts().borrow().last_error.clone().unwrap();
    assert!(error.contains("archive"), "{error}");
    let batch = handle.next_batch(1 << 20).await.unwrap().unwrap();
    assert_eq!(seqs(&arrived(&batch)), [1]);
}

#[tokio::test]
async fn what_waits_is_on_flash_when_the_task_ends_in_an_outage() {
    let tmp = tempfile::tempdir().unwrap();
    let archive = tmp.path().join("archive");
    let mut settings = settings(&tmp.path().join("spool"));
    settings.place.flash = Some(Flash {
        dir: archive.clone(),
        max: 1 << 20,
        daily: 1 << 20,
    });
    let (handle, inbox) = Handle::new();
    let task = tokio::spawn(run(settings, inbox));
    handle.append(report(0)).await.unwrap().unwrap();
    assert_eq!(
        fs::read_dir(&archive).unwrap().count(),
        0,
        "not before it has to"
    );
    let batch = handle.next_batch(1 << 20).await.unwrap().unwrap();
    handle.kept_back(batch.id).await.unwrap();
    drop(handle);
    tokio::time::timeout(Duration::from_secs(20), task)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(fs::read_dir(&archive).unwrap().count(), 1);
}

#[tokio::test]
async fn all_that_was_set_aside_is_taken_back_at_once() {
    let tmp = tempfile::tempdir().unwrap();
    let (handle, inbox) = Handle::new();
    tokio::spawn(run(settings(&tmp.path().join("spool")), inbox));
    let facts = handle.facts();
    for _ in 1..=3 {
        handle.append(report(0)).await.unwrap().unwrap();
    }
    let batch = handle.next_few(1 << 20, 2).await.unwrap().unwrap();
    handle.set_aside(batch.id).await.unwrap();
    assert_eq!((facts.borrow().reports, facts.borrow().set_aside), (3, 2));
    handle.take_back_all().await.unwrap();
    assert_eq!(facts.borrow().set_aside, 0);
    let batch = handle.next_batch(1 << 20).await.unwrap().unwrap();
    assert_eq!(seqs(&arrived(&batch)), [1, 2, 3]);
}

/// The system's clock, which only a server can say is right.
#[derive(Debug)]
struct Unconfirmed {
    wants_answer: bool,
}

impl Clock for Unconfirmed {
    fn read(&self) -> Reading {
        Right.read()
    }
    fn answered(&mut self, _: u64) {
        self.wants_answer = false;
    }
    fn wants_answer(&self) -> bool {
        self.wants_answer
    }
}

#[tokio::test]
async fn a_date_is_wanted_as_long_as_a_report_waits_and_no_server_has_told_it() {
    let tmp = tempfile::tempdir().unwrap();
    let (handle, inbox) = Handle::new();
    let clock = Box::new(Unconfirmed { wants_answer: true });
    let settings = Settings {
        clock,
        ..settings(&tmp.path().join("spool"))
    };
    tokio::spawn(run(settings, inbox));
    assert!(!handle.wants_date().await.unwrap());
    handle.append(report(0)).await.unwrap().unwrap();
    assert!(handle.wants_date().await.unwrap());
    handle.server_date(Right.read().epoch).await.unwrap();
    assert!(!handle.wants_date().await.unwrap());
}

#[tokio::test]
async fn a_handle_of_a_spool_that_ended_says_so() {
    let (handle, inbox) = Handle::new();
    drop(inbox);
    assert_eq!(handle.next_batch(1).await.unwrap_err(), Stopped);
    assert_eq!(handle.append(report(0)).await.unwrap_err(), Stopped);
}
