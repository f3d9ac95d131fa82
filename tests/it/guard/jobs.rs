//! Network jobs of the real agent: kept, undone, cut short.

use std::fs;

use serde_json::json;
use socketman_lab::collector::Mode;
use socketman_lab::within::within;

use super::desk::Desk;

/// The network as the jobs here leave it.
const NEW: &str = "config interface 'wan'\n";

/// The network as it is at first.
const OLD: &str = "config interface 'lan'\n";

/// Where the kernel says which boot this is.
pub(super) const BOOT_ID: &str = "proc/sys/kernel/random/boot_id";

impl Desk {
    /// A command that gives the router another network.
    fn changes_network(&self) -> String {
        let dir = self.path("etc/config").display().to_string();
        format!(
            "echo \"config interface 'wan'\" > {dir}/network; chmod 600 {dir}/network; \
             echo 'config globals' > {dir}/mwan3; rm {dir}/dhcp"
        )
    }

    /// The object by which the device is rebooted, in the hands of the test.
    pub(super) async fn procd(&self) -> ubus::Object {
        self.lab.router.vanish("system").await.unwrap();
        let (procd, connection) = ubus::connect(&self.lab.place().socket());
        tokio::spawn(connection.run());
        let reboot = ubus::Method::new("reboot", &[]);
        procd.offer("system", vec![reboot]).await.unwrap()
    }
}

/// Waits until procd has to reboot the device, and lets it.
pub(super) async fn is_rebooted(procd: &mut ubus::Object) {
    loop {
        let request = within("a reboot", procd.next()).await.unwrap();
        if request.method == "reboot" {
            return request.finish(ubus::Status::OK);
        }
        request.finish(ubus::Status::METHOD_NOT_FOUND);
    }
}

#[tokio::test]
async fn a_change_after_which_the_broker_answers_stays() {
    let desk = Desk::unhurried().await;
    let mut ear = desk.lab.mqtt.listen();
    let msg = desk.changes_network();
    let job = json!({ "id": "good", "meta": { "msg": msg, "type": "network" } });
    desk.lab.mqtt.send(job.to_string()).await.unwrap();
    desk.status(|status| status["guard"]["armed"] == true && status["guard"]["job"] == "good")
        .await;
    let told = ear.wait_for(|words| words.id == "good" && words.event_type == "PROCESSED");
    let told = within("the result", told).await.unwrap();
    assert_eq!(told.meta.success, Some(true));
    desk.is_over().await;
    assert_eq!(desk.text("etc/config/network"), NEW);
    assert_eq!(desk.mode("etc/config/network"), 0o600);
    assert!(!desk.path("etc/config/dhcp").exists());
}

#[tokio::test]
async fn a_change_after_which_the_broker_is_gone_is_undone() {
    let mut desk = Desk::new().await;
    let dhcp = desk.text("etc/config/dhcp");
    let go = desk.lab.place().path().join("go");
    let waits = format!("while [ ! -e {} ]; do sleep 0.1; done", go.display());
    let msg = format!("{}; {waits}; echo done", desk.changes_network());
    desk.run("bad", "networking", &msg).await;
    desk.until("etc/config/mwan3", "config globals\n").await;
    desk.lab.mqtt.down().await.unwrap();
    fs::write(go, "").unwrap();
    desk.until("etc/config/network", OLD).await;
    desk.lab.mqtt.up().await.unwrap();
    let outcome = desk.outcome("bad").await;
    assert_eq!(outcome["state"], "failed", "{outcome:#}");
    assert_eq!(outcome["rolled_back"], true);
    assert_eq!(outcome["exit_code"], 0);
    assert_eq!(outcome["output"], "done\n");
    let reason = outcome["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("the broker was not reached within 60 s: undone"),
        "{reason}"
    );
    desk.is_over().await;
    assert_eq!(desk.mode("etc/config/network"), 0o640);
    assert_eq!(desk.text("etc/config/dhcp"), dhcp);
    assert!(!desk.path("etc/config/mwan3").exists());
}

