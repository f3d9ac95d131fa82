//! Disks that are late or fail.

use std::path::PathBuf;

use super::*;
use crate::jobs::ledger::{Registered, Wrote};

#[tokio::test]
async fn a_job_that_the_disk_is_late_with_is_decided_when_it_answers() {
    for is_written in [true, false] {
        let dir = TempDir::new().unwrap();
        let (mut jobs, _handle, _outlets) = part(&dir).await;
        let local = |jobs: &mut Jobs| {
            let (answer, answered) = oneshot::channel();
            let request = jobs::Request {
                id: Some("here".into()),
                msg: "true".into(),
                ..jobs::Request::default()
            };
            jobs.run_local(request, answer);
            answered
        };
        let mut first = submit(&mut jobs, "1", "", "true");
        let here = local(&mut jobs);
        jobs.proceed();
        let failed = |is_late| Wrote {
            error: Some("late".into()),
            is_late,
            growth: Growth::Little,
            registered: Registered::Nothing,
        };
        jobs.wrote(failed(true));
        jobs.proceed();
        // The broker gets no acknowledgement, and does not fill the memory by asking again.
        for _ in 0..9 {
            drop(submit(&mut jobs, "1", "", "true"));
        }
        let mut again = submit(&mut jobs, "1", "", "true");
        let number = jobs.table.number(Source::Mqtt, "1").unwrap();
        assert!(first.try_recv().is_err() && again.try_recv().is_err());
        assert_eq!(jobs.live[&number].callers.len(), 2);
        let new = submit(&mut jobs, "2", "", "true").await.unwrap();
        assert!(matches!(new, Decision::Rejected { .. }));
        // A caller on the bus does not wait for the disk.
        let runs = [here, local(&mut jobs)].map(|mut run| run.try_recv().unwrap().unwrap());
        assert!(runs
            .iter()
            .all(|run| matches!(*run.stand.borrow(), Stand::Queued)));
        let answer = recording::wrote(&mut jobs.ledger).await;
        jobs.wrote(if is_written { answer } else { failed(false) });
        everything(&mut jobs).await;
        commands_have_ended(&mut jobs).await;
        jobs.attempts.due();
        everything(&mut jobs).await;
        let first = first.await.unwrap();
        assert_eq!(matches!(first, Decision::Accepted { .. }), is_written);
        assert_eq!(
            matches!(again.await.unwrap(), Decision::Known { .. }),
            is_written
        );
        for run in runs {
            let end = match &*run.stand.borrow() {
                Stand::Ended(outcome) => outcome.end,
                other => panic!("{other:?}"),
            };
            let expected = if is_written {
                End::Processed
            } else {
                End::Rejected
            };
            assert_eq!(end, expected);
        }
        let is_known = jobs.table.known(Source::Mqtt, "1").is_some();
        assert_eq!((is_known, jobs.can_record()), (is_written, true));
    }
}

#[tokio::test]
async fn a_change_of_the_directory_is_followed_while_the_one_that_was_left_cannot_be_used() {
    for hangs in [true, false] {
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["state", "left"] {
            std::fs::write(at(name), "a file in its place").unwrap();
        }
        let (mut jobs, _handle, _outlets) = part(&dir).await;
        let options = steered(&mut jobs);
        let mut jobs = jobs.coming_from(Some(at("left")), Vec::new());
        if hangs {
            jobs.opening = Some(Opening {
                path: at("left"),
                work: Box::pin(std::future::pending()),
            });
        } else {
            jobs.open_first().await;
            assert!(jobs.opening.is_none() && jobs.ledger.is_none());
        }
        // Another option has changed.
        jobs.follow_state_dir();
        assert_eq!(jobs.opening.as_ref().unwrap().path, at("left"));
        options.send_modify(|it| it.state_dir = at("good"));
        jobs.follow_state_dir();
        assert_eq!(jobs.opening.as_ref().unwrap().path, at("good"));
        let opened = opening::opened(&mut jobs.opening).await;
        jobs.opened(opened);
        assert!(jobs.can_record());
        // Its ids count when its disk answers.
        assert_eq!(jobs.others.len(), 1);
    }
}

/// The disk is at work with the ledger until the sender is dropped.
fn hangs(jobs: &mut Jobs) -> std::sync::mpsc::Sender<()> {
    let (hanging, hangs) = jobs.ledger.take().unwrap().hanging();
    jobs.ledger = Some(hanging);
    hangs
}

/// Has the option name the directory `other`, and the part take what its disk answers; its path.
async fn other_is_open(
    jobs: &mut Jobs,
    options: &watch::Sender<jobs::Settings>,
    dir: &TempDir,
) -> PathBuf {
    options.send_modify(|it| it.state_dir = dir.path().join("other"));
    jobs.follow_state_dir();
    let (path, opened) = opening::answered(&mut jobs.others).await;
    jobs.answered(&path, opened);
    path
}

