//! Agents that end, are killed and lose their power, and the ones after them.

use super::*;

/// Waits until the part has recorded a job as running.
async fn running(rig: &Rig, count: u32) {
    let mut facts = rig.handle.facts();
    let running = facts.wait_for(|facts| facts.running == count);
    timeout(DEADLINE, running).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_job_seen_before_the_restart_does_not_run_again_and_its_outcome_is_sent_again() {
    let mut rig = Rig::new();
    let dir = TempDir::new().unwrap();
    let count = dir.path().join("count");
    let msg = format!("echo x >> {}; echo out; exit 3", count.display());
    let first = rig.meta("1", &msg).await;
    for (boot, killed) in [("boot 1", false), ("boot 1", true), ("boot 2", true)] {
        rig = rig.next(boot, killed).await;
        assert_eq!(rig.job("1", &msg).await, Decision::Known { id: "1".into() });
        assert_eq!(rig.result().await["meta"], first);
    }
    assert_eq!(std::fs::read_to_string(&count).unwrap(), "x\n");
    let facts = *rig.handle.facts().borrow();
    assert_eq!((facts.ids, facts.queued, facts.running), (1, 0, 0));
}

// Row 18.
#[tokio::test]
async fn a_job_that_ran_when_the_agent_was_killed_is_interrupted_and_never_runs_again() {
    for (boot, why) in [
        ("boot 1", "the agent restarted while the job ran"),
        ("boot 2", "the device restarted while the job ran"),
    ] {
        let rig = Rig::new();
        let dir = TempDir::new().unwrap();
        let (count, ready) = (dir.path().join("count"), fifo(&dir, "ready"));
        let msg = format!(
            "echo x >> {}; echo x > {}; sleep 300",
            count.display(),
            ready.display()
        );
        rig.job("1", &msg).await;
        reached(&ready).await;
        let mut rig = rig.next(boot, true).await;
        let result = rig.result().await;
        assert_eq!(
            (
                &result["id"],
                &result["event_type"],
                &result["meta"]["reason"]
            ),
            (&json!("1"), &json!("INTERRUPTED"), &json!(why))
        );
        assert_eq!(rig.job("1", &msg).await, Decision::Known { id: "1".into() });
        assert_eq!(rig.result().await["meta"], result["meta"]);
        assert_eq!(std::fs::read_to_string(&count).unwrap(), "x\n");
    }
}

// Row 23, across our restart.
#[tokio::test]
async fn a_result_that_nobody_took_is_sent_by_the_next_agent() {
    let rig = Rig::new();
    rig.job("1", "echo out").await;
    let mut facts = rig.handle.facts();
    let done = facts.wait_for(|facts| facts.done == 1);
    timeout(DEADLINE, done).await.unwrap().unwrap();
    let mut rig = rig.next("boot 2", true).await;
    let result = rig.result().await;
    assert_eq!(result["meta"]["msg"], "out\n");
    // It was taken now: the agent after this one sends another thing first.
    let mut rig = rig.next("boot 2", false).await;
    rig.job("2", "true").await;
    assert_eq!(rig.result().await["id"], "2");
}

#[tokio::test]
async fn a_waiting_job_runs_under_the_next_agent_unless_it_has_expired() {
    let rig = Rig::new();
    let dir = TempDir::new().unwrap();
    let gate = fifo(&dir, "gate");
    for id in ["1", "2"] {
        rig.job(id, &format!("cat {}", gate.display())).await;
    }
    running(&rig, 2).await;
    rig.job("3", "echo late").await;
    let soon = crate::process::clock::epoch_seconds() + 1;
    let expires = json!({"id": "4", "expires": soon, "meta": {"msg": "echo expired"}});
    let decision = rig.submit(expires.to_string()).await;
    assert_eq!(decision, Decision::Accepted { id: "4".into() });
    while crate::process::clock::epoch_seconds() < soon {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut rig = rig.next("boot 2", true).await;
    let mut results = std::collections::BTreeMap::new();
    while results.len() < 4 {
        let result = rig.result().await;
        let id = result["id"].as_str().unwrap().to_owned();
        assert!(results.insert(id, result).is_none(), "a result came twice");
    }
    for id in ["1", "2"] {
        assert_eq!(results[id]["event_type"], "INTERRUPTED");
    }
    assert_eq!(results["3"]["meta"]["msg"], "late\n");
    assert_eq!(results["4"]["event_type"], "REJECTED");
    assert_eq!(results["4"]["meta"]["reason"], "job has expired");
    // The interrupted commands still wait for somebody to write.
    let mut both = std::fs::OpenOptions::new();
    drop(both.read(true).write(true).open(&gate).unwrap());
}

#[tokio::test]
async fn a_job_that_an_earlier_agent_accepted_is_known_and_can_be_cancelled() {
    let rig = Rig::new();
    let dir = TempDir::new().unwrap();
    let (gate, ready) = (fifo(&dir, "gate"), fifo(&dir, "ready"));
    for id in ["1", "2"] {
        rig.job(id, &format!("cat {}", gate.display())).await;
    }
    running(&rig, 2).await;
    let msg = format!("echo x > {}; cat {}", ready.display(), gate.display());
    rig.job("3", &msg).await;
    let mut rig = rig.next("boot 1", true).await;
    reached(&ready).await;
    // The broker sends it again until it is acknowledged.
    assert_eq!(rig.job("3", &msg).await, Decision::Known { id: "3".into() });
    let cancel = json!({"id": "c", "meta": {"type": "cancel", "msg": "3"}});
    rig.submit(cancel.to_string()).await;
    let reason = loop {
        let result = rig.result().await;
        if result["id"] == "3" {
            break result["meta"]["reason"].clone();
        }
    };
    // Not "before it started", and left running.
    assert_eq!(reason, "cancelled");
    running(&rig, 0).await;
}

#[tokio::test]
async fn ids_of_broker_and_bus_are_separate() {
    let mut rig = Rig::new();
    let local = |msg: &str, type_name: &str| Request {
        id: Some("op_42".into()),
        msg: msg.into(),
        type_name: type_name.into(),
        ..Request::default()
    };
    let mut run = rig.handle.run(local("echo of the bus", "")).await.unwrap();
    assert_eq!(ended(&mut run).await.stdout, "of the bus\n");
    // Security 18: the operator's job runs although somebody at the device took its id first.
    let meta = rig.meta("op_42", "echo of the operator").await;
    assert_eq!(meta["msg"], "of the operator\n");
    // Neither can cancel the job of the other.
    let dir = TempDir::new().unwrap();
    let gate = fifo(&dir, "gate");
    rig.job("long", &format!("cat {}", gate.display())).await;
    let cancel = Request {
        msg: "long".into(),
        type_name: "cancel".into(),
        ..Request::default()
    };
    let mut run = rig.handle.run(cancel).await.unwrap();
    let reason = ended(&mut run).await.reason.clone();
    assert_eq!(
        reason.as_deref(),
        Some("no job with this id is waiting or running")
    );
    std::fs::write(&gate, "went on").unwrap();
    assert_eq!(rig.result().await["meta"]["msg"], "went on");
}

// Security 6.
#[tokio::test]
async fn pings_and_local_jobs_use_up_no_id() {
    let mut rig = Rig::new();
    for n in 0..300 {
        let ping = json!({"id": format!("ping {n}"), "meta": {"type": "ping"}});
        let decision = rig.submit(ping.to_string()).await;
        assert!(matches!(decision, Decision::Accepted { .. }));
        assert_eq!(rig.result().await["meta"]["success"], true);
    }
    ended(&mut rig.local("true").await).await;
    assert_eq!(rig.handle.facts().borrow().ids, 0);
    rig.meta("1", "true").await;
    assert_eq!(rig.handle.facts().borrow().ids, 1);
}

#[tokio::test]
async fn without_a_place_for_the_ledger_no_job_of_the_broker_runs_and_local_ones_do() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("state"), "a file in its place").unwrap();
    let grace = Duration::from_secs(4);
    let mut rig = Rig::on(dir, "boot 1", config(), grace, |jobs| jobs);
    let decision = rig.job("1", "echo never").await;
    assert!(matches!(decision, Decision::Rejected { .. }));
    let answer = rig.result().await;
    assert_eq!(answer["event_type"], "REJECTED");
    assert_eq!(answer["meta"]["reason"], "no space to record the job");
    let mut run = rig.local("echo out").await;
    assert_eq!(ended(&mut run).await.stdout, "out\n");
    assert!(!rig.handle.facts().borrow().durable);
}

