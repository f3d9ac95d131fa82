//! The driver of the table, one step after the other.

mod disks;

use std::future::ready;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Mutex;

use serde_json::json;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::config::Config;
use crate::jobs::{self, Decision, Doing, End, Judged, Outlets, Ran, Source, Ticket};

const GRACE: Duration = Duration::from_secs(4);

/// The part on this device.
fn unopened(dir: &TempDir) -> (Jobs, jobs::Handle, Outlets) {
    let config = Config {
        state_dir: dir.path().join("state"),
        ..Config::default()
    };
    let options = watch::channel((&config).into()).1;
    let mac = watch::channel("aa:bb:cc:00:11:22".parse().unwrap()).1;
    jobs::new(options, mac)
}

/// The same, with its ledger open.
async fn part(dir: &TempDir) -> (Jobs, jobs::Handle, Outlets) {
    let (mut jobs, handle, outlets) = unopened(dir);
    jobs.open_first().await;
    (jobs, handle, outlets)
}

/// Options of this part, for a test to change.
fn steered(jobs: &mut Jobs) -> watch::Sender<jobs::Settings> {
    let options = watch::Sender::new(jobs.options.borrow().clone());
    jobs.options = options.subscribe();
    options
}

/// Does everything there is to do, and waits for the disk.
async fn everything(jobs: &mut Jobs) {
    jobs.proceed();
    while !jobs.table.is_settled() {
        let wrote = recording::wrote(&mut jobs.ledger).await;
        jobs.wrote(wrote);
        jobs.proceed();
    }
}

/// Waits until the disks are done with everything that was left.
async fn all_left(jobs: &mut Jobs) {
    while !jobs.leaving.is_empty() {
        let (path, done) = opening::answered(&mut jobs.leaving).await;
        jobs.has_left(path, done);
    }
}

#[tokio::test]
async fn a_job_whose_start_becomes_certain_while_the_agent_ends_is_interrupted_and_does_not_start()
{
    for type_name in ["", "network", "reboot"] {
        let dir = TempDir::new().unwrap();
        let (mut jobs, _handle, _outlets) = part(&dir).await;
        jobs.close(GRACE);
        let payload = json!({"id": "1", "meta": {"type": type_name, "msg": "exec sleep 300"}});
        let (decision, decided) = oneshot::channel();
        // The disk has not taken it when the end begins.
        jobs.submit(&payload.to_string().into(), Source::Mqtt, decision);
        everything(&mut jobs).await;
        let id = "1".to_owned();
        assert_eq!(decided.await, Ok(Decision::Accepted { id }));
        assert!(jobs.workers.is_empty(), "'{type_name}' has started");
        let number = jobs.table.number(Source::Mqtt, "1").unwrap();
        let outcome = jobs.table.outcome(number).expect("it has ended");
        assert_eq!(outcome.end, End::Interrupted);
        assert_eq!(outcome.reason.as_deref(), Some("the agent stopped"));
        assert!(!jobs.outbox.is_settled(), "the result waits for the broker");
    }
}

/// Hands in a message of the broker.
fn submit(jobs: &mut Jobs, id: &str, type_name: &str, msg: &str) -> oneshot::Receiver<Decision> {
    let payload = json!({"id": id, "meta": {"type": type_name, "msg": msg}});
    let (decision, decided) = oneshot::channel();
    jobs.submit(&payload.to_string().into(), Source::Mqtt, decision);
    decided
}

/// Waits until no command runs.
async fn commands_have_ended(jobs: &mut Jobs) {
    while !jobs.workers.is_empty() {
        let (number, ended) = jobs.workers.ended().await;
        jobs.worker_ended(number, ended);
    }
}

#[tokio::test]
async fn pings_and_cancels_are_answered_while_the_agent_ends() {
    let dir = TempDir::new().unwrap();
    let (mut jobs, _handle, _outlets) = part(&dir).await;
    drop(submit(&mut jobs, "runs", "", "exec sleep 300"));
    everything(&mut jobs).await;
    // It runs with no other job.
    drop(submit(&mut jobs, "waits", "network", "true"));
    everything(&mut jobs).await;
    jobs.close(GRACE);
    drop(submit(&mut jobs, "ping", "ping", ""));
    drop(submit(&mut jobs, "cancel", "cancel", "waits"));
    everything(&mut jobs).await;
    let outcome = |id| {
        let number = jobs.table.number(Source::Mqtt, id).unwrap();
        jobs.table.outcome(number).expect("it has ended").clone()
    };
    assert!(outcome("ping").success && outcome("cancel").success);
    let reason = outcome("waits").reason.clone();
    assert_eq!(reason.as_deref(), Some("cancelled before it started"));
    commands_have_ended(&mut jobs).await;
}

