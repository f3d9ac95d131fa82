//! Ways out: of one family, of another table, in halves, and more than one.

use std::time::Duration;

use serde_json::{json, Value};
use socketman_lab::within::DEADLINE;

use super::ask;
use super::patient::{Patient, NAMES};
use super::site::Site;

/// The names by IPv6.
const NAMES_V6: [(&str, &str); 2] = [
    ("health.example", "2a00:1::5"),
    ("web.example", "2a00:1::6"),
];

const WAN_OF_NETIFD: &str = r#"{"interface":[{"interface":"wan","up":true,"autostart":true,"proto":"dhcp","device":"wan",
    "l3_device":"wan","metric":0,"ipv4-address":[{"address":"192.0.2.2","mask":24}],
    "route":[{"target":"0.0.0.0","mask":0,"nexthop":"192.0.2.1"}]}]}"#;

/// A site of IPv6 alone.
fn site_v6() -> Site {
    let site = Site::new();
    site.device_ip("addr flush dev wan");
    site.device_ip("-6 addr add fd00::2/64 dev wan nodad");
    site.world_ip("-6 addr add fd00::1/64 dev lan nodad");
    for address in ["2a00:1::5", "2a00:1::6"] {
        site.world_ip(&format!("-6 addr add {address}/128 dev lo nodad"));
    }
    site.device_ip("-6 route add default via fd00::1");
    site.accept("[2a00:1::5]:853");
    site.serve_page("[2a00:1::6]:80");
    site
}

#[tokio::test]
async fn ipv4_alone_and_ipv6_alone_are_each_enough() {
    let patient = Patient::new(json!({})).await;
    patient.site.device_ip("-6 addr flush dev wan");
    let (health, _) = patient.verdict("ok").await;
    assert_eq!(health["code"], 9, "{health:#}");
    assert_eq!(health["evidence"]["probe"]["connect"]["to"], "5.5.5.5:853");
    drop(patient);

    let site = site_v6();
    let names = site.name_server(&["fd00::1"], &NAMES_V6);
    let patient = Patient::at(site, names, json!({})).await;
    let (health, _) = patient.verdict("ok").await;
    assert_eq!(health["code"], 9, "{health:#}");
    let probe = patient.probe().await["evidence"]["probe"].clone();
    assert_eq!(probe["connect"]["to"], "[2a00:1::5]:853", "{probe:#}");
    let gateway = &probe["gateways"][0];
    assert_eq!(
        (&gateway["address"], &gateway["answers"]),
        (&json!("fd00::1"), &json!("yes"))
    );
    // It answers no ND any more.
    patient.site.world_ip("-6 addr del fd00::1/64 dev lan");
    let (health, _) = patient.verdict("gateway_dead").await;
    assert_eq!(
        health["evidence"]["probe"]["gateways"][0]["answers"], "no",
        "{health:#}"
    );
}

#[tokio::test]
async fn a_policy_table_two_halves_and_the_whole_of_ipv6_are_ways_out() {
    let patient = Patient::new(json!({})).await;
    patient.verdict("ok").await;
    let site = &patient.site;
    site.device_ip("rule add from all lookup 10");
    site.device_ip("route add default via 192.0.2.1 table 10");
    site.device_ip("route del default");
    let health = patient.probe().await;
    let route = &health["evidence"]["probe"]["route"];
    assert_eq!(
        (&health["code"], &route["found"]),
        (&json!(9), &json!(true)),
        "{health:#}"
    );
    assert_eq!(route["device"], "wan", "{health:#}");
    site.device_ip("route add 0.0.0.0/1 via 192.0.2.1");
    site.device_ip("route add 128.0.0.0/1 via 192.0.2.1");
    site.device_ip("route del default table 10");
    let health = patient.probe().await;
    let route = &health["evidence"]["probe"]["route"];
    assert_eq!(
        (&health["code"], &route["device"]),
        (&json!(9), &json!("wan")),
        "{health:#}"
    );
    assert_eq!(health["verdict"], "ok", "{health:#}");
    // Not all of the world, but all that is asked for.
    site.device_ip("route del 128.0.0.0/1");
    let health = patient.probe().await;
    let route = &health["evidence"]["probe"]["route"];
    assert_eq!(
        (&health["code"], &route["found"]),
        (&json!(9), &json!(false)),
        "{health:#}"
    );
    assert_eq!(health["verdict"], "ok", "{health:#}");
    drop(patient);

    let site = site_v6();
    site.device_ip("-6 route del default");
    site.device_ip("-6 route add 2000::/3 via fd00::1");
    let names = site.name_server(&["fd00::1"], &NAMES_V6);
    let patient = Patient::at(site, names, json!({})).await;
    let (health, _) = patient.verdict("ok").await;
    let route = &health["evidence"]["probe"]["route"];
    assert_eq!(
        (&health["code"], &route["gateway"]),
        (&json!(9), &json!("fd00::1")),
        "{health:#}"
    );
}