/// The part with its ledger in the directory `other`, while the disk is at work with the one in `state`.
async fn moved(
    dir: &TempDir,
) -> (
    Jobs,
    watch::Sender<jobs::Settings>,
    std::sync::mpsc::Sender<()>,
) {
    let (mut jobs, _handle, _outlets) = part(dir).await;
    let options = steered(&mut jobs);
    drop(submit(&mut jobs, "1", "", "true"));
    everything(&mut jobs).await;
    commands_have_ended(&mut jobs).await;
    everything(&mut jobs).await;
    let hangs = hangs(&mut jobs);
    let path = other_is_open(&mut jobs, &options, dir).await;
    everything(&mut jobs).await;
    assert_eq!(jobs.ledger.as_ref().unwrap().path(), path);
    (jobs, options, hangs)
}

#[tokio::test]
async fn a_ledger_does_not_move_back_before_the_disk_has_done_its_work_there() {
    let dir = TempDir::new().unwrap();
    let (mut jobs, options, hangs) = moved(&dir).await;
    let state = dir.path().join("state");
    options.send_modify(|it| it.state_dir.clone_from(&state));
    jobs.follow_state_dir();
    let soon = Duration::from_millis(200);
    let opened = tokio::time::timeout(soon, opening::answered(&mut jobs.others)).await;
    assert!(opened.is_err(), "two threads are at work with one ledger");
    drop(hangs);
    let (path, opened) = opening::answered(&mut jobs.others).await;
    jobs.answered(&path, opened);
    everything(&mut jobs).await;
    all_left(&mut jobs).await;
    assert_eq!(jobs.ledger.as_ref().unwrap().path(), state);
    assert!(state.join("jobs").exists() && !dir.path().join("other/jobs").exists());
}

#[tokio::test]
async fn a_ledger_that_was_left_is_removed_when_its_disk_has_done_its_work() {
    let dir = TempDir::new().unwrap();
    let (mut jobs, _options, hangs) = moved(&dir).await;
    let left = dir.path().join("state/jobs");
    assert!(left.exists(), "the disk would put it in place again");
    drop(hangs);
    all_left(&mut jobs).await;
    assert!(!left.exists() && dir.path().join("other/jobs").exists());
}

#[tokio::test]
async fn a_ledger_moves_when_the_disk_has_the_batch_and_nothing_waits_for_that() {
    let dir = TempDir::new().unwrap();
    let (mut jobs, _handle, _outlets) = part(&dir).await;
    let options = steered(&mut jobs);
    let first = submit(&mut jobs, "1", "", "true");
    assert!(jobs.table.take_batch(jobs.now()).is_some());
    let hangs = hangs(&mut jobs);
    let path = other_is_open(&mut jobs, &options, &dir).await;
    jobs.follow_state_dir();
    assert!(jobs.others.is_empty(), "it is opened twice");
    let second = submit(&mut jobs, "2", "", "true");
    jobs.proceed();
    assert_ne!(jobs.ledger.as_ref().unwrap().path(), path);
    drop(hangs);
    let wrote = recording::wrote(&mut jobs.ledger).await;
    jobs.wrote(wrote);
    jobs.proceed();
    jobs.move_on();
    assert_eq!(jobs.ledger.as_ref().unwrap().path(), path);
    everything(&mut jobs).await;
    commands_have_ended(&mut jobs).await;
    everything(&mut jobs).await;
    for decision in [first, second] {
        assert!(matches!(decision.await, Ok(Decision::Accepted { .. })));
    }
}