/// A guard that has the trial of an earlier agent's job, and counts those that begin.
#[derive(Default)]
struct Left {
    armed: AtomicU32,
    /// Trials that were settled before one was armed.
    settled: Mutex<Vec<String>>,
    /// Was the state directory there when it got ready?
    prepared: Mutex<Vec<bool>>,
}

impl Guard for Left {
    fn starts(&self) {}

    fn abandoned(&self) {}

    fn arm(&self, _ticket: Ticket) -> Doing<Result<(), String>> {
        self.armed.fetch_add(1, Ordering::Relaxed);
        Box::pin(ready(Ok(())))
    }

    fn ended(&self, _: Ticket, _: bool, _: Option<Ran>) -> Doing<Option<Judged>> {
        Box::pin(ready(Some(Judged::default())))
    }

    fn settled(&self, key: String) {
        if self.armed.load(Ordering::Relaxed) == 0 {
            self.settled.lock().unwrap().push(key);
        }
    }

    fn prepare(&self, state_dir: &Path) -> Doing<()> {
        let is_there = state_dir.is_dir();
        self.prepared.lock().unwrap().push(is_there);
        Box::pin(ready(()))
    }

    fn left(&self) -> Option<String> {
        Some("63f7f2ef43cc92ee".into())
    }

    fn concerns(&self, _key: &str) -> bool {
        false
    }
}

#[tokio::test]
async fn no_network_job_takes_the_place_of_a_trial_that_the_ledger_may_wait_for() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("state"), "a file in its place").unwrap();
    let (jobs, handle, _outlets) = part(&dir).await;
    let guard = Arc::new(Left::default());
    let mut jobs = jobs.watched_by(guard.clone());
    let (answer, answered) = oneshot::channel();
    let request = jobs::Request {
        msg: "true".into(),
        type_name: "network".into(),
        ..jobs::Request::default()
    };
    jobs.run_local(request, answer);
    everything(&mut jobs).await;
    commands_have_ended(&mut jobs).await;
    assert_eq!(guard.armed.load(Ordering::Relaxed), 0);
    let refused = answered.await.unwrap().unwrap_err();
    assert!(
        refused.to_string().contains("an earlier network job"),
        "{refused}"
    );
    drop(handle);
}

#[tokio::test]
async fn the_guard_looks_for_a_trial_once_the_disk_has_given_the_ledger() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state");
    std::fs::write(&state, "a file in its place").unwrap();
    let (jobs, _handle, _outlets) = part(&dir).await;
    let guard = Arc::new(Left::default());
    let mut jobs = jobs.watched_by(guard.clone());
    jobs.open();
    assert!(opening::opened(&mut jobs.opening).await.is_err());
    jobs.opening = None;
    std::fs::remove_file(&state).unwrap();
    jobs.open();
    let opened = opening::opened(&mut jobs.opening).await;
    assert_eq!(*guard.prepared.lock().unwrap(), [true]);
    jobs.opened(opened);
    assert!(jobs.can_record());
}

#[tokio::test]
async fn a_trial_found_after_the_ledger_was_read_holds_up_no_network_job() {
    let dir = TempDir::new().unwrap();
    let (jobs, _handle, _outlets) = part(&dir).await;
    let guard = Arc::new(Left::default());
    let mut jobs = jobs.watched_by(guard.clone());
    drop(submit(&mut jobs, "1", "network", "true"));
    everything(&mut jobs).await;
    commands_have_ended(&mut jobs).await;
    assert_eq!(guard.armed.load(Ordering::Relaxed), 1);
    assert_eq!(*guard.settled.lock().unwrap(), ["63f7f2ef43cc92ee"]);
}

#[tokio::test]
async fn a_ledger_that_could_not_be_opened_is_tried_at_once_when_the_settings_change() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("state"), "a file in its place").unwrap();
    let (mut jobs, _handle, _outlets) = part(&dir).await;
    assert!(jobs.opening.is_none() && jobs.attempts.next().is_some());
    jobs.follow_state_dir();
    assert!(jobs.opening.is_some());
}