#[tokio::test]
async fn other_jobs_wait_for_a_network_job_and_it_waits_for_them() {
    let desk = Desk::unhurried().await;
    let log = desk.path("tmp/order");
    let writes = |word: &str| format!("echo {word} >> {}", log.display());
    let first = format!("sleep 0.5; {}", writes("first"));
    desk.run("first", "", &first).await;
    desk.run("network", "all", &writes("network")).await;
    desk.run("last", "", &writes("last")).await;
    desk.outcome("last").await;
    let ended = desk.outcome("network").await;
    assert_eq!(ended["success"], true, "{ended:#}");
    assert_eq!(desk.text("tmp/order"), "first\nnetwork\nlast\n");
}

#[tokio::test]
async fn what_somebody_edits_after_the_command_is_kept_as_a_conflict() {
    let mut desk = Desk::unhurried().await;
    let go = desk.lab.place().path().join("go");
    let waits = format!("while [ ! -e {} ]; do sleep 0.1; done", go.display());
    let msg = format!("{}; {waits}", desk.changes_network());
    desk.run("bad", "network", &msg).await;
    desk.until("etc/config/network", NEW).await;
    desk.lab.mqtt.down().await.unwrap();
    fs::write(go, "").unwrap();
    desk.status(|status| status["guard"]["until"].is_u64())
        .await;
    fs::write(desk.path("etc/config/network"), "by hand\n").unwrap();
    fs::write(desk.path("etc/config/system"), "by hand\n").unwrap();
    desk.until("etc/config/network", OLD).await;
    desk.lab.mqtt.up().await.unwrap();
    let outcome = desk.outcome("bad").await;
    let reason = outcome["reason"].as_str().unwrap();
    assert!(
        reason.contains("changed by others meanwhile and kept in conflict/: network"),
        "{reason}"
    );
    let kept = desk.text("etc/socketman/state/conflict/network");
    assert_eq!(kept, "by hand\n");
    assert_eq!(desk.text("etc/config/system"), "by hand\n");
}

#[tokio::test]
async fn an_agent_killed_while_a_change_is_armed_is_followed_by_one_that_undoes_it() {
    let mut desk = Desk::unhurried().await;
    let msg = format!("{}; sleep 1000", desk.changes_network());
    let job = json!({ "id": "cut", "meta": { "msg": msg, "type": "network" } });
    desk.lab.mqtt.send(job.to_string()).await.unwrap();
    desk.until("etc/config/network", NEW).await;
    desk.kill().await;
    desk.lab.mqtt.down().await.unwrap();
    desk.start().await;
    desk.status(|status| status["guard"]["armed"] == true).await;
    desk.until("etc/config/network", OLD).await;
    let mut ear = desk.lab.mqtt.listen();
    desk.lab.mqtt.up().await.unwrap();
    let outcome = desk.outcome("cut").await;
    assert_eq!(outcome["rolled_back"], true, "{outcome:#}");
    let told = ear.wait_for(|words| words.id == "cut" && words.event_type == "PROCESSED");
    within("the result", told).await.unwrap();
    desk.is_over().await;
}

#[tokio::test]
async fn an_agent_killed_while_a_change_is_armed_is_followed_by_one_that_keeps_it() {
    let mut desk = Desk::unhurried().await;
    let msg = format!("{}; sleep 1000", desk.changes_network());
    desk.run("cut", "network", &msg).await;
    desk.until("etc/config/network", NEW).await;
    desk.kill().await;
    desk.start().await;
    let outcome = desk.outcome("cut").await;
    assert!(outcome["rolled_back"].is_null(), "{outcome:#}");
    assert_ne!(outcome["state"], "interrupted");
    assert_eq!(desk.text("etc/config/network"), NEW);
    desk.is_over().await;
}

