//! Payloads that are refused and run nothing.

use super::*;

// Rows 4, 8, 9, 10, 11 and 13.
#[tokio::test]
async fn what_is_no_job_is_refused_and_runs_nothing() {
    let mut rig = Rig::new();
    let dir = TempDir::new().unwrap();
    let touched = dir.path().join("touched");
    let command = format!("touch {}", touched.display());
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let huge = json!({"id": "a", "meta": {"msg": format!("{command} #{}", "x".repeat(9 << 20))}});
    for payload in [
        json!({"meta": {"msg": command}}).to_string(),
        json!({"id": 7, "meta": {"msg": command}}).to_string(),
        json!({"id": null, "meta": {"msg": command}}).to_string(),
        json!({"id": "", "meta": {"msg": command}}).to_string(),
        "[1,2]".into(),
        "\"str\"".into(),
        "123".into(),
        "true".into(),
        json!({"id": "a", "meta": {"msg": null}}).to_string(),
        json!({"id": "a", "meta": {"msg": command, "type": null}}).to_string(),
        "{".into(),
        "text".into(),
        String::new(),
        "null".into(),
        format!("\u{feff}{}", json!({"id": "a", "meta": {"msg": command}})),
        deep,
        "\0\u{1}".into(),
        format!("{} x", json!({"id": "a", "meta": {"msg": command}})),
        format!(r#"{{"id":"a","id":"a","meta":{{"msg":"{command}"}}}}"#),
        format!(r#"{{"id":"a","meta":{{"msg":"true","msg":"{command}"}}}}"#),
        json!({"id": "a", "meta": {"msg": 7}}).to_string(),
        json!({"id": "a", "meta": {"msg": {}}}).to_string(),
        json!({"id": "a", "meta": {"msg": true}}).to_string(),
        json!({"id": "a", "device": "aa:bb:cc:00:11:23", "meta": {"msg": command}}).to_string(),
        json!({"id": "a", "expires": 1, "meta": {"msg": command}}).to_string(),
        huge.to_string(),
    ] {
        let decision = rig.submit(payload.clone()).await;
        assert!(
            matches!(decision, Decision::Rejected { .. }),
            "{payload:.80}"
        );
    }
    // The id was refused, not used up.
    assert_eq!(rig.meta("a", "echo alive").await["msg"], "alive\n");
    assert!(!touched.exists());
    assert_eq!(rig.handle.facts().borrow().rejected, 26);
}

#[tokio::test(start_paused = true)]
async fn at_most_one_rejection_a_second_is_answered() {
    let mut rig = Rig::new();
    let bad = json!({"id": "a", "meta": {"msg": 7}}).to_string();
    for _ in 0..100 {
        rig.submit(bad.clone()).await;
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    let last = json!({"id": "b", "meta": {"msg": 7}}).to_string();
    rig.submit(last).await;
    assert_eq!(rig.reply().await["id"], "a");
    assert_eq!(rig.reply().await["id"], "b");
    assert_eq!(rig.handle.facts().borrow().rejected, 101);
}

#[tokio::test]
async fn no_job_of_the_broker_runs_while_the_keys_cannot_be_read_and_local_ones_do() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("config.json");
    std::fs::write(&file, r#"{"job_pubkey": ["oops"]}"#).unwrap();
    let inputs = crate::config::Inputs {
        command_line: crate::config::Settings::default(),
        file: Some(file),
        uci: uci::Directories::of(dir.path(), None),
        root: dir.path().to_owned(),
        pace: crate::process::clock::Pace::REAL,
        checks: crate::tls::CHECKS,
        crashes: Crashes::default(),
    };
    let mut config = config();
    config.closed = inputs.load(None).config.closed.clone();
    let mut rig = Rig::with(config, Duration::from_secs(8));
    let touched = dir.path().join("touched");
    let msg = format!("touch {}", touched.display());
    assert!(matches!(
        rig.job("1", &msg).await,
        Decision::Rejected { .. }
    ));
    let answer = rig.reply().await;
    assert_eq!(answer["event_type"], "REJECTED");
    let reason =
        "no job but root's own runs: option 'job_pubkey': key 1 is not the base64 of 32 bytes";
    assert_eq!(answer["meta"]["reason"], reason);
    assert!(!touched.exists());
    ended(&mut rig.local(&msg).await).await;
    assert!(touched.exists());
}

#[tokio::test]
async fn a_payload_that_ended_the_agent_twice_is_refused_and_the_next_one_runs() {
    let poison = json!({"id": "a", "meta": {"msg": "echo poison"}}).to_string();
    let crashes = Crashes::of("message", poison.as_bytes());
    let mut rig = Rig::after(crashes, config(), Duration::from_secs(4));
    let reason = "handling it has ended the agent 2 times; it is skipped".to_owned();
    assert_eq!(
        rig.submit(poison).await,
        Decision::Rejected { id: None, reason }
    );
    assert_eq!(rig.handle.facts().borrow().rejected, 1);
    assert_eq!(rig.meta("a", "echo fine").await["msg"], "fine\n");
}
