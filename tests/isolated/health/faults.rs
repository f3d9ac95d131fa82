//! Tests of each fault between the device and the world, one for each.

use std::time::Duration;

use serde_json::{json, Value};

use super::dns::Manner;
use super::patient::Patient;
use super::site::{LOGIN_PAGE, REFRESHES};

/// Longest time until a fault is reported, at the pace of these tests: 60 s of a router, and the time the checks
/// themselves wait, which no pace shortens.
const TOLD_WITHIN: Duration = Duration::from_secs(30);

async fn patient() -> Patient {
    let patient = Patient::new(json!({})).await;
    let (health, _) = patient.verdict("ok").await;
    assert_eq!(health["code"], 9, "{health:#}");
    patient
}

async fn told(patient: &Patient, verdict: &str, code: u8) -> Value {
    let (health, took) = patient.verdict(verdict).await;
    assert!(took < TOLD_WITHIN, "{took:?}");
    assert_eq!(health["code"], code, "{health:#}");
    health["evidence"]["probe"].clone()
}

#[tokio::test]
async fn a_gateway_that_answers_no_arp_is_dead() {
    let patient = patient().await;
    let gateway = |health: &Value| health["evidence"]["probe"]["gateways"][0]["answers"].clone();
    assert_eq!(gateway(&patient.probe().await), "yes");
    patient.site.world_ip("link set lan arp off");
    // It forwards nothing either.
    patient.site.world_ip("neigh flush all");
    patient.site.world_ip("addr del 192.0.2.1/24 dev lan");
    let probe = told(&patient, "gateway_dead", 1).await;
    assert_eq!(probe["gateways"][0]["answers"], "no", "{probe:#}");
}

#[tokio::test]
async fn a_name_server_that_is_silent_and_one_that_fails_are_dead_and_are_told_apart() {
    let patient = patient().await;
    patient.names.is(Manner::Silent);
    let probe = told(&patient, "dns_dead", 1).await;
    let server = &probe["resolvers"][0];
    assert_eq!(server["address"], "192.0.2.1", "{probe:#}");
    assert_eq!(server["error"], "no answer within 3 s", "{probe:#}");
    assert_eq!(server["own_dead"], Value::Null, "{probe:#}");
    patient.names.is(Manner::Answers);
    told(&patient, "ok", 9).await;
    patient.names.is(Manner::Servfail);
    let probe = told(&patient, "dns_dead", 1).await;
    assert_eq!(probe["resolvers"][0]["error"], "SERVFAIL", "{probe:#}");
}

#[tokio::test]
async fn our_own_resolver_on_loopback_is_told_from_those_beyond_it() {
    let patient = patient().await;
    patient.site.resolvers(&["127.0.0.1"]);
    told(&patient, "dns_dead", 1).await;
    let health = patient
        .health(|health| health["own_resolver_dead"] == true)
        .await;
    let server = &health["evidence"]["probe"]["resolvers"][0];
    assert_eq!(server["own_dead"], true, "{health:#}");
    // It lives, and gets no answer from those it asks.
    patient.site.name_server_of_the_device(&patient.names);
    patient.names.is(Manner::Servfail);
    let health = patient
        .health(|health| health["own_resolver_dead"] == Value::Null)
        .await;
    assert_eq!(health["verdict"], "dns_dead", "{health:#}");
}

#[tokio::test]
async fn a_name_server_that_lies_is_a_hijacker() {
    let patient = patient().await;
    for lie in ["10.0.0.1", "198.18.0.7", "192.0.2.1"] {
        patient
            .names
            .knows(&[("health.example", lie), ("web.example", lie)]);
        let lies = |health: &Value| {
            let addresses = &health["evidence"]["probe"]["lookup"]["addresses"];
            health["verdict"] == "dns_hijacked" && *addresses == json!([lie])
        };
        let health = patient.health(lies).await;
        assert_eq!(health["code"], 1, "{health:#}");
    }
    // The page behind it is another's.
    patient.site.serve_page("192.0.2.1:80");
    patient.site.web_answers(LOGIN_PAGE);
    let health = patient.health(|health| health["evidence"]["probe"]["web"]["result"] == "foreign");
    let health = health.await;
    // A name of our own choice is reached wherever it leads to.
    let verdict = &health["verdict"];
    assert!(
        verdict == "captive_portal" || verdict == "dns_hijacked",
        "{health:#}"
    );
}

#[tokio::test]
async fn a_portal_is_one_by_302_by_a_page_and_by_a_page_that_leads_elsewhere() {
    let patient = patient().await;
    for (answer, status) in [(302, 302), (LOGIN_PAGE, 200), (REFRESHES, 200)] {
        patient.site.web_answers(answer);
        let probe = told(&patient, "captive_portal", 4).await;
        assert_eq!(probe["web"]["result"], "foreign", "{probe:#}");
        assert_eq!(probe["web"]["status"], status, "{probe:#}");
        patient.site.web_answers(204);
        told(&patient, "ok", 9).await;
    }
}

#[tokio::test]
async fn a_gateway_that_answers_with_nothing_beyond_it_is_no_internet() {
    let patient = patient().await;
    patient.site.world_ip("addr del 5.5.5.5/32 dev lo");
    patient.site.world_ip("addr del 6.6.6.6/32 dev lo");
    let probe = told(&patient, "no_internet", 1).await;
    assert_eq!(probe["gateways"][0]["answers"], "yes", "{probe:#}");
}

#[tokio::test]
async fn loss_of_40_percent_and_2_s_of_latency_are_ok_and_degraded_at_most() {
    let patient = patient().await;
    println!("skipped: no queueing discipline netem in this kernel; lost questions and a slow server instead");
    patient.names.is(Manner::Lossy);
    for _ in 0..4 {
        let health = patient.probe().await;
        assert_eq!(health["verdict"], "ok", "{health:#}");
    }
    patient.names.is(Manner::Answers);
    patient.site.web_takes(2100);
    let slow = |health: &Value| {
        let web = &health["evidence"]["probe"]["web"];
        health["code"] == 9 && web["ms"].as_u64().is_some_and(|ms| ms >= 2000)
    };
    let health = patient.health(slow).await;
    assert_eq!(health["verdict"], "ok", "{health:#}");
    assert_eq!(health["evidence"]["degraded"], true, "{health:#}");
}
