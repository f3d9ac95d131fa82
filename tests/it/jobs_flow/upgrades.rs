//! Upgrades of the system with settings: the new one has nothing of `state_dir` but its directory keep.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use socketman_lab::within::within;

use super::World;

/// Leaves of the device's `state_dir` what sysupgrade does, unpacked again as by tar.
fn upgrade(state: &Path) {
    let script = "
        tar -c -z -f \"$1/backup.tgz\" -C / $(find \"$2/keep\" -type f | sed 's,^/,,')
        rm -r \"$2\"
        umask 022
        tar -x -z -f \"$1/backup.tgz\" -C /";
    let dir = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    shell
        .args(["-e", "-c", script, "sh"])
        .arg(dir.path())
        .arg(state);
    assert!(shell.status().unwrap().success());
    let mode = fs::metadata(state).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o755);
    assert!(!state.join("jobs").exists() && state.join("keep/ids").exists());
}

#[tokio::test]
async fn a_job_that_comes_again_after_an_upgrade_is_answered_as_it_ended_and_does_not_run() {
    let mut world = World::with_agent().await;
    let state = world.lab.program().root.join("etc/socketman/state");
    let ran = format!("{}; exit 3", world.writes("ran"));
    world.job("ran", &ran).await;
    assert_eq!(world.operator.result("ran").await["exit_code"], 3);
    let local = world.writes("local");
    let args = json!({"id": "ran", "msg": local, "wait": true});
    assert_eq!(world.call("run_job", args.clone()).await["success"], true);
    let ended = within("the agent ends", world.lab.stop_agent()).await;
    assert!(ended.unwrap().unwrap().success());
    upgrade(&state);
    world.start_agent();
    world.connected().await;
    let status = world.status(|status| status["jobs"]["ids"] == 2).await;
    assert_eq!(
        status["jobs"]["kept"], status["jobs"]["durable"],
        "{status}"
    );
    world.job("ran", &ran).await;
    let result = world.operator.result("ran").await;
    assert_eq!(
        (&result["exit_code"], &result["success"]),
        (&json!(3), &json!(false))
    );
    world.call("run_job", args).await;
    assert_eq!(world.written(), ["ran", "local"]);
    world.end().await;
}

#[tokio::test]
async fn a_job_that_an_upgrade_cut_off_is_interrupted_and_does_not_begin_again() {
    let mut world = World::with_agent().await;
    let state = world.lab.program().root.join("etc/socketman/state");
    let pid = world.lab.agent().unwrap().pid();
    let begins = format!("{}; kill -KILL {pid}; sleep 300", world.writes("began"));
    world.job("upgrades", &begins).await;
    let _ended = within("the agent ends", world.lab.agent_ended()).await;
    upgrade(&state);
    world.start_agent();
    world.connected().await;
    world.job("upgrades", &begins).await;
    let (_, told) = within("an answer", world.operator.next("INTERRUPTED")).await;
    assert_eq!(told["id"], "upgrades");
    assert_eq!(told["meta"]["success"], false);
    assert_eq!(world.written(), ["began"]);
    // Other jobs run as ever.
    world.job("next", &world.writes("next")).await;
    world.operator.result("next").await;
    assert_eq!(world.written(), ["began", "next"]);
    world.end().await;
}

#[tokio::test]
async fn a_register_that_others_may_write_stops_no_job_and_status_says_so() {
    let mut world = World::new().await;
    let keep = world.lab.program().root.join("etc/socketman/state/keep");
    fs::create_dir_all(&keep).unwrap();
    for dir in keep.ancestors().take(2) {
        fs::set_permissions(dir, Permissions::from_mode(0o700)).unwrap();
    }
    fs::set_permissions(&keep, Permissions::from_mode(0o777)).unwrap();
    world.start_agent();
    world.connected().await;
    world.job("a", &world.writes("a")).await;
    world.operator.result("a").await;
    let status = world.status(|status| status["jobs"]["ids"] == 1).await;
    assert_eq!(status["jobs"]["kept"], false, "{status}");
    world.end().await;
}
