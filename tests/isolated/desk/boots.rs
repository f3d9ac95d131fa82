//! Boots of the lab's router, in its network and without one.

use std::fs;

use serde_json::{json, Value};
use socketman_lab::lab::Lab;
use socketman_lab::options::Options;
use socketman_lab::within::within;
use ubus::blobmsg::Value as Data;
use ubus::{Events, Heard, Status};

use super::{lab, order, Inside};
use crate::service::{self, binary};

async fn connected(lab: &Lab) -> Value {
    let connected = |status: &Value| status["mqtt"]["connected"] == true;
    within("a session", lab.status_when(connected)).await
}

/// Waits until an agent has registered.
async fn await_agent(events: &mut Events) {
    loop {
        if let Some(Heard::Event { data, .. }) = events.next().await {
            let data = Data::from_members(&data).unwrap();
            if data.get("path").and_then(Data::as_str) == Some("socketman") {
                return;
            }
        }
    }
}

/// The state that a boot takes away and the state it leaves.
struct Traces {
    root: std::path::PathBuf,
    boot: String,
}

impl Traces {
    fn leave(lab: &Lab) -> Self {
        let root = lab.place().root();
        fs::write(root.join("etc/config/other"), "config other\n").unwrap();
        fs::write(root.join("etc/os-release"), "ID=\"other\"\n").unwrap();
        fs::write(root.join("etc/socketman/state/mark"), "kept").unwrap();
        fs::write(root.join("tmp/mark"), "lost").unwrap();
        fs::create_dir_all(root.join("var/run/socketman")).unwrap();
        fs::write(root.join("var/run/socketman/mark"), "lost").unwrap();
        let boot = lab.router.facts().boot_id;
        Traces { root, boot }
    }

    fn after_a_boot(&self, lab: &Lab) {
        let read = |path: &str| fs::read_to_string(self.root.join(path)).unwrap();
        assert_eq!(read("etc/config/other"), "config other\n");
        assert_eq!(read("etc/os-release"), "ID=\"other\"\n");
        assert_eq!(read("etc/socketman/state/mark"), "kept");
        assert!(!self.root.join("tmp/mark").exists());
        assert!(!self.root.join("var/run/socketman/mark").exists());
        let facts = lab.router.facts();
        assert_ne!(facts.boot_id, self.boot);
        assert_eq!(read("proc/sys/kernel/random/boot_id").trim(), facts.boot_id);
        assert!(facts.uptime < 120, "{}", facts.uptime);
    }
}

#[tokio::test]
async fn a_reboot_has_another_id_and_keeps_what_is_on_flash() {
    let mut lab = service::lab(binary().await).await;
    lab.start_agent().unwrap();
    connected(&lab).await;
    let traces = Traces::leave(&lab);
    let first = lab.agent().unwrap().pid();
    let said = lab.client().clone();
    order(&said, "system", "reboot", json!({})).await.unwrap();
    within("the reboot is asked for", lab.reboot_asked()).await;
    lab.reboot().await.unwrap();
    traces.after_a_boot(&lab);
    assert_ne!(lab.agent().unwrap().pid(), first);
    let status = connected(&lab).await;
    // It was told to end.
    assert_eq!(status["starts"]["count"], 0, "{status:#}");

    // Whoever waits has a router that reboots and an agent that comes back.
    let client = lab.client().clone();
    let boot = lab.router.facts().boot_id;
    let mut reboots = lab.client().listen("ubus.object.add").await.unwrap();
    order(&client, "system", "reboot", json!({})).await.unwrap();
    let agent = await_agent(&mut reboots);
    within("it reboots", lab.during(agent)).await.unwrap();
    assert_ne!(lab.router.facts().boot_id, boot);
    lab.agent().unwrap().kill().await.unwrap();
    let agent = await_agent(&mut reboots);
    within("it is started again", lab.during(agent))
        .await
        .unwrap();

    // Other firmware, on another board.
    let traces = Traces::leave(&lab);
    let release = "DISTRIB_REVISION='r1-2'\n";
    fs::write(traces.root.join("etc/openwrt_release"), release).unwrap();
    let board = r#"{"model":{"id":"acme,ap1"}}"#;
    fs::write(traces.root.join("etc/board.json"), board).unwrap();
    lab.power_cut().await.unwrap();
    traces.after_a_boot(&lab);
    connected(&lab).await;
    let board = super::ask(lab.client(), "system", "board").await;
    assert_eq!(board["release"]["revision"], "r1-2");
    assert_eq!(board["board_name"], "acme,ap1");
    let name = fs::read_to_string(traces.root.join("tmp/sysinfo/board_name")).unwrap();
    assert_eq!(name, "acme,ap1\n");
}

#[tokio::test]
async fn after_a_power_cut_the_network_is_as_the_files_say() {
    let Some(mut lab) = lab(&Options::default()).await else {
        return;
    };
    let inside = Inside::of(&mut lab);
    lab.start_agent().unwrap();
    connected(&lab).await;
    let traces = Traces::leave(&lab);
    let client = lab.client().clone();
    order(&client, "network.interface.wan", "down", json!({}))
        .await
        .unwrap();
    inside
        .sh("ip link add wg0 type bridge; ip rule add pref 5 lookup 9")
        .await;
    // Somebody's process, which a power cut does not ask.
    let pid = inside.file("etc/pid");
    let sleeps = "sleep 300 >/dev/null 2>&1 & echo $!";
    inside.sh(&format!("{sleeps} > {}", pid.display())).await;
    lab.power_cut().await.unwrap();
    traces.after_a_boot(&lab);
    connected(&lab).await;
    assert_ne!(inside.default_route().await, "");
    let links = inside.said("ip -o link").await;
    assert!(!links.contains("wg0"), "{links}");
    assert!(!inside.said("ip rule").await.contains("lookup 9"));
    let pid = fs::read_to_string(pid).unwrap();
    // Nobody may have waited for it yet.
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z"), "{stat}");
}

#[tokio::test]
async fn without_a_network_interfaces_go_down_and_up_all_the_same() {
    let lab = service::lab(binary().await).await;
    let client = lab.client().clone();
    let up = || async { super::status(&client, "wan").await["up"] == true };
    assert!(up().await);
    let mut events = client.listen("network.interface").await.unwrap();
    for (method, is_up, event) in [("down", false, "ifdown wan"), ("up", true, "ifup wan")] {
        order(&client, "network.interface.wan", method, json!({}))
            .await
            .unwrap();
        assert_eq!(up().await, is_up);
        assert_eq!(super::told(&mut events, 1).await, [event]);
    }
    let unknown = order(
        &client,
        "network.interface",
        "up",
        json!({ "interface": "x" }),
    )
    .await;
    assert_eq!(unknown, Err(Status::NOT_FOUND));
    order(&client, "network", "restart", json!({}))
        .await
        .unwrap();
}