#[tokio::test]
async fn another_release_or_board_disarms() {
    for (file, text) in [
        ("etc/openwrt_release", "DISTRIB_REVISION='r1-2'\n"),
        ("tmp/sysinfo/board_name", "another,board\n"),
    ] {
        let mut desk = Desk::new().await;
        let msg = format!("{}; sleep 1000", desk.changes_network());
        desk.run("flash", "network", &msg).await;
        desk.until("etc/config/network", NEW).await;
        desk.kill().await;
        desk.lab.mqtt.down().await.unwrap();
        let path = desk.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        desk.start().await;
        let outcome = desk.outcome("flash").await;
        assert_eq!(outcome["reason"], "firmware changed", "{outcome:#}");
        assert!(outcome["rolled_back"].is_null());
        assert_eq!(desk.text("etc/config/network"), NEW);
        desk.is_over().await;
    }
}

#[tokio::test]
async fn a_luci_change_that_waits_for_confirmation_delays_a_network_job_and_then_refuses_it() {
    let desk = Desk::unhurried().await;
    desk.lab.router.vanish("uci").await.unwrap();
    let (rpcd, connection) = ubus::connect(&desk.lab.place().socket());
    tokio::spawn(connection.run());
    let confirm = ubus::Method::new("confirm", &[]);
    let mut object = rpcd.offer("uci", vec![confirm]).await.unwrap();
    desk.run("first", "network", "true").await;
    let request = within("a question", object.next()).await.unwrap();
    request.finish(ubus::Status::PERMISSION_DENIED);
    // It is asked again, and confirmed meanwhile.
    let request = within("another question", object.next()).await.unwrap();
    let running = desk.lab.call("job", &json!({ "id": "first" })).await;
    assert_eq!(running.unwrap()["state"], "running");
    request.finish(ubus::Status::NO_DATA);
    assert_eq!(desk.outcome("first").await["success"], true);

    let answering = tokio::spawn(async move {
        while let Some(request) = object.next().await {
            request.finish(ubus::Status::PERMISSION_DENIED);
        }
    });
    desk.run("second", "network", "true").await;
    let outcome = desk.outcome("second").await;
    assert_eq!(outcome["state"], "rejected", "{outcome:#}");
    assert_eq!(outcome["reason"], "a LuCI change waits for confirmation");
    answering.abort();
}

#[tokio::test]
async fn settings_that_are_too_large_to_be_saved_refuse_the_job() {
    let desk = Desk::new().await;
    fs::write(desk.path("etc/config/huge"), vec![b'#'; (1 << 20) + 1]).unwrap();
    desk.run("big", "network", "true").await;
    let outcome = desk.outcome("big").await;
    assert_eq!(outcome["state"], "rejected");
    let reason = "the settings in /etc/config are larger than 1 MiB: too much to be undone";
    assert_eq!(outcome["reason"], reason);
    desk.is_over().await;
}

#[tokio::test]
async fn a_device_that_nothing_brings_back_reboots_once_and_the_next_agent_tells() {
    let mut desk = Desk::new().await;
    let mut procd = desk.procd().await;
    let go = desk.lab.place().path().join("go");
    let waits = format!("while [ ! -e {} ]; do sleep 0.1; done", go.display());
    let msg = format!("{}; {waits}", desk.changes_network());
    let job = json!({ "id": "lost", "meta": { "msg": msg, "type": "network" } });
    desk.lab.mqtt.send(job.to_string()).await.unwrap();
    desk.until("etc/config/network", NEW).await;
    desk.lab.mqtt.down().await.unwrap();
    fs::write(go, "").unwrap();
    is_rebooted(&mut procd).await;
    assert_eq!(desk.text("etc/config/network"), OLD);
    desk.kill().await;
    fs::write(desk.path(BOOT_ID), "a-boot-later\n").unwrap();
    desk.start().await;
    let mut ear = desk.lab.mqtt.listen();
    desk.lab.mqtt.up().await.unwrap();
    let outcome = desk.outcome("lost").await;
    assert_eq!(outcome["rolled_back"], true, "{outcome:#}");
    let reason = outcome["reason"].as_str().unwrap();
    assert!(reason.ends_with("the device was rebooted"), "{reason}");
    let told = ear.wait_for(|words| words.id == "lost" && words.event_type == "PROCESSED");
    within("the result", told).await.unwrap();
    desk.is_over().await;
}

