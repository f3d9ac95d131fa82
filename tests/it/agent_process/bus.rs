//! The agent without its bus.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use serde_json::{json, Value};
use socketman_lab::agent_process::AgentProgram;
use socketman_lab::collector::Collector;
use socketman_lab::lab::AGENT_ENDS_WITHIN;
use socketman_lab::within::within;

use super::{binary, lab_with_agent, reports, SCALE};

#[tokio::test]
async fn without_a_bus_the_device_is_reported_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    // Plain Linux: this machine.
    symlink("/proc", root.join("proc")).unwrap();
    symlink("/sys", root.join("sys")).unwrap();
    let api = Collector::start("127.0.0.1:0".parse().unwrap(), dir.path());
    let api = api.await.unwrap();
    let program = AgentProgram::below(dir.path(), binary().await, SCALE).unwrap();
    let settings = json!({
        "mac": "02:00:00:00:00:01",
        "stats_url": api.url("/stats"),
        "health_url": "",
        "web_url": "",
    });
    program.configure(&settings).unwrap();
    let mut agent = program.start().unwrap();
    reports(&api, 2).await;
    let lines = api.lines().unwrap();
    let report: Value = serde_json::from_str(&lines[1]).unwrap();
    let device = &report["device"];
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!(device["boot_id"], boot_id.trim_end());
    assert_eq!(device["mac"], "02:00:00:00:00:01");
    assert_eq!(device["seq"], 2);
    let memory = fs::read_to_string("/proc/meminfo").unwrap();
    let total = memory.split_whitespace().nth(1).unwrap();
    let total = total.parse::<u64>().unwrap() * 1024;
    assert_eq!(device["total_ram"], total);
    assert!(device["uptime"].as_u64().unwrap() > 0 && device["load_1"].is_number());
    agent.terminate(AGENT_ENDS_WITHIN).await.unwrap();
}

#[tokio::test]
async fn the_agent_outlives_its_bus_whenever_that_ends_and_is_back_within_a_second() {
    let mut lab = lab_with_agent().await;
    let pid = lab.agent().unwrap().pid();
    let mut rng = fastrand::Rng::with_seed(7);
    for _ in 0..8 {
        // Any moment of a round of collecting, which takes 500 ms.
        tokio::time::sleep(Duration::from_millis(rng.u64(0..500))).await;
        lab.stop_bus().await;
        tokio::time::sleep(Duration::from_millis(rng.u64(0..300))).await;
        lab.start_bus().unwrap();
        let back = Instant::now();
        within("the object is back", lab.registered())
            .await
            .unwrap();
        // The machine may be busy; the agent itself waits for half a second at most.
        assert!(
            back.elapsed() < Duration::from_secs(3),
            "{:?}",
            back.elapsed()
        );
    }
    let status = lab.call("status", &()).await.unwrap();
    assert_eq!(lab.agent().unwrap().pid(), pid);
    let known = lab.api.reports().len();
    reports(&lab.api, known + 2).await;
    assert_eq!(status["spool"]["dropped"], 0);
}
