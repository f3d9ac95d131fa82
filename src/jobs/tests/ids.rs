//! Each id gets its result, once.

use super::*;

// Row 1.
#[tokio::test]
async fn every_id_gets_a_result() {
    let mut rig = Rig::new();
    for id in ["op_1", "1", "msg_1", "ü / x"] {
        assert_eq!(rig.meta(id, "echo out").await["msg"], "out\n");
    }
}

// Row 3.
#[tokio::test]
async fn a_long_id_comes_back_unchanged() {
    let mut rig = Rig::new();
    let id = "x".repeat(256);
    rig.meta(&id, "true").await;
    let id = "x".repeat(257);
    assert!(matches!(
        rig.job(&id, "true").await,
        Decision::Rejected { .. }
    ));
    let rejected = rig.result().await;
    assert_eq!(
        (&rejected["id"], &rejected["event_type"]),
        (&json!(id), &json!("REJECTED"))
    );
}

// Row 17, within one run.
#[tokio::test]
async fn a_job_seen_twice_runs_once_and_its_outcome_is_sent_again() {
    let mut rig = Rig::new();
    let dir = TempDir::new().unwrap();
    let count = dir.path().join("count");
    let (gate, msg) = (fifo(&dir, "gate"), count.display());
    let msg = format!("echo x >> {msg}; cat {}; wc -l < {msg}", gate.display());
    assert_eq!(
        rig.job("1", &msg).await,
        Decision::Accepted { id: "1".into() }
    );
    // Again while it runs: nothing starts, the result comes once.
    assert_eq!(rig.job("1", &msg).await, Decision::Known { id: "1".into() });
    std::fs::write(&gate, "").unwrap();
    let first = rig.result().await;
    assert_eq!(first["meta"]["msg"].as_str().unwrap().trim(), "1");
    for msg in [msg.as_str(), "echo another command"] {
        assert_eq!(rig.job("1", msg).await, Decision::Known { id: "1".into() });
        assert_eq!(rig.result().await["meta"], first["meta"]);
    }
    assert_eq!(std::fs::read_to_string(&count).unwrap(), "x\n");
    // Also when it has expired meanwhile.
    let expired = json!({"id": "1", "expires": 1, "meta": {"msg": "true"}}).to_string();
    assert_eq!(
        rig.submit(expired).await,
        Decision::Known { id: "1".into() }
    );
}

// Row 19.
#[tokio::test]
async fn five_thousand_jobs_at_once_are_answered() {
    let mut config = config();
    config.jobs.workers = 8;
    let mut rig = Rig::with(config, Duration::from_secs(4));
    let handle = rig.handle.clone();
    let sender = tokio::spawn(async move {
        for n in 0..5000 {
            let payload = json!({"id": format!("job {n}"), "meta": {"msg": "echo $0"}});
            let decision = handle.submit(payload.to_string().into(), Source::Mqtt);
            assert!(matches!(decision.unwrap().await, Decision::Accepted { .. }));
        }
    });
    let mut delivered = std::collections::HashSet::new();
    let mut processed = std::collections::HashSet::new();
    while processed.len() < 5000 || delivered.len() < 5000 {
        let reply = rig.reply().await;
        let id = reply["id"].as_str().unwrap().to_string();
        let new = match reply["event_type"].as_str().unwrap() {
            "DELIVERED" => delivered.insert(id),
            _ => {
                assert_eq!(reply["meta"]["exit_code"], 0);
                processed.insert(id)
            }
        };
        assert!(new);
    }
    sender.await.unwrap();
    let facts = *rig.handle.facts().borrow();
    assert_eq!((facts.done, facts.running, facts.failed), (5000, 0, 0));
}

#[tokio::test]
async fn a_reply_not_acknowledged_is_offered_again() {
    let mut rig = Rig::new();
    let dir = TempDir::new().unwrap();
    let gate = fifo(&dir, "gate");
    // It ends on request: until then there is one reply to offer.
    rig.job("1", &format!("cat {}", gate.display())).await;
    for _ in 0..3 {
        let reply = rig.replies.next().await.unwrap();
        let text = String::from_utf8_lossy(&reply.payload).into_owned();
        assert!(text.contains("DELIVERED"), "{text}");
    }
    assert_eq!(rig.reply().await["event_type"], "DELIVERED");
    let told = tokio::task::spawn_blocking(move || std::fs::write(gate, "out\n"));
    timeout(DEADLINE, told).await.unwrap().unwrap().unwrap();
    drop(timeout(DEADLINE, rig.replies.next()).await.unwrap());
    assert_eq!(rig.reply().await["meta"]["msg"], "out\n");
}
