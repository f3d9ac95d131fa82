//! Jobs that are ended: by their timeout, by a cancel, with the agent.

use super::*;

const BROOD: &str = "setsid sh -c 'sleep 300 & echo $!; wait' &
    (sh -c '(setsid sleep 300 & echo $!) &') ; sleep 300 & echo $!;
    (trap '' TERM INT HUP; sleep 300) & echo $!;";

#[tokio::test]
async fn a_timeout_kills_the_whole_tree_within_a_second() {
    let mut rig = Rig::new();
    let payload = json!({"id": "1", "meta": {"msg": format!("{BROOD} sleep 300"), "timeout": 1}});
    rig.submit(payload.to_string()).await;
    let meta = rig.result().await["meta"].clone();
    let pids = pids(meta["msg"].as_str().unwrap());
    assert_eq!(pids.len(), 4, "{meta}");
    assert!(pids.iter().all(|pid| !lives(*pid)), "{pids:?}");
    assert_eq!(
        (&meta["success"], &meta["signal"]),
        (&json!(false), &json!(9))
    );
    assert_eq!(meta["reason"], "timed out after 1 s");
    let took = meta["duration_ms"].as_u64().unwrap();
    assert!((1000..2500).contains(&took), "{took}");
}

#[tokio::test]
async fn a_cancel_kills_the_whole_tree() {
    let mut rig = Rig::new();
    let dir = TempDir::new().unwrap();
    let ready = fifo(&dir, "ready");
    let msg = format!("{BROOD} sleep 1; echo x > {}; sleep 300", ready.display());
    rig.job("1", &msg).await;
    reached(&ready).await;
    let cancel = json!({"id": "2", "meta": {"type": "cancel", "msg": "1"}}).to_string();
    rig.submit(cancel).await;
    let cancelled = rig.result().await;
    assert_eq!(
        (&cancelled["id"], &cancelled["meta"]["success"]),
        (&json!("2"), &json!(true))
    );
    let meta = rig.result().await["meta"].clone();
    assert_eq!(meta["reason"], "cancelled");
    let pids = pids(meta["msg"].as_str().unwrap());
    assert_eq!(pids.len(), 4, "{meta}");
    assert!(pids.iter().all(|pid| !lives(*pid)), "{pids:?}");
}

#[tokio::test]
async fn a_waiting_job_can_be_cancelled_and_an_unknown_one_not() {
    let mut config = config();
    config.jobs.workers = 1;
    let mut rig = Rig::with(config, Duration::from_secs(4));
    let dir = TempDir::new().unwrap();
    let gate = fifo(&dir, "gate");
    rig.job("1", &format!("cat {}", gate.display())).await;
    rig.job("2", "echo never").await;
    let cancels = [("3", "2", true), ("4", "9", false), ("5", "5", false)];
    for (id, target, _) in cancels {
        let cancel = json!({"id": id, "meta": {"type": "cancel", "msg": target}}).to_string();
        rig.submit(cancel).await;
    }
    let mut results = std::collections::BTreeMap::new();
    while results.len() < 4 {
        let result = rig.result().await;
        let id = result["id"].as_str().unwrap().to_owned();
        results.insert(id, result["meta"].clone());
    }
    for (id, _, success) in cancels {
        assert_eq!(results[id]["success"], success, "{id}");
    }
    let cancelled = &results["2"];
    assert_eq!(cancelled["reason"], "cancelled before it started");
    assert_eq!(cancelled["msg"], "");
    std::fs::write(&gate, "open").unwrap();
    assert_eq!(rig.result().await["meta"]["msg"], "open");
}

#[tokio::test]
async fn the_timeout_of_a_job_cannot_exceed_the_configured_one() {
    let mut config = config();
    config.jobs.timeout = Duration::from_secs(1);
    let mut rig = Rig::with(config, Duration::from_secs(4));
    let payload = json!({"id": "1", "meta": {"msg": "sleep 300", "timeout": 86_400}});
    rig.submit(payload.to_string()).await;
    assert_eq!(rig.result().await["meta"]["reason"], "timed out after 1 s");
}

#[tokio::test]
async fn jobs_are_told_when_the_agent_ends_and_reported_interrupted() {
    let mut config = config();
    config.jobs.workers = 2;
    let mut rig = Rig::with(config, Duration::from_secs(8));
    let dir = TempDir::new().unwrap();
    let (one, two) = (fifo(&dir, "one"), fifo(&dir, "two"));
    let polite = format!(
        "trap 'echo told; exit 7' TERM; echo x > {}; sleep 300 & wait",
        one.display()
    );
    let gate = fifo(&dir, "gate");
    let deaf = format!(
        "trap '' TERM; echo $$; echo x > {}; read x < {}",
        two.display(),
        gate.display()
    );
    rig.job("polite", &polite).await;
    rig.job("deaf", &deaf).await;
    rig.job("waiting", "echo never").await;
    reached(&one).await;
    reached(&two).await;
    rig.shutdown.send(()).unwrap();
    let mut results = std::collections::BTreeMap::new();
    while results.len() < 2 {
        let reply = timeout(DEADLINE, rig.replies.next())
            .await
            .unwrap()
            .unwrap();
        let value: Value = serde_json::from_slice(&reply.payload).unwrap();
        reply.acknowledged();
        if value["event_type"] != "DELIVERED" {
            assert_eq!(value["event_type"], "INTERRUPTED");
            results.insert(
                value["id"].as_str().unwrap().to_string(),
                value["meta"].clone(),
            );
        }
    }
    assert_eq!(results["polite"]["msg"], "told\n");
    assert_eq!(results["polite"]["exit_code"], 7);
    assert!(results["deaf"].get("signal").is_none());
    let reason = "the agent stopped; the command goes on";
    assert_eq!(results["deaf"]["reason"], reason);
    let deaf = pids(results["deaf"]["msg"].as_str().unwrap());
    assert!(lives(deaf[0]), "{deaf:?}");
    timeout(DEADLINE, rig.task).await.unwrap().unwrap();
    std::fs::write(&gate, "end\n").unwrap();
    // The one that waits is left to the next agent.
    let next = Rig::on(
        rig.state_dir,
        "boot 1",
        super::config(),
        Duration::from_secs(4),
        |jobs| jobs,
    );
    let mut next = next;
    let waited = next.result().await;
    assert_eq!(
        (&waited["id"], &waited["meta"]["msg"]),
        (&json!("waiting"), &json!("never\n"))
    );
}

#[tokio::test]
async fn the_end_does_not_wait_longer_than_its_grace_for_the_broker() {
    let rig = Rig::with(config(), Duration::from_millis(200));
    rig.job("1", "true").await;
    rig.shutdown.send(()).unwrap();
    // Nobody takes the replies, though somebody could.
    timeout(DEADLINE, rig.task).await.unwrap().unwrap();
    let closed = rig.handle.submit("{}".into(), Source::Mqtt).unwrap().await;
    assert_eq!(closed, Decision::Closed);
    assert_eq!(rig.handle.recent().await, Err(Gone));
}