/// The agent after `rig`, which finds a file in the place of its state directory, and where that is.
async fn without_its_ledger(rig: Rig, config: Config) -> (Rig, std::path::PathBuf) {
    rig.shutdown.send(()).unwrap();
    drop(rig.replies);
    timeout(DEADLINE, rig.task).await.unwrap().unwrap();
    let state = rig.state_dir.path().join("state");
    std::fs::rename(&state, rig.state_dir.path().join("away")).unwrap();
    std::fs::write(&state, "a file in its place").unwrap();
    let grace = Duration::from_secs(4);
    let rig = Rig::on(rig.state_dir, "boot 1", config, grace, |jobs| jobs);
    let decision = rig.job("early", "echo never").await;
    assert!(matches!(decision, Decision::Rejected { .. }));
    (rig, state)
}

#[tokio::test]
async fn a_ledger_that_could_not_be_opened_is_tried_again_and_jobs_that_run_meanwhile_go_on() {
    let rig = Rig::new();
    let dir = TempDir::new().unwrap();
    let (count, gate) = (dir.path().join("count"), fifo(&dir, "gate"));
    let blocked = format!("echo x >> {}; cat {}", count.display(), gate.display());
    for id in ["1", "2"] {
        rig.job(id, &blocked).await;
    }
    running(&rig, 2).await;
    let waits = format!("echo x >> {}; echo waited", count.display());
    for id in ["waits", "refused"] {
        rig.job(id, &waits).await;
    }
    let request = |id: &str| Request {
        id: Some(id.into()),
        msg: waits.clone(),
        ..Request::default()
    };
    rig.handle.run(request("refused here")).await.unwrap();
    let config = config().with(|config| {
        config.jobs.workers = 2;
        config.pace = crate::process::clock::Pace::faster(50);
    });
    let (mut rig, state) = without_its_ledger(rig, config).await;
    // The broker had no acknowledgement, and the caller no answer: both ask again.
    let again = rig.job("refused", &waits).await;
    assert!(matches!(again, Decision::Rejected { .. }));
    rig.handle.run(request("refused here")).await.unwrap_err();
    // Theirs is the agent's only worker but one, and a ping with the id of a job is in its place.
    let mut local = rig.local(&format!("cat {}", gate.display())).await;
    for id in ["waits", "p"] {
        let ping = json!({"id": id, "meta": {"type": "ping"}}).to_string();
        rig.submit(ping).await;
    }
    let mut results = Vec::new();
    while results.len() < 3 {
        let result = rig.result().await;
        if result["id"] == "refused" {
            // Within a second of the other rejection there is no answer.
            continue;
        }
        results.push((result["id"].clone(), result["event_type"].clone()));
    }
    results.sort_by_key(|(id, _)| id.to_string());
    let ping = |id: &str| (json!(id), json!("PROCESSED"));
    let early = (json!("early"), json!("REJECTED"));
    assert_eq!(results, [early, ping("p"), ping("waits")]);

    std::fs::remove_file(&state).unwrap();
    std::fs::rename(rig.state_dir.path().join("away"), &state).unwrap();
    // The work that an earlier agent has left is done, each thing once.
    let mut results = std::collections::BTreeMap::new();
    while results.len() < 4 {
        let result = rig.result().await;
        let id = result["id"].as_str().unwrap().to_owned();
        assert!(results.insert(id, result).is_none(), "a result came twice");
    }
    for id in ["1", "2"] {
        assert_eq!(results[id]["event_type"], "INTERRUPTED", "{id}");
    }
    let refused = (
        &results["refused"]["event_type"],
        &results["refused"]["meta"]["reason"],
    );
    assert_eq!(
        refused,
        (&json!("REJECTED"), &json!("no space to record the job"))
    );
    let refused = rig.handle.run(request("refused here")).await;
    let outcome = ended(&mut refused.unwrap()).await;
    assert_eq!(outcome.end, End::Rejected);
    assert_eq!(results["waits"]["meta"]["msg"], "waited\n");
    assert_eq!(std::fs::read_to_string(&count).unwrap(), "x\nx\nx\n");
    // The local job still runs, and its end is its own.
    running(&rig, 1).await;
    let state = rig.handle.job(&local.id).await.unwrap().unwrap();
    assert_eq!(state.summary.state, State::Running);
    std::fs::write(&gate, "open").unwrap();
    assert_eq!(ended(&mut local).await.stdout, "open");
    running(&rig, 0).await;
    assert_eq!(rig.handle.facts().borrow().ids, 5);
    assert_eq!(
        rig.job("waits", &waits).await,
        Decision::Known { id: "waits".into() }
    );
    assert_eq!(rig.result().await["meta"]["msg"], "waited\n");
    assert_eq!(rig.meta("new", "echo out").await["msg"], "out\n");
    // And the next agent has all of it.
    let rig = rig.next("boot 1", false).await;
    let mut facts = rig.handle.facts();
    let all = facts.wait_for(|facts| facts.ids == 6);
    timeout(DEADLINE, all).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_ledger_that_could_not_be_opened_is_tried_when_the_settings_change() {
    let (rig, _) = without_its_ledger(Rig::new(), config()).await;
    let elsewhere = rig.state_dir.path().join("elsewhere");
    let config = config().with(|config| config.state_dir = elsewhere);
    rig.options.send((&config).into()).unwrap();
    let accepted = async {
        while !matches!(rig.job("1", "true").await, Decision::Accepted { .. }) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(DEADLINE, accepted).await.expect("it is recorded");
}

#[tokio::test]
async fn a_ledger_that_has_grown_is_rewritten_when_no_job_waits_for_it() {
    const KIB: u64 = 1024;
    let mut rig = Rig::new();
    let dir = TempDir::new().unwrap();
    let go_on = fifo(&dir, "go on");
    let waits = format!("read line < '{}'", go_on.display());
    rig.job("waits", &waits).await;
    let file = rig.state_dir.path().join("state/jobs");
    let size = || std::fs::metadata(&file).unwrap().len() / KIB;
    let mut before = 0;
    for n in 0.. {
        let lines = "head -c 50000 /dev/zero | tr '\\0' x";
        rig.meta(&n.to_string(), lines).await;
        if size() < before {
            // Not for ever: these reports are brief.
            assert!((144..).contains(&before) && n < 9, "{before} {n}");
            break;
        }
        before = size();
    }
    // It grows again beyond what an agent at rest leaves.
    for n in 10.. {
        if size() > 128 {
            break;
        }
        rig.meta(&n.to_string(), "head -c 50000 /dev/zero | tr '\\0' x")
            .await;
    }
    std::fs::write(&go_on, "x\n").unwrap();
    let result = timeout(DEADLINE, rig.replies.next()).await.unwrap();
    let result = result.expect("the part has ended");
    let value: Value = serde_json::from_slice(&result.payload).unwrap();
    assert_eq!(
        (&value["id"], &value["event_type"]),
        (&"waits".into(), &"PROCESSED".into())
    );
    result.acknowledged();
    timeout(DEADLINE, async {
        while size() > 128 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("nothing waits for it any more");
}
