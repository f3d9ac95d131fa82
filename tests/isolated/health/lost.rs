//! The way out is lost while a session with the broker looks alive: seconds count, not its time-out.

use std::time::{Duration, Instant};

use serde_json::{json, Value};
use socketman_lab::within::within;
use ubus::blobmsg;

use super::patient::{pass_on, Patient, NAMES};
use super::site::Site;
use super::{ask, heard};

/// The time that the contract gives "no link", "no address" and "no route".
const SOON: Duration = Duration::from_secs(10);

/// The time for every other verdict.
const LATER: Duration = Duration::from_secs(25);

/// Beyond the gateway: once the way is gone, nothing arrives from there.
const BROKER: &str = "5.5.5.5:1883";

async fn with_session() -> (Patient, socketman_lab::broker::Broker) {
    Patient::with_broker(BROKER, json!({})).await
}

/// The session that still looks alive is no proof, and the events tell.
fn assert_lost(health: &Value, words: &str) {
    assert_eq!(health["evidence"]["lost"], words, "{health:#}");
    assert_eq!(health["evidence"]["proof"], Value::Null, "{health:#}");
}

#[tokio::test]
async fn a_pulled_cable_is_told_within_10_s_and_the_session_counts_again_with_its_next_byte() {
    let (patient, _broker) = with_session().await;
    let mut events = patient.client.listen("socketman.health").await.unwrap();
    patient.site.world_ip("link set lan down");
    let (health, took) = patient.verdict("no_carrier").await;
    assert!(took < SOON, "{took:?}");
    assert_lost(&health, "wan has lost its link");
    let told = heard(&mut events).await;
    assert_eq!(told["verdict"], "no_carrier");
    let report = within("a report", async {
        loop {
            let report = ask(&patient.client, "stats").await.unwrap();
            let events = report["events"].as_array().cloned().unwrap_or_default();
            let event = events
                .into_iter()
                .find(|one| one["verdict"] == "no_carrier");
            if let Some(event) = event {
                return event;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(report["type"], "health", "{report}");
    assert_eq!(report["code"], 1, "{report}");
    assert_eq!(
        report["why"],
        "the uplink has no carrier: wan has lost its link"
    );
    patient.site.world_ip("link set lan up");
    patient.verdict("ok").await;
    patient
        .health(|health| health["evidence"]["proof"] == "broker")
        .await;
}

#[tokio::test]
async fn a_lost_address_and_a_lost_route_are_told_within_10_s() {
    let (patient, _broker) = with_session().await;
    patient.site.device_ip("route del default");
    let (health, took) = patient.verdict("no_route").await;
    assert!(took < SOON, "{took:?}");
    assert_lost(&health, "the default route is gone");
    patient.site.device_ip("route add default via 192.0.2.1");
    patient.verdict("ok").await;
    patient
        .health(|health| health["evidence"]["proof"] == "broker")
        .await;
    patient.site.device_ip("-6 addr flush dev wan scope global");
    patient.site.device_ip("addr del 192.0.2.2/24 dev wan");
    let (_, took) = patient.verdict("no_address").await;
    assert!(took < SOON, "{took:?}");
}

#[tokio::test]
async fn a_gateway_that_dies_with_the_link_of_a_moment_is_told_within_25_s() {
    let (patient, _broker) = with_session().await;
    patient.site.world_ip("addr del 192.0.2.1/24 dev lan");
    patient.site.world_ip("link set lan down");
    patient
        .health(|health| health["evidence"]["lost"] != Value::Null)
        .await;
    patient.site.world_ip("link set lan up");
    let back = Instant::now();
    let (health, _) = patient.verdict("gateway_dead").await;
    assert!(back.elapsed() < LATER, "{:?}", back.elapsed());
    let gateways = &health["evidence"]["probe"]["gateways"];
    assert_eq!(gateways[0]["address"], "192.0.2.1", "{health:#}");
    assert_eq!(gateways[0]["answers"], "no", "{health:#}");
}

#[tokio::test]
async fn a_device_that_boots_without_a_cable_says_so() {
    let site = Site::new();
    site.world_ip("link set lan down");
    site.device_ip("route del default");
    site.device_ip("addr flush dev wan");
    let names = site.name_server(&[], &NAMES);
    let patient = Patient::started(site, names, json!({}), Some(DOWN)).await;
    let (health, _) = patient.verdict("no_carrier").await;
    assert_eq!(health["code"], 0, "{health:#}");
    assert_eq!(health["evidence"]["probe"]["route"]["device"], "wan");
    assert_eq!(health["uplink"], Value::Null);
    patient.site.world_ip("link set lan up");
    patient.verdict("no_address").await;
}

/// netifd's words, as far as they are read.
const DOWN: &str = r#"{"interface":[
    {"interface":"lan","up":true,"autostart":true,"proto":"static","device":"br-lan","l3_device":"br-lan","route":[]},
    {"interface":"uplink","up":false,"autostart":true,"proto":"dhcp","device":"wan"}]}"#;
const UP: &str = r#"{"interface":[
    {"interface":"lan","up":true,"autostart":true,"proto":"static","device":"br-lan","l3_device":"br-lan","route":[]},
    {"interface":"uplink","up":true,"autostart":true,"proto":"dhcp","device":"wan","l3_device":"wan","metric":0,
     "route":[{"target":"0.0.0.0","mask":0,"nexthop":"192.0.2.1","source":"192.0.2.2/32"}]}]}"#;

#[tokio::test]
async fn the_uplink_is_netifds_interface_and_its_ifdown_is_a_sign() {
    let site = Site::new();
    let names = site.name_server(&["192.0.2.1"], &NAMES);
    let broker = socketman_lab::broker::Broker::new();
    let target = broker.start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    pass_on(&site, BROKER, target);
    let settings = json!({"mqtt_host": "broker.example", "topic": "t", "key": "k", "spread": 1});
    let patient = Patient::started(site, names, settings, Some(UP)).await;
    let health = patient
        .health(|health| health["evidence"]["proof"] == "broker")
        .await;
    assert_eq!(health["verdict"], "ok");
    let health = patient
        .health(|health| health["uplink"] != Value::Null)
        .await;
    let expected = json!({"interface": "uplink", "device": "wan"});
    assert_eq!(health["uplink"], expected);
    let event = |action: &str| {
        let data: blobmsg::Value =
            serde_json::from_value(json!({"action": action, "interface": "uplink"})).unwrap();
        patient
            .client
            .send_event_raw("network.interface", data.to_members())
    };
    event("ifdown").await.unwrap();
    let health = patient
        .health(|health| health["evidence"]["proof"] == Value::Null)
        .await;
    assert_eq!(health["verdict"], "ok", "{health:#}");
    patient
        .health(|health| health["evidence"]["probe"]["connect"] != Value::Null)
        .await;
}
