//! Many jobs at once, and jobs that take up room.

use std::collections::HashSet;

use rumqttc::{PublishOptions, QoS};
use serde_json::json;
use socketman_lab::within::within;

use super::World;
use crate::mqtt::{BASE, MAC};

// Row 19.
#[tokio::test]
async fn five_thousand_jobs_at_once_are_all_answered() {
    const JOBS: usize = 5000;
    let mut world = World::with_agent().await;
    let client = world.operator.client.clone();
    let sender = tokio::spawn(async move {
        for n in 0..JOBS {
            let job = json!({"id": n.to_string(), "meta": {"msg": "exit 7"}}).to_string();
            let options = PublishOptions::new(QoS::AtLeastOnce);
            let sent = client.publish(format!("sub/{BASE}"), job, options);
            sent.await.unwrap();
        }
    });
    let mut open: HashSet<String> = (0..JOBS).map(|n| n.to_string()).collect();
    while !open.is_empty() {
        let (_, value) = world.operator.next("PROCESSED").await;
        assert_eq!(value["meta"]["exit_code"], 7);
        open.remove(value["id"].as_str().unwrap());
    }
    within("the sender ends", sender).await.unwrap();
    let status = world.status(|status| status["jobs"]["running"] == 0).await;
    assert_eq!(status["jobs"]["failed"], JOBS);
    assert_eq!(status["mqtt"]["reconnects"], 0);
    world.end().await;
}

// Security 9.
#[tokio::test]
async fn sixty_jobs_with_a_padded_device_are_refused_and_take_no_room() {
    const JOBS: u64 = 60;
    let mut world = World::with_agent().await;
    let before = world.memory();
    let device = format!("{}{MAC}", ":".repeat(1_000_000));
    for n in 0..JOBS {
        let msg = world.writes("padded");
        let job = json!({"id": n.to_string(), "device": device, "meta": {"msg": msg}});
        world.operator.send(job.to_string()).await;
    }
    let refused = world
        .status(|status| status["jobs"]["rejected"] == JOBS)
        .await;
    assert_eq!(
        (&refused["jobs"]["queued"], &refused["mqtt"]["skipped"]),
        (&json!(0), &json!(0))
    );
    let after = world.memory();
    println!("{before} KiB before, {after} KiB after");
    assert!(after < before + 8 * 1024, "{before} KiB, then {after} KiB");
    let (_, first) = world.operator.next("REJECTED").await;
    assert_eq!(first["meta"]["reason"], "device is longer than 64 bytes");
    world.job("after", &world.writes("after")).await;
    world.operator.result("after").await;
    assert_eq!(world.written(), ["after"]);
    world.end().await;
}