/// Waits until reports have such a device.
async fn device(patient: &Patient, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let mut looks = tokio::time::interval(Duration::from_millis(50));
    let asked = async {
        loop {
            looks.tick().await;
            if let Ok(mut report) = ask(&patient.client, "stats").await {
                last = report["device"].take();
                if wanted(&last) {
                    return;
                }
            }
        }
    };
    if tokio::time::timeout(DEADLINE, asked).await.is_err() {
        panic!("not in time: {last:#}");
    }
    last
}

#[tokio::test]
async fn reports_tell_the_way_out_that_the_kernels_rules_put_in_force() {
    let site = Site::new();
    site.second_wan();
    let names = site.name_server(&["192.0.2.1"], &NAMES);
    // netifd means to have the way out by wan.
    let patient = Patient::started(site, names, json!({}), Some(WAN_OF_NETIFD)).await;
    let first = device(&patient, |device| device["wan_name"] == "wan").await;
    assert_eq!(first["wan_ip"], "192.0.2.2", "{first:#}");
    assert_eq!(first["wan_gateway"], "192.0.2.1", "{first:#}");
    let site = &patient.site;
    // A table of its own that a rule leads to before the main one.
    site.device_ip("route add default via 203.0.113.1 table 10");
    site.device_ip("rule add from all lookup 10");
    let ruled = device(&patient, |device| device["wan_name"] == "wan2").await;
    assert_eq!(ruled["wan_ip"], "203.0.113.2", "{ruled:#}");
    assert_eq!(ruled["wan_gateway"], "203.0.113.1", "{ruled:#}");
    // And back, with a second address that the route prefers.
    site.device_ip("rule del from all lookup 10");
    site.device_ip("addr add 192.0.2.77/24 dev wan");
    site.device_ip("route replace default via 192.0.2.1 src 192.0.2.77");
    let preferred = device(&patient, |device| device["wan_ip"] == "192.0.2.77").await;
    assert_eq!(preferred["wan_name"], "wan", "{preferred:#}");
    // Both defaults of the main table gone: that of the table serves what is forwarded, at most.
    site.device_ip("route del default via 192.0.2.1");
    site.device_ip("route del default via 203.0.113.1");
    let forwarded = device(&patient, |device| device["wan_name"] == "wan2").await;
    assert_eq!(forwarded["wan_ip"], "203.0.113.2", "{forwarded:#}");
    // netifd's plan is not in force.
    site.device_ip("route del default table 10");
    let none = device(&patient, |device| device["wan_name"].is_null()).await;
    assert_eq!(none["wan_ip"], Value::Null, "{none:#}");
}

#[tokio::test]
async fn a_default_route_of_ipv6_for_one_source_address_alone_is_in_force() {
    let site = site_v6();
    site.device_ip("-6 addr add 2001:db8:7::2/64 dev wan nodad");
    site.device_ip("-6 route del default");
    // As netifd makes them.
    site.device_ip("-6 route add default from 2001:db8:7::/64 via fd00::1");
    let names = site.name_server(&["fd00::1"], &NAMES_V6);
    let patient = Patient::at(site, names, json!({})).await;
    let device = device(&patient, |device| device["wan_name"] == "wan").await;
    assert_eq!(device["wan_gateway"], "fd00::1", "{device:#}");
    assert_eq!(device["wan_ip6"], "2001:db8:7::2", "{device:#}");
    assert_eq!(device["wan_ip"], Value::Null, "{device:#}");
}

#[tokio::test]
async fn one_of_two_wans_that_is_down_is_ok() {
    let site = Site::new();
    site.second_wan();
    let names = site.name_server(&["192.0.2.1"], &NAMES);
    site.resolvers(&["192.0.2.1", "203.0.113.1"]);
    names.serve(site.socket("203.0.113.1:53"));
    let patient = Patient::at(site, names, json!({})).await;
    patient.verdict("ok").await;
    let mut events = patient.client.listen("socketman.health").await.unwrap();
    // The cable of the better one; netifd takes its route away.
    patient.site.world_ip("link set lan down");
    patient.site.device_ip("route del default via 192.0.2.1");
    let health = patient.health(|health| health["evidence"]["probe"]["route"]["device"] == "wan2");
    let health = health.await;
    assert_eq!(health["verdict"], "ok", "{health:#}");
    let health = patient.probe().await;
    assert_eq!(
        (&health["verdict"], &health["code"]),
        (&json!("ok"), &json!(9)),
        "{health:#}"
    );
    let told = tokio::time::timeout(std::time::Duration::from_millis(1), events.next()).await;
    assert!(told.is_err(), "{told:?}");
}
