//! The world is fine, and the operator's own servers are not.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{json, Value};
use socketman_lab::broker::Broker;
use socketman_lab::tls_front::TlsFront;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::ServerConfig;

use super::patient::{pass_on, Patient, NAMES};
use super::site::{Site, API, CLOSED};

fn with(settings: Value) -> Value {
    let mut all = json!({
        "mqtt_host": "broker.example",
        "topic": "t",
        "key": "k",
        "spread": 1,
        "keepalive": 5,
    });
    all.as_object_mut()
        .unwrap()
        .extend(settings.as_object().unwrap().clone());
    all
}

#[tokio::test]
async fn broker_refused_and_api_5xx_together_are_a_fault_and_each_alone_is_a_fact() {
    // Nobody listens for MQTT; the API fails.
    let mut patient = Patient::new(with(json!({"stats_url": API}))).await;
    patient.site.api_answers(500);
    let (health, _) = patient.verdict("server_unreachable").await;
    assert_eq!(health["code"], 9, "{health:#}");
    let evidence = &health["evidence"];
    assert_eq!(evidence["broker"]["reached"], false, "{health:#}");
    assert_eq!(evidence["api"]["reached"], false, "{health:#}");
    let error = evidence["api"]["error"].as_str().unwrap();
    assert!(error.contains("500"), "{health:#}");
    // The API alone.
    patient.site.api_answers(200);
    let (health, _) = patient.verdict("ok").await;
    assert_eq!(health["evidence"]["proof"], "api", "{health:#}");
    assert_eq!(health["evidence"]["broker"]["reached"], false, "{health:#}");
    assert_eq!(health["evidence"]["api"]["reached"], true, "{health:#}");
    // The broker alone.
    let broker = Broker::new();
    let target = broker.start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    pass_on(&patient.site, "5.5.5.5:1883", target);
    patient.site.api_answers(500);
    patient.restart(with(json!({"stats_url": CLOSED}))).await;
    let failed = |health: &Value| {
        let evidence = &health["evidence"];
        evidence["proof"] == "broker" && evidence["api"]["reached"] == false
    };
    let health = patient.health(failed).await;
    assert_eq!(
        (&health["verdict"], &health["code"]),
        (&json!("ok"), &json!(9)),
        "{health:#}"
    );
    assert_eq!(health["evidence"]["broker"]["reached"], true, "{health:#}");
}

/// A server's certificate that will be valid in ten days, and its CA.
fn early_certificate() -> (Arc<ServerConfig>, String) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(vec!["broker.example".to_owned()]).unwrap();
    let day = Duration::from_secs(86_400);
    params.not_before = (SystemTime::now() + 10 * day).into();
    params.not_after = (SystemTime::now() + 20 * day).into();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let chain = vec![certificate.der().clone()];
    let config = builder.with_no_client_auth().with_single_cert(chain, key);
    (Arc::new(config.unwrap()), authority.as_ref().pem())
}

#[tokio::test]
async fn a_certificate_that_is_not_yet_valid_is_the_servers_fault() {
    let (config, authority) = early_certificate();
    let site = Site::new();
    let names = site.name_server(&["192.0.2.1"], &NAMES);
    let broker = Broker::new();
    let any = "127.0.0.1:0".parse().unwrap();
    let target = broker.start(any).await.unwrap();
    let front = TlsFront::start(any, config, target).await.unwrap();
    pass_on(&site, "5.5.5.5:8883", front.addr());
    site.file("ca.pem", &authority);
    let settings = with(json!({"tls": true, "cacrt": "/etc/ca.pem"}));
    let patient = Patient::at(site, names, settings).await;
    let (health, _) = patient.verdict("server_unreachable").await;
    let why = health["evidence"]["server"].as_str().unwrap();
    assert!(why.contains("certificate becomes valid in"), "{why}");
}

#[tokio::test]
async fn a_hole_for_large_packets_on_the_way_to_the_broker_is_the_servers_fault() {
    let site = Site::new();
    let names = site.name_server(&["192.0.2.1"], &NAMES);
    let broker = Broker::new();
    let target = broker.start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    pass_on(&site, "5.5.5.5:1883", target);
    // The world takes small packets alone and does not say so.
    site.world_ip("link set lan mtu 600");
    site.world_ip("route replace 192.0.2.0/24 dev lan src 192.0.2.1 advmss 1460");
    let settings = with(json!({"username": "u".repeat(1000)}));
    let patient = Patient::at(site, names, settings).await;
    let (health, took) = patient.verdict("server_unreachable").await;
    assert!(took < Duration::from_secs(60), "{took:?}");
    assert_eq!(health["code"], 9, "{health:#}");
    let why = health["evidence"]["server"].as_str().unwrap();
    assert!(why.starts_with("broker broker.example:1883: "), "{why}");
    println!("{why}");
}
