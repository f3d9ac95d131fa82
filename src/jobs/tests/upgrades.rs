//! Upgrades as the jobs part drives them, with somebody who only says that he carries them out.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Mutex;

use super::*;
use crate::jobs::outcome::End;
use crate::process::clock::Reading;

/// Carries out nothing.
pub(super) struct Fake {
    due: Mutex<Due>,
    /// Keys of the upgrades that were begun, resumed, recorded and taken.
    log: Mutex<Vec<String>>,
    /// The outcome of what runs; dropped, the next agent knows it.
    outcome: watch::Sender<Option<Outcome>>,
    hold: watch::Sender<Hold>,
    held: watch::Sender<bool>,
    left: Option<String>,
    /// The ledger that came along with an image.
    pub(super) carried: Option<PathBuf>,
    /// The times that it cannot be read.
    pub(super) unread: AtomicU32,
    /// The next upgrade to run can be stopped.
    stoppable: bool,
}

impl Fake {
    pub(super) fn new() -> Self {
        Fake {
            due: Mutex::new(Due::Now),
            log: Mutex::default(),
            outcome: watch::Sender::new(None),
            hold: watch::Sender::new(Hold::Nothing),
            held: watch::Sender::new(false),
            left: None,
            carried: None,
            unread: AtomicU32::new(0),
            stoppable: true,
        }
    }

    fn note(&self, words: &str, key: &str) {
        self.log.lock().unwrap().push(format!("{words} {key}"));
    }

    fn ends(&self, end: End, reason: Option<&str>) {
        let reason = reason.map(str::to_owned);
        let outcome = Outcome::without_command(end, UPGRADE, reason);
        self.outcome.send_replace(Some(outcome));
    }
}

impl Upgrades for Fake {
    fn check(&self, msg: &str) -> Result<(), String> {
        match msg {
            "bad" => Err("url is missing".to_owned()),
            _ => Ok(()),
        }
    }

    fn due(&self, _msg: &str, clock: Reading, _waited: Duration) -> Due {
        assert!(clock.synced);
        self.due.lock().unwrap().clone()
    }

    fn waits(&self, _next: Option<(&str, Duration)>) {}

