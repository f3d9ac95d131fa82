//! Flash that takes no more: worn out and mounted read-only, or full.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use socketman_lab::lab::AGENT_ENDS_WITHIN;
use tempfile::TempDir;

use crate::{binary, lab, within, DEADLINE};

/// A program that runs the agent where `<root>/etc/socketman/state` is another file system, made with
/// these commands (`$state` is its place). As root; the mount is gone with the agent.
async fn agent_on(commands: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("agent");
    let agent = binary().await;
    let agent = agent.display();
    let script = format!(
        "#!/bin/sh\n\
         # Its first words are: --root DIR\n\
         export state=$2/etc/socketman/state\n\
         mkdir -p -m 700 $state\n\
         exec unshare -m sh -euc '{commands}; exec \"$0\" \"$@\"' {agent} \"$@\"\n"
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    (dir, program)
}

/// The agent does its work on such a file system, and says what is wrong with it.
async fn works(commands: &str, reason: &str) {
    let (_dir, program) = agent_on(commands).await;
    let mut lab = lab(program).await;
    lab.start_agent().unwrap();
    within("registration", lab.registered()).await.unwrap();
    let two = lab
        .api
        .wait_for(DEADLINE, |record| record.reports.len() >= 2);
    two.await.unwrap();
    let status = lab.call("status", &()).await.unwrap();
    assert!(says(&status["config"]["errors"], reason), "{status:#}");
    let mut ear = lab.mqtt.listen();
    let id = lab.send_job("echo done").await.unwrap();
    let answered = ear.wait_for(|words| words.id == id && words.event_type != "DELIVERED");
    within("the job is answered", answered).await.unwrap();
    let agent = lab.agent().unwrap();
    let ended = agent.terminate(AGENT_ENDS_WITHIN).await.unwrap();
    assert!(ended.success(), "{ended}");
}

fn says(errors: &Value, reason: &str) -> bool {
    let mut reasons = errors.as_array().unwrap().iter();
    reasons.any(|error| error["reason"].as_str().unwrap().contains(reason))
}

#[tokio::test]
async fn with_flash_mounted_read_only_it_does_its_work_and_says_so() {
    works(
        "mount -t tmpfs -o ro,mode=700 worn $state",
        "Read-only file system",
    )
    .await;
}

#[tokio::test]
async fn with_flash_that_is_full_it_does_its_work() {
    let (_dir, program) = agent_on(
        "mount -t tmpfs -o size=16k,mode=700 full $state; \
         cat /dev/zero > $state/other 2>/dev/null || true",
    )
    .await;
    let mut lab = lab(program).await;
    lab.start_agent().unwrap();
    within("registration", lab.registered()).await.unwrap();
    let two = lab
        .api
        .wait_for(DEADLINE, |record| record.reports.len() >= 2);
    two.await.unwrap();
    let agent = lab.agent().unwrap();
    let ended = agent.terminate(AGENT_ENDS_WITHIN).await.unwrap();
    assert!(ended.success(), "{ended}");
    // On this side of the mount nothing was written.
    let state = lab.place().root().join("etc/socketman/state");
    assert!(is_empty(&state));
}

fn is_empty(dir: &Path) -> bool {
    dir.read_dir().unwrap().next().is_none()
}