#[tokio::test]
async fn a_job_that_restarts_the_device_is_a_change_as_any_other() {
    for is_good in [true, false] {
        let mut desk = match is_good {
            true => Desk::unhurried().await,
            false => Desk::new().await,
        };
        let msg = format!("{}; sleep 1000", desk.changes_network());
        desk.run("boot", "network", &msg).await;
        desk.until("etc/config/network", NEW).await;
        desk.kill().await;
        fs::write(desk.path(BOOT_ID), "a-boot-later\n").unwrap();
        if !is_good {
            desk.lab.mqtt.down().await.unwrap();
        }
        desk.start().await;
        if !is_good {
            desk.until("etc/config/network", OLD).await;
            desk.lab.mqtt.up().await.unwrap();
        }
        let outcome = desk.outcome("boot").await;
        assert_eq!(outcome["success"], is_good, "{outcome:#}");
        assert_eq!(outcome["rolled_back"] == true, !is_good);
        let network = desk.text("etc/config/network");
        assert_eq!(network, if is_good { NEW } else { OLD });
        desk.is_over().await;
    }
}

#[tokio::test]
async fn an_undo_in_a_later_boot_than_the_command_is_finished_by_the_agent_that_follows() {
    let mut desk = Desk::new().await;
    let mut procd = desk.procd().await;
    let msg = format!("{}; sleep 1000", desk.changes_network());
    desk.run("boot", "network", &msg).await;
    desk.until("etc/config/network", NEW).await;
    desk.kill().await;
    fs::write(desk.path(BOOT_ID), "a-boot-later\n").unwrap();
    desk.lab.mqtt.down().await.unwrap();
    desk.start().await;
    desk.until("etc/config/network", OLD).await;
    // It has put the files back in this boot, and its steps are still to come.
    desk.kill().await;
    desk.start().await;
    is_rebooted(&mut procd).await;
    desk.kill().await;
    fs::write(desk.path(BOOT_ID), "two-boots-later\n").unwrap();
    desk.start().await;
    desk.lab.mqtt.up().await.unwrap();
    let outcome = desk.outcome("boot").await;
    assert_eq!(outcome["rolled_back"], true, "{outcome:#}");
    let reason = outcome["reason"].as_str().unwrap();
    assert!(reason.ends_with("the device was rebooted"), "{reason}");
    desk.is_over().await;
}

#[tokio::test]
async fn a_device_without_a_broker_is_judged_by_api_and_probes() {
    let mut desk = Desk::new().await;
    desk.lab.stop_agent().await.unwrap();
    desk.edit(&[("disable_mqtt", json!(1))]);
    desk.start().await;
    desk.status(|status| status["health"]["code"] == 9).await;
    desk.run("good", "network", "true").await;
    let outcome = desk.outcome("good").await;
    assert_eq!(outcome["success"], true, "{outcome:#}");

    let go = desk.lab.place().path().join("go");
    let waits = format!("while [ ! -e {} ]; do sleep 0.1; done", go.display());
    let msg = format!("{}; {waits}", desk.changes_network());
    desk.run("bad", "network", &msg).await;
    desk.until("etc/config/network", NEW).await;
    desk.lab.set_api(Mode::Down).await.unwrap();
    fs::write(go, "").unwrap();
    let outcome = desk.outcome("bad").await;
    assert_eq!(outcome["rolled_back"], true, "{outcome:#}");
    let reason = outcome["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("the device was worse off for 60 s: undone"),
        "{reason}"
    );
    assert_eq!(desk.text("etc/config/network"), OLD);
}
