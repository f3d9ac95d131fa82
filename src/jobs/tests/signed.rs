//! Jobs while keys are set.

use super::*;
use crate::jobs::signature::operator::Operator;
use crate::process::clock::{self, Clock, ServerDate};

impl Operator {
    /// A signed command that has a minute.
    fn job(&self, id: &str, msg: &str) -> Value {
        let now = clock::epoch_seconds();
        self.sign_json(
            json!({"id": id, "timestamp": now, "expires": now + 60, "meta": {"msg": msg}}),
        )
    }
}

fn with_keys(keys: &[&Operator]) -> Config {
    config()
        .with(|config| config.jobs.pubkey = keys.iter().map(|operator| operator.public()).collect())
}

fn rejected(id: &str, reason: &str) -> Decision {
    Decision::Rejected {
        id: Some(id.into()),
        reason: reason.into(),
    }
}

fn accepted(id: &str) -> Decision {
    Decision::Accepted { id: id.into() }
}

const WRONG: &str = "sig is by no key of job_pubkey, or the job was changed after it was signed";

#[tokio::test]
async fn while_keys_are_set_signed_jobs_run_and_others_of_the_broker_do_not() {
    let (operator, stranger) = (Operator::new(1), Operator::new(2));
    let mut rig = Rig::with(with_keys(&[&operator]), Duration::from_secs(8));
    let dir = TempDir::new().unwrap();
    let touched = dir.path().join("touched");
    let msg = format!("touch {}", touched.display());

    let unsigned = rig.job("1", &msg).await;
    assert_eq!(
        unsigned,
        rejected("1", "job is not signed, and job_pubkey is set")
    );
    let answer = rig.reply().await;
    assert_eq!(
        (&answer["event_type"], &answer["id"]),
        (&json!("REJECTED"), &json!("1"))
    );
    assert_eq!(
        answer["meta"]["reason"],
        "job is not signed, and job_pubkey is set"
    );
    let by_stranger = rig.submit(stranger.job("1", &msg).to_string()).await;
    assert_eq!(by_stranger, rejected("1", WRONG));
    let mut changed = operator.job("1", "true");
    changed["meta"]["msg"] = json!(msg);
    assert_eq!(rig.submit(changed.to_string()).await, rejected("1", WRONG));
    for kind in ["ping", "cancel", "reboot"] {
        let job = json!({"id": "1", "meta": {"type": kind, "msg": "x"}});
        assert_eq!(
            rig.submit(job.to_string()).await,
            rejected("1", "job is not signed, and job_pubkey is set")
        );
    }
    assert!(!touched.exists());

    // The id was not used up.
    let signed = operator.job("1", "echo signed").to_string();
    assert_eq!(rig.submit(signed.clone()).await, accepted("1"));
    assert_eq!(rig.result().await["meta"]["msg"], "signed\n");
    let again = rig.submit(signed).await;
    assert_eq!(again, Decision::Known { id: "1".into() });
    assert_eq!(rig.result().await["meta"]["msg"], "signed\n");

    ended(&mut rig.local(&msg).await).await;
    assert!(touched.exists(), "root's own job");
}

#[tokio::test]
async fn a_signed_job_that_is_known_is_answered_although_it_has_expired_since() {
    let operator = Operator::new(1);
    let (dates, told) = watch::channel(None);
    let mut rig = Rig::in_time(with_keys(&[&operator]), told);
    let job = operator.job("a", "echo once");
    assert_eq!(rig.submit(job.to_string()).await, accepted("a"));
    assert_eq!(rig.result().await["meta"]["msg"], "once\n");
    // By a server that was verified it is an hour later.
    dates.send_replace(Some(ServerDate::now(clock::epoch_seconds() + 3600)));
    let other = operator.job("b", "true");
    assert_eq!(
        rig.submit(other.to_string()).await,
        rejected("b", "job has expired")
    );
    let known = rig.submit(job.to_string()).await;
    assert_eq!(known, Decision::Known { id: "a".into() });
}

