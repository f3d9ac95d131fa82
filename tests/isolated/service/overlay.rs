//! Flash that takes no more: worn out and mounted read-only, or full; and memory in its place.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;
use socketman_lab::lab::{Lab, AGENT_ENDS_WITHIN};
use socketman_lab::within::{within, DEADLINE};
use tempfile::TempDir;

use super::{binary, lab};

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

/// A lab whose agent works on such a file system: it is on the bus, and its reports arrive.
async fn at_work(commands: &str) -> (TempDir, Lab) {
    let (dir, program) = agent_on(commands).await;
    let mut lab = lab(program).await;
    lab.start_agent().unwrap();
    within("registration", lab.registered()).await.unwrap();
    let two = lab
        .api
        .wait_for(DEADLINE, |record| record.reports.len() >= 2);
    two.await.unwrap();
    (dir, lab)
}

async fn end(lab: &mut Lab) {
    let agent = lab.agent().unwrap();
    let ended = agent.terminate(AGENT_ENDS_WITHIN).await.unwrap();
    assert!(ended.success(), "{ended}");
}

#[tokio::test]
async fn with_flash_mounted_read_only_it_does_its_work_and_says_so() {
    let (_dir, mut lab) = at_work("mount -t tmpfs -o ro,mode=700 worn $state").await;
    let status = lab.call("status", &()).await.unwrap();
    let errors = status["config"]["errors"].as_array().unwrap();
    let says_so = |error: &Value| {
        let reason = error["reason"].as_str().unwrap();
        reason.contains("Read-only file system")
    };
    assert!(errors.iter().any(says_so), "{status:#}");
    let mut ear = lab.mqtt.listen();
    let id = lab.send_job("echo done").await.unwrap();
    let answered = ear.wait_for(|words| words.id == id && words.event_type != "DELIVERED");
    within("the job is answered", answered).await.unwrap();
    end(&mut lab).await;
}

#[tokio::test]
async fn with_flash_that_is_full_it_does_its_work() {
    let full = "mount -t tmpfs -o size=16k,mode=700 full $state; \
                cat /dev/zero > $state/other 2>/dev/null || true";
    let (_dir, mut lab) = at_work(full).await;
    end(&mut lab).await;
    // On this side of the mount nothing was written.
    let state = lab.place().root().join("etc/socketman/state");
    assert!(state.read_dir().unwrap().next().is_none());
}

#[tokio::test]
async fn a_ledger_in_memory_is_not_durable_though_a_disk_was_mounted_there() {
    // The disk's mount is still listed, and its path is the longest that leads to the ledger.
    let covered = "mount --bind / $state; mount -t tmpfs -o mode=755 memory /mnt; \
                   cp -p $state/../config.json /mnt; mkdir -m 700 /mnt/state; \
                   mount --move /mnt ${state%/*}";
    let (_dir, mut lab) = at_work(covered).await;
    let opened = lab.status_when(|status| status["jobs"]["durable"].is_boolean());
    let status = within("the ledger is open", opened).await;
    assert_eq!(status["jobs"]["durable"], false, "{status:#}");
    end(&mut lab).await;
}