#[tokio::test]
async fn jobs_for_the_ledger_to_move_to_are_recorded_there_though_the_disk_before_is_late_or_fails()
{
    for is_late in [true, false] {
        let dir = TempDir::new().unwrap();
        let (mut jobs, _handle, _outlets) = part(&dir).await;
        let options = steered(&mut jobs);
        let first = submit(&mut jobs, "1", "", "true");
        assert!(jobs.table.take_batch(jobs.now()).is_some());
        let _hangs = hangs(&mut jobs);
        other_is_open(&mut jobs, &options, &dir).await;
        let second = submit(&mut jobs, "2", "", "true");
        jobs.proceed();
        jobs.wrote(Wrote {
            error: Some("disk".into()),
            is_late,
            growth: Growth::Little,
            registered: Registered::Nothing,
        });
        jobs.move_on();
        everything(&mut jobs).await;
        commands_have_ended(&mut jobs).await;
        everything(&mut jobs).await;
        for decision in [first, second] {
            let decision = decision.await;
            assert!(
                matches!(decision, Ok(Decision::Accepted { .. })),
                "{is_late}: {decision:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_disk_to_move_to_is_not_waited_for_because_the_one_before_has_failed() {
    let dir = TempDir::new().unwrap();
    let (mut jobs, _handle, _outlets) = part(&dir).await;
    let options = steered(&mut jobs);
    jobs.attempts.failed();
    assert!(!jobs.can_record());
    other_is_open(&mut jobs, &options, &dir).await;
    let job = submit(&mut jobs, "1", "", "true");
    everything(&mut jobs).await;
    assert!(matches!(job.await, Ok(Decision::Accepted { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_cannot_be_removed_is_tried_again_in_an_hour() {
    let dir = TempDir::new().unwrap();
    let (mut jobs, _options, hangs) = moved(&dir).await;
    let left = dir.path().join("state/jobs");
    std::fs::remove_file(&left).unwrap();
    std::fs::create_dir(&left).unwrap();
    drop(hangs);
    all_left(&mut jobs).await;
    assert!(left.exists());
    std::fs::remove_dir(&left).unwrap();
    std::fs::write(&left, "again").unwrap();
    jobs.remove_left();
    assert!(jobs.leaving.is_empty(), "an hour has not passed");
    tokio::time::advance(Duration::from_secs(3600)).await;
    jobs.remove_left();
    all_left(&mut jobs).await;
    assert!(!left.exists());
}

#[tokio::test]
async fn a_ledger_beside_that_is_not_wanted_is_taken_in_and_removed() {
    let dir = TempDir::new().unwrap();
    let (mut left, _handle, _outlets) = part(&dir).await;
    drop(submit(&mut left, "1", "", "sleep 300"));
    everything(&mut left).await;
    let state = dir.path().join("state");
    drop(left);
    let copy = dir.path().join("copy");
    std::fs::rename(&state, &copy).unwrap();

    let (mut jobs, _handle, _outlets) = part(&dir).await;
    drop(submit(&mut jobs, "2", "", "true"));
    everything(&mut jobs).await;
    let opening = jobs.opening_of(copy.clone());
    jobs.others.push(opening);
    let (path, opened) = opening::answered(&mut jobs.others).await;
    jobs.answered(&path, opened);
    everything(&mut jobs).await;
    all_left(&mut jobs).await;
    assert_eq!(jobs.ledger.as_ref().unwrap().path(), state);
    assert!(!copy.join("jobs").exists(), "its job could run again");
    let number = jobs.table.number(Source::Mqtt, "1").unwrap();
    assert_eq!(jobs.table.outcome(number).unwrap().end, End::Interrupted);
}

/// Says where ledgers are, in the order in which that was told.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl jobs::Whereabouts for Told {
    fn begins(&self, dir: &Path) {
        // Nothing is recorded there yet.
        let name = dir.file_name().unwrap().to_string_lossy();
        let text = format!("{name} begins {}", dir.join("jobs").exists());
        self.0.lock().unwrap().push(text);
    }

    fn is_gone(&self, dir: &Path) {
        let name = dir.file_name().unwrap().to_string_lossy();
        let text = format!("{name} is gone {}", !dir.join("jobs").exists());
        self.0.lock().unwrap().push(text);
    }
}

#[tokio::test]
async fn the_next_agent_is_told_of_every_directory_that_may_have_a_ledger() {
    let dir = TempDir::new().unwrap();
    let (jobs, _handle, _outlets) = part(&dir).await;
    let told = Arc::new(Told::default());
    let mut jobs = jobs.noted_by(told.clone());
    let options = steered(&mut jobs);
    drop(submit(&mut jobs, "1", "", "sleep 300"));
    everything(&mut jobs).await;
    options.send_modify(|it| it.state_dir = dir.path().join("other"));
    jobs.follow_state_dir();
    let (path, opened) = opening::answered(&mut jobs.others).await;
    assert_eq!(*told.0.lock().unwrap(), ["other begins false"]);
    jobs.answered(&path, opened);
    everything(&mut jobs).await;
    all_left(&mut jobs).await;
    let expected = ["other begins false", "state is gone true"];
    assert_eq!(*told.0.lock().unwrap(), expected);
}

#[tokio::test]
async fn ledgers_that_earlier_agents_left_are_taken_in_and_removed() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    for name in ["one", "two"] {
        let (mut left, _handle, _outlets) = part(&dir).await;
        drop(submit(&mut left, name, "", "sleep 300"));
        everything(&mut left).await;
        drop(left);
        std::fs::rename(at("state"), at(name)).unwrap();
    }
    let (jobs, _handle, _outlets) = unopened(&dir);
    let mut jobs = jobs.coming_from(None, vec![at("one"), at("two")]);
    jobs.open_first().await;
    for _ in 0..2 {
        let (path, opened) = opening::answered(&mut jobs.others).await;
        jobs.answered(&path, opened);
        everything(&mut jobs).await;
    }
    all_left(&mut jobs).await;
    for name in ["one", "two"] {
        assert!(!at(name).join("jobs").exists());
        let number = jobs.table.number(Source::Mqtt, name).unwrap();
        assert_eq!(jobs.table.outcome(number).unwrap().end, End::Interrupted);
    }
}