    fn run(&self, ticket: Ticket, _msg: String, stopped: Doing<bool>) -> Doing<Option<Outcome>> {
        self.note("run", &ticket.id);
        let mut outcome = self.outcome.subscribe();
        outcome.mark_unchanged();
        let stopped = self.stoppable.then_some(stopped);
        Box::pin(async move {
            let stopped = async {
                match stopped {
                    Some(stopped) => stopped.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                is_cancelled = stopped => {
                    let (end, why) = match is_cancelled {
                        true => (End::Processed, "cancelled"),
                        false => (End::Interrupted, "the agent stopped"),
                    };
                    Some(Outcome::without_command(end, UPGRADE, Some(why.to_owned())))
                }
                Ok(()) = outcome.changed() => outcome.borrow().clone(),
            }
        })
    }

    fn resume(&self, ticket: Ticket) -> Doing<Option<Outcome>> {
        self.note("resume", &ticket.id);
        Box::pin(async { Some(Outcome::without_command(End::Processed, UPGRADE, None)) })
    }

    fn prepare(&self, state_dir: &Path) -> Doing<Result<(), String>> {
        let unread = self.unread.load(Ordering::Relaxed);
        if unread > 0 {
            self.unread.store(unread - 1, Ordering::Relaxed);
            return Box::pin(std::future::ready(Err("cannot be read".to_owned())));
        }
        if let Some(carried) = &self.carried {
            // As long as the directory is not usable, it stays where it is.
            let _ = std::fs::rename(carried, state_dir.join("jobs"));
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn left(&self) -> Option<String> {
        self.left.clone()
    }

    fn recorded(&self, key: &str) {
        self.note("recorded", key);
    }

    fn taken(&self, key: &str) {
        self.note("taken", key);
    }

    fn hold(&self) -> watch::Receiver<Hold> {
        self.hold.subscribe()
    }

    fn held(&self) {
        self.held.send_replace(true);
    }
}

const GRACE: Duration = Duration::from_secs(4);

fn rig(fake: &Arc<Fake>) -> Rig {
    let fake = Arc::clone(fake);
    Rig::of(config(), GRACE, |jobs| jobs.upgraded_by(fake))
}

fn upgrade(id: &str, msg: &str) -> String {
    json!({"id": id, "meta": {"msg": msg, "type": "upgrade"}}).to_string()
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let looking = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, looking).await.expect(what);
}

async fn has_run(fake: &Fake, id: &str) {
    let line = format!("run {id}");
    until(&line, || fake.log.lock().unwrap().contains(&line)).await;
}

async fn state(rig: &Rig, id: &str) -> State {
    rig.handle.job(id).await.unwrap().unwrap().summary.state
}

#[tokio::test]
async fn an_upgrade_takes_no_worker_and_there_is_one_at_a_time() {
    let fake = Arc::new(Fake::new());
    let mut rig = rig(&fake);
    let dir = TempDir::new().unwrap();
    let gate = fifo(&dir, "gate");
    let wait = format!("cat {}", gate.display());
    for id in ["a", "b"] {
        rig.job(id, &wait).await;
    }
    rig.submit(upgrade("u-1", "x")).await;
    rig.submit(upgrade("u-2", "x")).await;
    has_run(&fake, "u-1").await;
    assert_eq!(state(&rig, "u-1").await, State::Running);
    assert_eq!(state(&rig, "u-2").await, State::Queued);
    let facts = *rig.handle.facts().borrow();
    assert_eq!((facts.running, facts.queued), (2, 1));
    fake.ends(End::Processed, None);
    let result = rig.result().await;
    assert_eq!(
        (&result["id"], &result["meta"]["success"]),
        (&json!("u-1"), &json!(true))
    );
    has_run(&fake, "u-2").await;
    fake.ends(End::Processed, Some("no room in /tmp"));
    let result = rig.result().await;
    assert_eq!(result["id"], "u-2");
    assert_eq!(result["meta"]["reason"], "no room in /tmp");
    assert_eq!(result["meta"]["type"], "upgrade");
    std::fs::write(&gate, "").unwrap();
    let key = |id| table::Key::new(Source::Mqtt, id).to_string();
    let expected = ["recorded", "taken"].map(|word| format!("{word} {}", key("u-1")));
    until("told", || {
        let log = fake.log.lock().unwrap();
        expected.iter().all(|line| log.contains(line))
    })
    .await;
}

#[tokio::test]
async fn what_is_no_upgrade_is_rejected_and_its_id_is_free() {
    let fake = Arc::new(Fake::new());
    let mut rig = rig(&fake);
    let decision = rig.submit(upgrade("u-1", "bad")).await;
    let reason = "url is missing".to_owned();
    let id = Some("u-1".to_owned());
    assert_eq!(decision, Decision::Rejected { id, reason });
    assert_eq!(rig.reply().await["event_type"], "REJECTED");
    let decision = rig.submit(upgrade("u-1", "good")).await;
    assert!(matches!(decision, Decision::Accepted { .. }));
    has_run(&fake, "u-1").await;
    // Without anybody who carries it out there is no upgrade.
    let rig = Rig::new();
    let decision = rig.submit(upgrade("u-1", "x")).await;
    assert!(matches!(decision, Decision::Rejected { .. }));
}

#[tokio::test]
async fn an_upgrade_that_waits_is_looked_at_again_when_the_rules_for_its_address_change() {
    let fake = Arc::new(Fake::new());
    *fake.due.lock().unwrap() = Due::In(Duration::from_secs(3600));
    let rig = rig(&fake);
    rig.submit(upgrade("u-1", "x")).await;
    assert_eq!(state(&rig, "u-1").await, State::Queued);
    *fake.due.lock().unwrap() = Due::Now;
    rig.options.send_modify(|options| options.insecure = true);
    has_run(&fake, "u-1").await;
}

#[tokio::test]
async fn an_upgrade_waits_for_its_time_unless_it_expires_or_is_cancelled() {
    let fake = Arc::new(Fake::new());
    *fake.due.lock().unwrap() = Due::In(Duration::from_secs(3600));
    let mut rig = rig(&fake);
    rig.submit(upgrade("u-1", "x")).await;
    assert_eq!(state(&rig, "u-1").await, State::Queued);
    // Others do not wait for it.
    assert_eq!(rig.meta("a", "echo a").await["msg"], "a\n");
    let cancel = json!({"id": "c-1", "meta": {"msg": "u-1", "type": "cancel"}});
    rig.submit(cancel.to_string()).await;
    let mut results = [rig.result().await, rig.result().await];
    results.sort_by_key(|result| result["id"].to_string());
    assert_eq!(results[0]["meta"]["success"], true);
    assert_eq!(results[1]["id"], "u-1");
    assert_eq!(results[1]["meta"]["reason"], "cancelled before it started");

    let expires = crate::process::clock::epoch_seconds() + 1;
    let job = json!({"id": "u-2", "expires": expires, "meta": {"msg": "x", "type": "upgrade"}});
    *fake.due.lock().unwrap() = Due::In(Duration::from_millis(1500));
    rig.submit(job.to_string()).await;
    let result = rig.result().await;
    assert_eq!(
        (&result["id"], &result["event_type"]),
        (&json!("u-2"), &json!("REJECTED"))
    );

    *fake.due.lock().unwrap() = Due::Never("no clock".to_owned());
    rig.submit(upgrade("u-3", "x")).await;
    let result = rig.result().await;
    assert_eq!(
        (&result["id"], &result["event_type"]),
        (&json!("u-3"), &json!("PROCESSED"))
    );
    assert_eq!(result["meta"]["success"], false);
    assert_eq!(result["meta"]["reason"], "no clock");
    assert_eq!(
        fake.log
            .lock()
            .unwrap()
            .iter()
            .filter(|line| line.starts_with("run"))
            .count(),
        0
    );
}

#[tokio::test]
async fn an_upgrade_is_cancelled_up_to_a_point() {
    for stoppable in [true, false] {
        let fake = Arc::new(Fake {
            stoppable,
            ..Fake::new()
        });
        let mut rig = rig(&fake);
        rig.submit(upgrade("u-1", "x")).await;
        has_run(&fake, "u-1").await;
        let cancel = json!({"id": "c-1", "meta": {"msg": "u-1", "type": "cancel"}});
        rig.submit(cancel.to_string()).await;
        let result = rig.result().await;
        if stoppable {
            let other = rig.result().await;
            let results = [&result["id"], &other["id"]];
            assert!(results.contains(&&json!("u-1")) && results.contains(&&json!("c-1")));
        } else {
            assert_eq!(result["id"], "c-1");
            assert_eq!(
                result["meta"]["reason"],
                "the upgrade can no longer be stopped"
            );
            assert_eq!(state(&rig, "u-1").await, State::Running);
        }
    }
}

#[tokio::test]
async fn while_a_hold_lasts_no_job_starts_and_then_nothing_moves() {
    let fake = Arc::new(Fake::new());
    let mut rig = rig(&fake);
    fake.hold.send_replace(Hold::Starts);
    rig.job("a", "echo a").await;
    rig.submit(upgrade("u-1", "x")).await;
    assert_eq!(state(&rig, "a").await, State::Queued);
    fake.hold.send_replace(Hold::Ledger);
    let mut held = fake.held.subscribe();
    timeout(DEADLINE, held.wait_for(|held| *held))
        .await
        .unwrap()
        .unwrap();
    let payload = json!({"id": "b", "meta": {"msg": "echo b"}}).to_string();
    let pending = rig.handle.submit(payload.into(), Source::Mqtt).unwrap();
    let waited = timeout(Duration::from_millis(100), pending).await;
    assert!(waited.is_err(), "nobody has acknowledged it");
    fake.hold.send_replace(Hold::Nothing);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let result = rig.result().await;
        ids.push(result["id"].as_str().unwrap().to_owned());
    }
    ids.sort();
    assert_eq!(ids, ["a", "b"]);
    has_run(&fake, "u-1").await;
}

#[tokio::test]
async fn the_next_agent_tells_what_came_of_an_upgrade() {
    for known in [true, false] {
        let fake = Arc::new(Fake::new());
        let first = rig(&fake);
        first.submit(upgrade("u-1", "x")).await;
        has_run(&fake, "u-1").await;
        first.task.abort();
        let _ = first.task.await;
        drop(first.replies);
        let key = table::Key::new(Source::Mqtt, "u-1").to_string();
        let fake = Arc::new(Fake {
            left: known.then_some(key),
            ..Fake::new()
        });
        let next = Arc::clone(&fake);
        let mut rig = Rig::on(first.state_dir, "boot 2", config(), GRACE, |jobs| {
            jobs.upgraded_by(next)
        });
        let result = rig.result().await;
        assert_eq!(result["id"], "u-1");
        let (event, resumed) = match known {
            true => ("PROCESSED", 1),
            false => ("INTERRUPTED", 0),
        };
        assert_eq!(result["event_type"], event);
        let log = fake.log.lock().unwrap().clone();
        assert_eq!(
            log.iter().filter(|line| *line == "resume u-1").count(),
            resumed
        );
    }
}

#[tokio::test]
async fn an_upgrade_that_nobody_waits_for_is_forgotten() {
    let fake = Arc::new(Fake {
        left: Some("63f7f2ef43cc92ee".to_owned()),
        ..Fake::new()
    });
    let mut rig = rig(&fake);
    assert_eq!(rig.meta("a", "echo a").await["msg"], "a\n");
    let log = fake.log.lock().unwrap().clone();
    assert_eq!(log, ["recorded 63f7f2ef43cc92ee"]);
}

#[tokio::test]
async fn a_local_upgrade_without_an_id_is_recorded_all_the_same() {
    let fake = Arc::new(Fake::new());
    let rig = rig(&fake);
    let request = Request {
        msg: "x".into(),
        type_name: "upgrade".into(),
        ..Request::default()
    };
    let mut run = rig.handle.run(request).await.unwrap();
    has_run(&fake, &run.id.clone()).await;
    assert_eq!(rig.handle.facts().borrow().ids, 1);
    fake.ends(End::Processed, None);
    assert!(ended(&mut run).await.success);
}
