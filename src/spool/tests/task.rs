//! The task and its handles.

use std::fs;

use super::*;
use crate::spool::{run, Handle, Settings, Stopped};

fn settings(dir: &Path) -> Settings {
    Settings {
        dir: dir.to_path_buf(),
        boot_id: BOOT.to_owned(),
        max: LARGE,
        apart: false,
    }
}

#[tokio::test]
async fn handles_append_take_and_deliver_and_the_facts_follow() {
    let tmp = tempfile::tempdir().unwrap();
    let (handle, inbox) = Handle::new();
    let task = tokio::spawn(run(settings(&tmp.path().join("spool")), inbox));
    let facts = handle.facts();
    for at in 5..8 {
        handle.append(report(at, 0)).await.unwrap().unwrap();
    }
    assert_eq!(facts.borrow().reports, 3);
    assert_eq!(facts.borrow().oldest, Some(5));
    let batch = handle.next_batch(1 << 20).await.unwrap().unwrap();
    handle.kept_back(batch.id).await.unwrap();
    let batch = handle.next_batch(1 << 20).await.unwrap().unwrap();
    assert_eq!(seqs(&arrived(&batch.lines)), [1, 2, 3]);
    handle.delivered(batch.id).await.unwrap();
    assert_eq!((facts.borrow().reports, facts.borrow().bytes), (0, 0));
    assert!(handle.next_batch(1 << 20).await.unwrap().is_none());
    drop(handle);
    task.await.unwrap();
}

#[tokio::test]
async fn a_spool_that_cannot_be_opened_says_so_and_keeps_reports_until_it_can() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("spool");
    fs::write(&dir, "in the way").unwrap();
    let (handle, inbox) = Handle::new();
    tokio::spawn(run(settings(&dir), inbox));
    for at in 1..=70 {
        handle.append(report(at, 0)).await.unwrap().unwrap();
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
    handle.append(report(71, 0)).await.unwrap().unwrap();
    assert_eq!(facts.borrow().last_error, None);
    let batch = handle.next_batch(1 << 20).await.unwrap().unwrap();
    let out = arrived(&batch.lines);
    assert_eq!(
        out.iter().map(|a| a.at).collect::<Vec<_>>(),
        (7..=71).collect::<Vec<_>>()
    );
    assert_eq!(out[0].gaps.iter().map(|g| g.count).collect::<Vec<_>>(), [6]);
}

#[tokio::test]
async fn a_handle_of_a_spool_that_ended_says_so() {
    let (handle, inbox) = Handle::new();
    drop(inbox);
    assert_eq!(handle.next_batch(1).await.unwrap_err(), Stopped);
    assert_eq!(handle.append(report(1, 0)).await.unwrap_err(), Stopped);
}
