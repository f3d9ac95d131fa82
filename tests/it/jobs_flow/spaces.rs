//! Ids of the broker and of the bus, and what takes no place among them.

use rumqttc::{PublishOptions, QoS};
use serde_json::json;
use socketman_lab::within::within;

use super::World;
use crate::mqtt::BASE;

// Security 18.
#[tokio::test]
async fn a_local_job_takes_no_id_from_the_broker_nor_the_broker_one_from_it() {
    let mut world = World::with_agent().await;
    let local = json!({"id": "op_42", "msg": "echo local"});
    let run = world.call("run_job", local.clone()).await;
    assert_eq!(run["output"], "local\n");
    world.job("op_42", "echo remote").await;
    assert_eq!(world.operator.result("op_42").await["msg"], "remote\n");
    // And the other way round.
    world.job("op_43", "echo remote").await;
    assert_eq!(world.operator.result("op_43").await["msg"], "remote\n");
    let run = world
        .call("run_job", json!({"id": "op_43", "msg": "echo local"}))
        .await;
    assert_eq!(run["output"], "local\n");
    // Each has its own outcome again.
    assert_eq!(world.call("run_job", local).await["output"], "local\n");
    world.job("op_42", "echo remote").await;
    assert_eq!(world.operator.result("op_42").await["msg"], "remote\n");
    world.end().await;
}

// Security 18.
#[tokio::test]
async fn neither_the_broker_nor_the_bus_cancels_jobs_of_the_other() {
    let mut world = World::with_agent().await;
    world.job("remote", "exec sleep 600").await;
    let local = json!({"id": "local", "msg": "exec sleep 600", "wait": false});
    world.call("run_job", local).await;
    world.status(|status| status["jobs"]["running"] == 2).await;
    let cancel = json!({"type": "cancel", "msg": "remote"});
    assert_eq!(world.call("run_job", cancel).await["success"], false);
    let cancel =
        |id: &str, of: &str| json!({"id": id, "meta": {"type": "cancel", "msg": of}}).to_string();
    world.operator.send(cancel("c1", "local")).await;
    assert_eq!(world.operator.result("c1").await["success"], false);
    world.status(|status| status["jobs"]["running"] == 2).await;
    world.operator.send(cancel("c2", "remote")).await;
    assert_eq!(world.operator.result("remote").await["success"], false);
    let cancel = json!({"type": "cancel", "msg": "local"});
    assert_eq!(world.call("run_job", cancel).await["success"], true);
    world.status(|status| status["jobs"]["running"] == 0).await;
    world.end().await;
}

// Security 6.
#[tokio::test]
async fn after_ten_thousand_pings_the_next_job_runs() {
    const PINGS: usize = 10_050;
    let mut world = World::with_agent().await;
    let client = world.operator.client.clone();
    let sender = tokio::spawn(async move {
        for n in 0..PINGS {
            let ping = json!({"id": n.to_string(), "meta": {"type": "ping"}}).to_string();
            let options = PublishOptions::new(QoS::AtLeastOnce);
            client
                .publish(format!("sub/{BASE}"), ping, options)
                .await
                .unwrap();
        }
    });
    for _ in 0..PINGS {
        let (_, value) = world.operator.next("PROCESSED").await;
        assert_eq!(value["meta"]["success"], true);
    }
    within("the sender ends", sender).await.unwrap();
    world.job("after", &world.writes("after")).await;
    assert_eq!(world.operator.result("after").await["success"], true);
    let run = world.call("run_job", json!({"msg": "echo here"})).await;
    assert_eq!(run["output"], "here\n");
    assert_eq!(world.written(), ["after"]);
    world.end().await;
}

// Row 17.
#[tokio::test]
async fn a_job_that_the_broker_keeps_runs_once_also_across_restarts_of_the_agent() {
    let mut world = World::with_agent().await;
    let job =
        json!({"id": "kept", "meta": {"msg": format!("{}; echo done", world.writes("kept"))}});
    let options = PublishOptions::new(QoS::AtLeastOnce).retained();
    let sent = world
        .operator
        .client
        .publish(format!("sub/{BASE}"), job.to_string(), options);
    within("publish", sent).await.unwrap();
    let first = world.operator.result("kept").await;
    assert_eq!(first["msg"], "done\n");
    for n in 0..3 {
        match n % 2 {
            0 => drop(within("the end", world.lab.stop_agent()).await.unwrap()),
            _ => drop(world.lab.agent().unwrap().kill().await.unwrap()),
        }
        world.start_agent();
        world.connected().await;
        assert_eq!(world.operator.result("kept").await, first);
    }
    assert_eq!(world.written(), ["kept"]);
    world.end().await;
}

// Row 23.
#[tokio::test]
async fn a_result_that_the_broker_did_not_take_comes_from_the_next_agent() {
    let mut world = World::with_agent().await;
    world
        .job("1", &format!("sleep 1; {}; echo kept", world.writes("1")))
        .await;
    world.operator.next("DELIVERED").await;
    world.server.stop().await;
    world.status(|status| status["jobs"]["done"] == 1).await;
    world.lab.agent().unwrap().kill().await.unwrap();
    world.start_agent();
    world.server.start().await;
    world.connected().await;
    let result = world.operator.result("1").await;
    assert_eq!(
        (&result["msg"], &result["exit_code"]),
        (&json!("kept\n"), &json!(0))
    );
    assert_eq!(world.written(), ["1"]);
    world.end().await;
}

// Row 18.
#[tokio::test]
async fn a_job_under_way_when_the_agent_is_killed_is_interrupted_and_does_not_run_again() {
    let mut world = World::with_agent().await;
    world
        .job("1", &format!("{}; exec sleep 600", world.writes("1")))
        .await;
    world.operator.next("DELIVERED").await;
    while world.written().is_empty() {
        tokio::task::yield_now().await;
    }
    world.lab.agent().unwrap().kill().await.unwrap();
    world.start_agent();
    let (_, interrupted) = world.operator.next("INTERRUPTED").await;
    assert_eq!(interrupted["id"], "1");
    // The broker has it acknowledged, or sends it again: the answer is the same.
    world.job("1", &world.writes("again")).await;
    let (_, again) = world.operator.next("INTERRUPTED").await;
    assert_eq!(again["meta"], interrupted["meta"]);
    assert_eq!(world.written(), ["1"]);
    world.end().await;
}