#[tokio::test]
async fn a_job_that_waits_is_judged_again_when_it_starts() {
    let (one, other) = (Operator::new(1), Operator::new(2));
    let config = with_keys(&[&one, &other]).with(|config| config.jobs.workers = 1);
    let mut rig = Rig::with(config.clone(), Duration::from_secs(8));
    let dir = TempDir::new().unwrap();
    let gate = fifo(&dir, "gate");
    let touched = dir.path().join("touched");
    let waits = format!("read x < {}", gate.display());
    assert_eq!(
        rig.submit(other.job("first", &waits).to_string()).await,
        accepted("first")
    );
    let msg = format!("touch {}", touched.display());
    let revoked = one.job("second", &msg).to_string();
    assert_eq!(rig.submit(revoked.clone()).await, accepted("second"));
    assert_eq!(
        rig.submit(other.job("third", "echo third").to_string())
            .await,
        accepted("third")
    );
    // While it waits, its key is taken away.
    rig.options
        .send_modify(|options| options.jobs.pubkey = vec![other.public()]);
    tokio::task::spawn_blocking(move || std::fs::write(gate, "go\n").unwrap())
        .await
        .unwrap();
    let mut results = Vec::new();
    for _ in 0..3 {
        let result = rig.result().await;
        results.push((
            result["id"].clone(),
            result["event_type"].clone(),
            result["meta"]["reason"].clone(),
        ));
    }
    assert_eq!(
        results,
        [
            (json!("first"), json!("PROCESSED"), json!(null)),
            (json!("second"), json!("REJECTED"), json!(WRONG)),
            (json!("third"), json!("PROCESSED"), json!(null)),
        ]
    );
    assert!(!touched.exists());
    // That is its outcome for good, with any keys.
    rig.options
        .send_modify(|options| options.jobs.pubkey = config.jobs.pubkey);
    let again = rig.submit(revoked).await;
    assert_eq!(
        again,
        Decision::Known {
            id: "second".into()
        }
    );
    assert_eq!(rig.result().await["event_type"], "REJECTED");
    assert!(!touched.exists());
}

#[tokio::test]
async fn unsigned_jobs_that_wait_do_not_start_once_a_key_is_set() {
    let mut rig = Rig::with(
        config().with(|config| config.jobs.workers = 1),
        Duration::from_secs(8),
    );
    let dir = TempDir::new().unwrap();
    let gate = fifo(&dir, "gate");
    let touched = dir.path().join("touched");
    let waits = format!("read x < {}", gate.display());
    assert_eq!(rig.job("first", &waits).await, accepted("first"));
    let msg = format!("touch {}", touched.display());
    assert_eq!(rig.job("second", &msg).await, accepted("second"));
    let mut local = rig.local("echo local").await;
    rig.options
        .send_modify(|options| options.jobs.pubkey = vec![Operator::new(1).public()]);
    tokio::task::spawn_blocking(move || std::fs::write(gate, "go\n").unwrap())
        .await
        .unwrap();
    assert_eq!(rig.result().await["id"], "first");
    let second = rig.result().await;
    assert_eq!(second["event_type"], "REJECTED");
    assert_eq!(
        second["meta"]["reason"],
        "job is not signed, and job_pubkey is set"
    );
    assert_eq!(ended(&mut local).await.stdout, "local\n");
    assert!(!touched.exists());
}

#[tokio::test]
async fn where_nobody_keeps_the_clock_accepted_jobs_say_how_late_it_is() {
    let operator = Operator::new(1);
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("clock");
    // Ten years behind.
    std::fs::write(&file, "-315360000 0").unwrap();
    let mut rig = Rig::by(
        with_keys(&[&operator]),
        Clock::new(Some(file)),
        watch::channel(None).1,
    );
    let now = clock::epoch_seconds() + 1000;
    let job = |id: &str, timestamp: u64, expires: u64| {
        let job = json!({"id": id, "timestamp": timestamp, "expires": expires,
            "meta": {"msg": format!("echo {id}")}});
        operator.sign_json(job).to_string()
    };
    assert_eq!(rig.submit(job("a", now, now + 60)).await, accepted("a"));
    assert_eq!(rig.result().await["meta"]["msg"], "a\n");
    // It was made and expired before the first one was made.
    let late = rig.submit(job("b", now - 600, now)).await;
    assert_eq!(late, rejected("b", "job has expired"));
    assert_eq!(
        rig.submit(job("c", now - 600, now + 1)).await,
        accepted("c")
    );
}