#[tokio::test]
async fn a_ledger_on_a_disk_that_hangs_is_given_up_for_one_in_another_directory() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("state"), "a file in its place").unwrap();
    let (mut jobs, _handle, _outlets) = part(&dir).await;
    let options = steered(&mut jobs);
    let wants = |name: &str| options.send_modify(|it| it.state_dir = dir.path().join(name));
    let hangs = Arc::new(());
    let disk = Arc::clone(&hangs);
    jobs.opening = Some(Opening {
        path: dir.path().join("state"),
        work: Box::pin(async move {
            let _disk = disk;
            std::future::pending().await
        }),
    });
    for name in ["good", "state", "good"] {
        wants(name);
        jobs.follow_state_dir();
        let opening = jobs.opening.as_ref().expect("it is on its way");
        assert_eq!(opening.path, dir.path().join(name));
        // An opening that hangs is gone on with when its ledger is wanted again.
        assert_eq!(Arc::strong_count(&hangs), 2);
    }
    let opened = opening::opened(&mut jobs.opening).await;
    jobs.opened(opened);
    assert!(jobs.can_record());
    assert_eq!(Arc::strong_count(&hangs), 2);
}

#[tokio::test]
async fn a_ledger_does_not_move_where_a_disk_is_still_at_work_with_another() {
    let dir = TempDir::new().unwrap();
    let (mut jobs, _handle, _outlets) = part(&dir).await;
    let options = steered(&mut jobs);
    let other = dir.path().join("other");
    let (disk, hangs) = oneshot::channel();
    jobs.others.push(Opening {
        path: other.clone(),
        work: Box::pin(async { hangs.await.unwrap() }),
    });
    options.send_modify(|it| it.state_dir.clone_from(&other));
    jobs.follow_state_dir();
    let path = |jobs: &Jobs| jobs.ledger.as_ref().unwrap().path().to_owned();
    assert_eq!(path(&jobs), dir.path().join("state"));
    assert_eq!(jobs.others.len(), 1);
    let opened = crate::jobs::ledger::Ledger::open(other.clone(), GRACE, None).await;
    assert!(disk.send(opened).is_ok());
    let (path_of, opened) = opening::answered(&mut jobs.others).await;
    jobs.answered(&path_of, opened);
    assert!(jobs.others.is_empty());
    assert_eq!(path(&jobs), other);
}

#[tokio::test]
async fn a_ledger_that_is_moved_back_is_not_removed_as_the_one_that_was_left() {
    let dir = TempDir::new().unwrap();
    let (mut jobs, _handle, _outlets) = part(&dir).await;
    let options = steered(&mut jobs);
    drop(submit(&mut jobs, "1", "", "true"));
    everything(&mut jobs).await;
    commands_have_ended(&mut jobs).await;
    everything(&mut jobs).await;
    let at = |name: &str| dir.path().join(name);
    let wants = |name: &str| options.send_modify(|it| it.state_dir = at(name));
    wants("other");
    jobs.follow_state_dir();
    let (path, opened) = opening::answered(&mut jobs.others).await;
    jobs.answered(&path, opened);
    wants("state");
    jobs.follow_state_dir();
    everything(&mut jobs).await;
    assert!(at("state/jobs").exists());
    let (path, opened) = opening::answered(&mut jobs.others).await;
    jobs.answered(&path, opened);
    everything(&mut jobs).await;
    all_left(&mut jobs).await;
    assert!(at("state/jobs").exists() && !at("other/jobs").exists());
}

#[tokio::test]
async fn ids_of_a_ledger_that_was_left_unread_count_when_its_disk_answers() {
    let (dir, left) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (mut before, _handle, _outlets) = part(&left).await;
    drop(submit(&mut before, "1", "", "true"));
    everything(&mut before).await;
    commands_have_ended(&mut before).await;
    let (mut jobs, _handle, _outlets) = part(&dir).await;
    let unread = jobs.opening_of(left.path().join("state"));
    jobs.others.push(unread);
    let (path, opened) = opening::answered(&mut jobs.others).await;
    jobs.answered(&path, opened);
    everything(&mut jobs).await;
    assert!(jobs.table.known(Source::Mqtt, "1").is_some());
    let ledger = jobs.ledger.as_ref().unwrap();
    assert_eq!(ledger.path(), dir.path().join("state"));
}

#[tokio::test]
async fn a_cancel_says_when_jobs_that_were_recorded_are_not_known_yet() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("state"), "a file in its place").unwrap();
    let (mut jobs, _handle, _outlets) = part(&dir).await;
    drop(submit(&mut jobs, "cancel", "cancel", "waits"));
    everything(&mut jobs).await;
    let number = jobs.table.number(Source::Mqtt, "cancel").unwrap();
    let outcome = jobs.table.outcome(number).expect("it has ended");
    let reason = outcome.reason.as_deref().unwrap();
    assert!(
        !outcome.success && reason.contains("cannot be read yet"),
        "{reason}"
    );
}
