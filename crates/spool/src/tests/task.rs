//! The task and its handles.

use std::fs;
use std::time::Duration;

use super::*;
use crate::{run, Flash, Handle, Stopped};

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
        let facts = handle.facts();
        for _ in 0..3 {
            handle.append(report(0)).await.unwrap().unwrap();
        }
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
async fn a_handle_of_a_spool_that_ended_says_so() {
    let (handle, inbox) = Handle::new();
    drop(inbox);
    assert_eq!(handle.next_batch(1).await.unwrap_err(), Stopped);
    assert_eq!(handle.append(report(0)).await.unwrap_err(), Stopped);
}