#[tokio::test]
async fn what_verified_servers_said_of_the_time_outlives_the_restart() {
    let operator = Operator::new(1);
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("clock");
    let start = |flash, boot, word, dates| {
        std::fs::write(&file, word).unwrap();
        let clock = Clock::new(Some(file.clone()));
        let keys = with_keys(&[&operator]);
        Rig::on(flash, boot, keys, Duration::from_secs(8), |jobs| {
            jobs.with_time(clock, dates)
        })
    };
    let now = clock::epoch_seconds();
    let job = |id: &str, expires: u64| {
        operator
            .sign_json(
                json!({"id": id, "timestamp": now, "expires": expires, "meta": {"msg": "true"}}),
            )
            .to_string()
    };
    // In time by the program's own age alone, which is all that a device without a clock knows.
    let flash = TempDir::new().unwrap();
    let rig = start(flash, "boot 1", "-315360000 0", watch::channel(None).1);
    assert_eq!(rig.submit(job("a", now + 3600)).await, accepted("a"));

    // No job is accepted while the clock is right and a server says so.
    let flash = TempDir::new().unwrap();
    let (dates, told) = watch::channel(None);
    let rig = start(flash, "boot 1", "0 1", told);
    dates.send_replace(Some(ServerDate::now(now + 7200)));
    // Before this is judged the part has heard it.
    let unsigned = rig.job("b", "true").await;
    assert!(matches!(unsigned, Decision::Rejected { .. }));
    rig.shutdown.send(()).unwrap();
    drop(rig.replies);
    timeout(DEADLINE, rig.task).await.unwrap().unwrap();

    let lost = watch::channel(None).1;
    let rig = start(rig.state_dir, "boot 2", "-315360000 0", lost);
    let late = rig.submit(job("a", now + 7200)).await;
    assert_eq!(late, rejected("a", "job has expired"));
    assert_eq!(rig.submit(job("a", now + 7201)).await, accepted("a"));
}

#[tokio::test]
async fn a_job_that_ran_never_runs_again_wherever_clock_and_power_go() {
    let (operator, other) = (Operator::new(1), Operator::new(2));
    let dir = TempDir::new().unwrap();
    let (file, count) = (dir.path().join("clock"), dir.path().join("count"));
    let start = |flash, boot: &str, word: &str, operators: &[&Operator]| {
        std::fs::write(&file, word).unwrap();
        let clock = Clock::new(Some(file.clone()));
        let dates = watch::channel(None).1;
        let keys = with_keys(operators);
        Rig::on(flash, boot, keys, Duration::from_secs(8), |jobs| {
            jobs.with_time(clock, dates)
        })
    };
    let now = clock::epoch_seconds();
    let msg = format!("echo x >> {}", count.display());
    let week = 7 * 24 * 3600;
    let job = json!({"id": "a", "timestamp": now, "expires": now + week, "meta": {"msg": msg}});
    let job = operator.sign_json(job).to_string();
    let flash = TempDir::new().unwrap();
    let mut rig = start(flash, "boot 0", "0 1", &[&operator]);
    assert_eq!(rig.submit(job.clone()).await, accepted("a"));
    assert_eq!(rig.result().await["meta"]["success"], true);
    let (ours, both, others) = ([&operator], [&other, &operator], [&other]);
    for (n, (word, keys, known)) in [
        ("0 1", &ours[..], true),
        ("-315360000 1", &ours, true),
        ("-315360000 0", &ours, true),
        ("315360000 1", &ours, true),
        ("315360000 0", &both, true),
        ("0 0", &others, false),
        ("0 1", &ours, true),
    ]
    .into_iter()
    .enumerate()
    {
        drop(rig.replies);
        // By turns killed and ended.
        match n % 2 {
            0 => rig.task.abort(),
            _ => rig.shutdown.send(()).unwrap(),
        }
        let _ = timeout(DEADLINE, rig.task).await.unwrap();
        rig = start(rig.state_dir, &format!("boot {n}"), word, keys);
        let expected = match known {
            true => Decision::Known { id: "a".into() },
            false => rejected("a", WRONG),
        };
        assert_eq!(rig.submit(job.clone()).await, expected, "{word}");
    }
    assert_eq!(std::fs::read_to_string(&count).unwrap(), "x\n");
}
