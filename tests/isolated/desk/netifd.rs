//! netifd, procd, rpcd and the scripts of the lab's router, with a kernel behind them.

use std::fs;
use std::time::Duration;

use serde_json::json;
use socketman::actions::{Action, Actions, Device, Service};
use socketman_lab::options::Options;
use socketman_lab::site::SERVERS;
use socketman_lab::within::within;
use tokio::time::timeout;
use ubus::{Notice, Status, Subscription};

use super::{lab, order, status, told, Inside};

/// Longer than a restart or a delayed reload takes; nothing may be heard for so long.
const QUIET: Duration = Duration::from_millis(500);

#[tokio::test]
async fn a_reload_touches_what_changed_and_a_restart_everything() {
    let Some(mut lab) = lab(&Options::default()).await else {
        return;
    };
    let inside = Inside::of(&mut lab);
    let client = lab.client().clone();
    let mut events = client.listen("network.interface").await.unwrap();
    let reload = || order(&client, "network", "reload", json!({}));

    // What netifd did not do is not undone by a reload of the same file.
    inside.sh("ip route del default").await;
    reload().await.unwrap();
    assert_eq!(inside.default_route().await, "");
    assert!(timeout(QUIET, events.next()).await.is_err());

    // A section that changed is brought down and up.
    inside.edit(
        "etc/config/network",
        "'dhcp'",
        "'dhcp'\n\toption hostname 'x'",
    );
    assert_eq!(inside.script("etc/init.d/network reload").await, Some(0));
    assert_eq!(told(&mut events, 2).await, ["ifdown wan", "ifup wan"]);
    assert_ne!(inside.default_route().await, "");

    // One that somebody took down stays down.
    assert_eq!(inside.script("sbin/ifdown wan").await, Some(0));
    assert_eq!(told(&mut events, 1).await, ["ifdown wan"]);
    reload().await.unwrap();
    assert_eq!(status(&client, "wan").await["autostart"], false);
    assert_eq!(inside.addresses().await, "");
    assert!(!inside.link().await.contains("LOWER_UP"));

    // A restart brings up what the file says.
    order(&client, "network", "restart", json!({}))
        .await
        .unwrap();
    let mut all = told(&mut events, 5).await;
    all.sort();
    assert_eq!(
        all,
        [
            "ifdown lan",
            "ifdown loopback",
            "ifup lan",
            "ifup loopback",
            "ifup wan"
        ]
    );
    assert_ne!(inside.default_route().await, "");
    let addresses = inside.said("ip -o -4 addr show dev br-lan").await;
    assert!(addresses.contains("192.168.8.1/24"), "{addresses}");

    // Another address in the file, and the procd that tells netifd of it.
    inside.edit("etc/config/network", "192.168.8.1/24", "192.168.77.1/24");
    assert_eq!(inside.script("sbin/reload_config").await, Some(0));
    assert_eq!(told(&mut events, 2).await, ["ifdown lan", "ifup lan"]);
    let addresses = inside.said("ip -o -4 addr show dev br-lan").await;
    assert!(addresses.contains("192.168.77.1/24") && !addresses.contains("192.168.8.1/24"));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_keeps_interfaces_down() {
    let Some(mut lab) = lab(&Options::default()).await else {
        return;
    };
    let inside = Inside::of(&mut lab);
    let client = lab.client().clone();
    let mut events = client.listen("network.interface").await.unwrap();
    let good = inside.read("etc/config/network");

    // libuci skips the line; what follows a quotation without an end is lost with it.
    fs::write(
        inside.file("etc/config/network"),
        good.replace("'wan'", "'wan"),
    )
    .unwrap();
    order(&client, "network", "reload", json!({}))
        .await
        .unwrap();
    assert_eq!(told(&mut events, 1).await, ["ifdown wan"]);
    assert_eq!(inside.default_route().await, "");
    let gone = order(&client, "network.interface.wan", "up", json!({})).await;
    assert_eq!(gone, Err(Status::NOT_FOUND));
    fs::write(inside.file("etc/config/network"), &good).unwrap();
    order(&client, "network", "reload", json!({}))
        .await
        .unwrap();
    assert_eq!(told(&mut events, 1).await, ["ifup wan"]);

    // Without a file a reload fails and changes nothing; after a restart there is nothing.
    fs::remove_file(inside.file("etc/config/network")).unwrap();
    let failed = order(&client, "network", "reload", json!({})).await;
    assert_eq!(failed, Err(Status::NOT_FOUND));
    assert_eq!(inside.script("etc/init.d/network reload").await, Some(1));
    assert_ne!(inside.default_route().await, "");
    assert_eq!(inside.script("etc/init.d/network restart").await, Some(0));
    told(&mut events, 3).await;
    assert!(timeout(QUIET, events.next()).await.is_err());
    assert_eq!(inside.default_route().await, "");
    fs::write(inside.file("etc/config/network"), &good).unwrap();
    order(&client, "network", "reload", json!({}))
        .await
        .unwrap();
    told(&mut events, 3).await;
    let there = async || inside.broker_is_there().await;
    inside.until("the broker is there", there).await;
}

/// The kind of the next notification.
async fn notice(notices: &mut Subscription) -> String {
    loop {
        if let Notice::Notification { kind, .. } =
            within("a notification", notices.next()).await.unwrap()
        {
            return kind;
        }
    }
}

#[tokio::test]
async fn the_agents_actions_have_their_effects() {
    let Some(mut lab) = lab(&Options::default()).await else {
        return;
    };
    let inside = Inside::of(&mut lab);
    let client = lab.client().clone();
    let device = Device::new(client.clone(), &inside.root);
    let mut events = client.listen("network.interface").await.unwrap();
    let perform = |action: Action| {
        let device = device.clone();
        async move { device.perform(&action).await.unwrap() }
    };
    let wan = || "wan".to_owned();

    // A route that somebody deleted: a lease that is renewed does not bring it back, down and up does.
    inside.sh("ip route del default").await;
    perform(Action::Renew(wan())).await;
    assert_eq!(inside.default_route().await, "");
    let mut notices = client.subscribe("network.interface.wan").await.unwrap();
    perform(Action::Down(wan())).await;
    perform(Action::Up(wan())).await;
    for kind in ["interface.down", "interface.update"] {
        assert_eq!(notice(&mut notices).await, kind);
    }
    assert_eq!(told(&mut events, 2).await, ["ifdown wan", "ifup wan"]);
    assert_ne!(inside.default_route().await, "");
    perform(Action::Restart(Service::Network)).await;
    told(&mut events, 6).await;

    // A resolver that is gone.
    assert_eq!(inside.script("etc/init.d/dnsmasq stop").await, Some(0));
    assert_eq!(inside.address_of("broker.example").await, None);
    perform(Action::Restart(Service::Dnsmasq)).await;
    let answers = async || inside.address_of("broker.example").await.is_some();
    inside.until("the resolver answers", answers).await;

    // A rule of the firewall, and its end.
    let rule = format!("config rule\n\toption dest_ip '{SERVERS}'\n\toption target 'DROP'\n");
    let good = inside.read("etc/config/firewall");
    fs::write(
        inside.file("etc/config/firewall"),
        format!("{good}\n{rule}"),
    )
    .unwrap();
    perform(Action::Restart(Service::Firewall)).await;
    assert!(!inside.broker_is_there().await);
    fs::write(inside.file("etc/config/firewall"), good).unwrap();
    perform(Action::ConfigChanged("firewall".to_owned())).await;
    let open = async || inside.broker_is_there().await;
    inside.until("the firewall is reloaded", open).await;

    perform(Action::Reboot).await;
    within("the reboot is asked for", lab.reboot_asked()).await;
}

#[tokio::test]
async fn an_apply_that_nobody_confirms_is_rolled_back_with_its_effects() {
    let Some(mut lab) = lab(&Options::default()).await else {
        return;
    };
    let inside = Inside::of(&mut lab);
    let client = lab.client().clone();
    let mut events = client.listen("network.interface").await.unwrap();
    let uci = |method: &'static str, args| order(&client, "uci", method, args);
    let other = json!({ "ubus_rpc_session": "other" });
    assert_eq!(uci("confirm", other.clone()).await, Err(Status::NO_DATA));
    let change = json!({
        "config": "network", "section": "wan", "ubus_rpc_session": "mine",
        "values": { "device": "eth9" },
    });
    uci("set", change).await.unwrap();
    let apply = json!({ "ubus_rpc_session": "mine", "rollback": true, "timeout": 60 });
    uci("apply", apply).await.unwrap();
    let pending = uci("confirm", other.clone()).await;
    assert_eq!(pending, Err(Status::PERMISSION_DENIED));
    assert_eq!(told(&mut events, 1).await, ["ifdown wan"]);
    assert_eq!(status(&client, "wan").await["available"], false);
    // A minute of the router passes in two seconds.
    assert_eq!(told(&mut events, 1).await, ["ifup wan"]);
    assert_eq!(uci("confirm", other).await, Err(Status::NO_DATA));
    assert!(!inside.read("etc/config/network").contains("eth9"));
}
