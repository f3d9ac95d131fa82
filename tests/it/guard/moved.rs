//! Network jobs that give the agent another `state_dir`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;
use socketman_lab::within::within;

use super::desk::Desk;

/// The network as the job leaves it.
const NEW: &str = "config interface 'wan'\n";

/// The network as it is at first.
const OLD: &str = "config interface 'lan'\n";

/// Where the kernel says which boot this is.
const BOOT_ID: &str = "proc/sys/kernel/random/boot_id";

/// A network job runs, and the broker can only be reached again if it is undone.
async fn cuts_the_device_off(desk: &Desk) {
    cuts_off_having_done(desk, "true").await;
}

/// The same, and the job has done something else before.
async fn cuts_off_having_done(desk: &Desk, before: &str) {
    let network = desk.path("etc/config/network");
    let network = network.display();
    let msg = format!("{before}; echo \"config interface 'wan'\" > {network}; sleep 1000");
    let job = json!({ "id": "moves", "meta": { "msg": msg, "type": "network" } });
    desk.lab.mqtt.send(job.to_string()).await.unwrap();
    desk.until("etc/config/network", NEW).await;
}

/// The agent starts while its state directory is open to others, and uses nothing in it; then the directory is closed to
/// them.
async fn starts_shut_out(desk: &mut Desk, state: &Path) {
    fs::set_permissions(state, Permissions::from_mode(0o777)).unwrap();
    desk.lab.mqtt.down().await.unwrap();
    desk.start().await;
    desk.status(|status| status["jobs"]["durable"] == false)
        .await;
    fs::set_permissions(state, Permissions::from_mode(0o700)).unwrap();
}

