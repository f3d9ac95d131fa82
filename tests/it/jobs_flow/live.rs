//! Output of running jobs, and detached ones, by the agent as a process.

use std::fs;

use serde_json::json;
use socketman_lab::within::within;

use super::World;
use crate::mqtt::BASE;

#[tokio::test]
async fn a_live_job_is_seen_while_it_runs_and_its_result_is_whole() {
    let mut world = World::with_agent().await;
    let gate = world.dir.path().join("gate");
    let msg = format!(
        "echo first; while [ ! -e {0} ]; do sleep 0.05; done; echo last; echo other >&2",
        gate.display()
    );
    let job = json!({"id": "1", "meta": {"msg": msg, "live": true}});
    world.operator.send(job.to_string()).await;
    let (topic, first) = world.operator.live().await;
    assert_eq!(topic, format!("live/{BASE}"));
    let expected = json!({"id": "1", "seq": 1, "stream": "stdout", "data": "first\n"});
    assert_eq!(first, expected);
    fs::write(&gate, "").unwrap();
    let (mut stdout, mut stderr) = (String::new(), String::new());
    while stdout.is_empty() || stderr.is_empty() {
        let (_, message) = world.operator.live().await;
        let data = message["data"].as_str().unwrap();
        match message["stream"].as_str() {
            Some("stderr") => stderr += data,
            _ => stdout += data,
        }
    }
    assert_eq!((stdout.as_str(), stderr.as_str()), ("last\n", "other\n"));
    let (_, result) = world.operator.again("PROCESSED").await;
    assert_eq!(result["meta"]["msg"], "first\nlast\n");
    assert_eq!(result["meta"]["stderr"], "other\n");
    // Without the key nothing is shown.
    world.job("2", "echo hidden").await;
    world.operator.result("2").await;
    let status = world.status(|status| status["jobs"]["running"] == 0).await;
    assert_eq!(status["mqtt"]["live_off"], false);
    world.end().await;
}

#[tokio::test]
async fn a_live_job_that_floods_holds_up_neither_jobs_nor_their_results() {
    let mut world = World::with_agent().await;
    for n in 0..3 {
        let flood = json!({"id": format!("flood-{n}"), "meta": {"msg": "exec yes", "live": true}});
        world.operator.send(flood.to_string()).await;
    }
    world.operator.live().await;
    for n in 0..50 {
        world.job(&n.to_string(), "true").await;
        world.operator.result(&n.to_string()).await;
    }
    for n in 0..3 {
        let id = format!("flood-{n}");
        let cancel = json!({"id": format!("c{n}"), "meta": {"type": "cancel", "msg": id}});
        world.operator.send(cancel.to_string()).await;
        let result = world.operator.result(&id).await;
        assert_eq!(result["truncated"], true);
    }
    world.end().await;
}

#[tokio::test]
async fn a_detached_job_that_comes_again_while_it_runs_holds_nothing_up() {
    let mut world = World::with_agent().await;
    let gate = world.dir.path().join("gate");
    let msg = format!(
        "{}; while [ ! -e {} ]; do sleep 0.05; done; echo done",
        world.writes("detached"),
        gate.display()
    );
    let job = json!({"id": "d", "meta": {"msg": msg, "detach": true}}).to_string();
    world.operator.send(job.clone()).await;
    within("the job runs", async {
        while world.written().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.lab.agent().unwrap().kill().await.unwrap();
    world.start_agent();
    world.connected().await;
    // Known to the next agent, it is acknowledged: those behind it come.
    world.operator.send(job).await;
    world.job("after", "echo after").await;
    assert_eq!(world.operator.result("after").await["msg"], "after\n");
    fs::write(&gate, "").unwrap();
    let result = world.operator.result("d").await;
    assert_eq!(
        (&result["msg"], &result["exit_code"]),
        (&json!("done\n"), &json!(0))
    );
    assert_eq!(world.written(), ["detached"]);
    world.end().await;
}