/// A person changes the settings, and their copy is another one.
async fn copies_follow(desk: &Desk, state: &Path) {
    desk.edit(&[("keepalive", json!(78))]);
    let copy = state.join("config.json");
    within("the copy", async {
        while !fs::read_to_string(&copy).unwrap().contains("78") {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// The agent undoes the change, and the operator hears of it.
async fn is_undone(desk: &mut Desk) {
    desk.status(|status| status["guard"]["armed"] == true).await;
    desk.until("etc/config/network", OLD).await;
    let mut ear = desk.lab.mqtt.listen();
    desk.lab.mqtt.up().await.unwrap();
    let outcome = desk.outcome("moves").await;
    assert_eq!(outcome["rolled_back"], true, "{outcome:#}");
    let told = ear.wait_for(|words| words.id == "moves" && words.event_type == "PROCESSED");
    within("the result", told).await.unwrap();
    desk.is_over().await;
}

#[tokio::test]
async fn a_job_that_changes_state_dir_and_restarts_the_device_is_undone_by_the_next_agent() {
    let mut desk = Desk::new().await;
    cuts_the_device_off(&desk).await;
    desk.kill().await;
    desk.edit(&[("state_dir", json!("/srv/moved"))]);
    fs::write(desk.path(BOOT_ID), "a-boot-later\n").unwrap();
    desk.lab.mqtt.down().await.unwrap();
    desk.start().await;
    is_undone(&mut desk).await;
}

#[tokio::test]
async fn a_trial_is_found_though_the_agent_had_followed_its_job_to_another_state_dir() {
    let mut desk = Desk::new().await;
    cuts_the_device_off(&desk).await;
    desk.edit(&[("state_dir", json!("/srv/moved"))]);
    within("reload", desk.lab.call("reload", &()))
        .await
        .unwrap();
    let moved = desk.path("srv/moved/jobs");
    within("the ledger moves", async {
        while !moved.exists() || desk.path("etc/socketman/state/jobs").exists() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    desk.kill().await;
    desk.lab.mqtt.down().await.unwrap();
    desk.start().await;
    is_undone(&mut desk).await;
}

#[tokio::test]
async fn a_trial_that_could_not_be_read_at_the_start_is_decided_when_it_can_be() {
    let mut desk = Desk::new().await;
    cuts_the_device_off(&desk).await;
    desk.kill().await;
    let state = desk.path("etc/socketman/state");
    starts_shut_out(&mut desk, &state).await;
    is_undone(&mut desk).await;
}

#[tokio::test]
async fn settings_that_a_job_has_changed_are_put_back_though_its_trial_could_not_be_read_at_the_start(
) {
    let mut desk = Desk::new().await;
    let file = desk.lab.program().config_file();
    let before = fs::read(&file).unwrap();
    cuts_off_having_done(&desk, &desk.sets("keepalive", &json!(77))).await;
    desk.kill().await;
    assert_ne!(fs::read(&file).unwrap(), before);
    let state = desk.path("etc/socketman/state");
    starts_shut_out(&mut desk, &state).await;
    is_undone(&mut desk).await;
    assert_eq!(fs::read(&file).unwrap(), before);
    // The copies follow the settings again.
    copies_follow(&desk, &state).await;
}

#[tokio::test]
async fn copies_of_the_settings_follow_them_when_nothing_is_found_that_could_not_be_read_at_the_start(
) {
    let mut desk = Desk::new().await;
    desk.kill().await;
    let state = desk.path("etc/socketman/state");
    let guard = state.join("guard");
    fs::create_dir_all(&guard).unwrap();
    fs::set_permissions(&guard, Permissions::from_mode(0o700)).unwrap();
    starts_shut_out(&mut desk, &state).await;
    desk.lab.mqtt.up().await.unwrap();
    copies_follow(&desk, &state).await;
}

#[tokio::test]
async fn no_network_job_displaces_a_trial_that_could_not_be_read_at_the_start() {
    let mut desk = Desk::new().await;
    cuts_the_device_off(&desk).await;
    desk.kill().await;
    let state = desk.path("etc/socketman/state");
    let ledger = state.join("jobs");
    // The journal can be read before the ledger can.
    fs::rename(&ledger, state.join("away")).unwrap();
    fs::create_dir(&ledger).unwrap();
    starts_shut_out(&mut desk, &state).await;
    let job = json!({ "type": "network", "msg": "sleep 1000" });
    let answer = within("run_job", desk.lab.call("run_job", &job)).await;
    let answer = format!("{answer:?}");
    assert!(answer.contains("is not settled"), "{answer}");
    fs::remove_dir(&ledger).unwrap();
    fs::rename(state.join("away"), &ledger).unwrap();
    is_undone(&mut desk).await;
}

#[tokio::test]
async fn no_network_job_that_waits_displaces_a_trial_found_meanwhile() {
    let mut desk = Desk::new().await;
    cuts_the_device_off(&desk).await;
    desk.kill().await;
    let state = desk.path("etc/socketman/state");
    let ledger = state.join("jobs");
    fs::rename(&ledger, state.join("away")).unwrap();
    fs::create_dir(&ledger).unwrap();
    fs::set_permissions(&state, Permissions::from_mode(0o777)).unwrap();
    desk.lab.mqtt.down().await.unwrap();
    desk.start().await;
    desk.status(|status| status["jobs"]["durable"] == false)
        .await;
    let gate = desk.path("gate");
    let first = format!("while [ ! -e {} ]; do sleep 0.1; done", gate.display());
    let mut ids = Vec::new();
    for (kind, msg) in [("", &*first), ("network", "true"), ("network", "true")] {
        let job = json!({ "type": kind, "msg": msg, "wait": false });
        let reply = within("run_job", desk.lab.call("run_job", &job)).await;
        ids.push(reply.unwrap()["id"].as_str().unwrap().to_owned());
    }
    fs::set_permissions(&state, Permissions::from_mode(0o700)).unwrap();
    fs::write(&gate, "").unwrap();
    desk.until("etc/config/network", OLD).await;
    desk.lab.mqtt.up().await.unwrap();
    for id in &ids[1..] {
        let outcome = desk.outcome(id).await;
        assert_eq!(outcome["state"], "rejected", "{outcome:#}");
    }
    fs::remove_dir(&ledger).unwrap();
    fs::rename(state.join("away"), &ledger).unwrap();
    let outcome = desk.outcome("moves").await;
    assert_eq!(outcome["rolled_back"], true, "{outcome:#}");
    desk.is_over().await;
}

#[tokio::test]
async fn no_network_job_displaces_a_trial_that_cannot_be_read_yet() {
    let mut desk = Desk::new().await;
    cuts_the_device_off(&desk).await;
    desk.kill().await;
    let journal = desk.path("etc/socketman/state/guard/journal");
    fs::set_permissions(&journal, Permissions::from_mode(0o644)).unwrap();
    let before = fs::read(&journal).unwrap();
    desk.start().await;
    let job = json!({ "type": "network", "msg": "true" });
    let answer = within("run_job", desk.lab.call("run_job", &job)).await;
    let answer = format!("{answer:?}");
    assert!(answer.contains("cannot be read: "), "{answer}");
    assert_eq!(fs::read(&journal).unwrap(), before);
    // A damaged journal holds up nothing.
    fs::write(&journal, "damaged").unwrap();
    fs::set_permissions(&journal, Permissions::from_mode(0o600)).unwrap();
    let answer = within("run_job", desk.lab.call("run_job", &job)).await;
    assert_eq!(answer.unwrap()["success"], true);
}

#[tokio::test]
async fn a_trial_that_can_be_read_only_after_its_job_was_given_up_is_undone_all_the_same() {
    let mut desk = Desk::new().await;
    cuts_the_device_off(&desk).await;
    desk.kill().await;
    let journal = desk.path("etc/socketman/state/guard/journal");
    fs::set_permissions(&journal, Permissions::from_mode(0o644)).unwrap();
    desk.lab.mqtt.down().await.unwrap();
    desk.start().await;
    let outcome = desk.outcome("moves").await;
    assert_eq!(outcome["state"], "interrupted", "{outcome:#}");
    desk.until("etc/config/network", NEW).await;
    fs::set_permissions(&journal, Permissions::from_mode(0o600)).unwrap();
    desk.until("etc/config/network", OLD).await;
    desk.lab.mqtt.up().await.unwrap();
    desk.connected().await;
    // It holds up no other.
    desk.run("next", "network", "true").await;
    let outcome = desk.outcome("next").await;
    assert_eq!(outcome["success"], true, "{outcome:#}");
    desk.is_over().await;
}
