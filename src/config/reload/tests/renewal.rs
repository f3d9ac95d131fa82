//! Parts that restart when their settings change.

use std::path::Path;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use super::*;
use crate::config::{Kind, Preset, Row, Written, OPTIONS};
use crate::process::shutdown::{shutdown, Trigger};

/// The settings of [`probe`].
#[derive(PartialEq)]
struct Probed {
    topic: String,
    qos: u8,
}

impl From<&Config> for Probed {
    fn from(config: &Config) -> Self {
        Probed {
            topic: config.broker.topic.clone(),
            qos: config.broker.qos,
        }
    }
}

/// A part that says when it starts, with which topic, and when it ends.
fn probe(current: &watch::Sender<Arc<Current>>) -> (UnboundedReceiver<String>, Trigger) {
    let (said, hear) = mpsc::unbounded_channel();
    let (end, ends) = shutdown();
    let start: Start = Box::new(move |now, (), mut ends| {
        let (said, topic) = (said.clone(), now.loaded.config.broker.topic.clone());
        Box::pin(async move {
            said.send(format!("{topic} starts")).unwrap();
            ends.requested().await;
            said.send(format!("{topic} ends")).unwrap();
        })
    });
    let renewing = renewed(current.subscribe(), same::<Probed>, ends, (), start);
    tokio::spawn(renewing);
    (hear, end)
}

#[tokio::test(start_paused = true)]
async fn a_part_restarts_for_its_own_options_and_for_the_identity_alone() {
    let device = Device::new();
    let (sender, _keep) =
        watch::channel(device.current(r#"{"topic": "a", "mac": "112233445566"}"#));
    let (mut heard, end) = probe(&sender);
    assert_eq!(heard.recv().await.unwrap(), "a starts");
    let first = Arc::downgrade(&sender.borrow());

    let other = r#"{"topic": "a", "mac": "112233445566", "debug": 1, "monitor": 30}"#;
    sender.send_replace(device.current(other));
    assert!(
        timeout(LONG, heard.recv()).await.is_err(),
        "nothing of it is the part's"
    );
    assert!(first.upgrade().is_none(), "files and copies are not kept");

    sender.send_replace(device.current(r#"{"topic": "b", "mac": "112233445566"}"#));
    assert_eq!(heard.recv().await.unwrap(), "a ends");
    assert_eq!(heard.recv().await.unwrap(), "b starts");

    sender.send_replace(device.current(r#"{"topic": "b", "mac": "112233445577"}"#));
    assert_eq!(heard.recv().await.unwrap(), "b ends");
    assert_eq!(heard.recv().await.unwrap(), "b starts");

    end.fire();
    assert_eq!(heard.recv().await.unwrap(), "b ends");
    assert_eq!(heard.recv().await, None);
}

/// Another value of an option than its default.
fn another(row: &Row) -> String {
    match row.kind {
        Kind::Bool(_) if row.default == Preset::Fixed("1") => "0",
        Kind::Bool(_) => "1",
        Kind::Whole { max, .. } => return max.to_string(),
        Kind::Choice { names, .. } => names[1],
        Kind::Url(_) | Kind::SecretUrl(_) => "http://other.example/",
        Kind::Path(_) | Kind::OptionalPath(_) | Kind::SecretPath(_) => "/tmp/other",
        Kind::Mac(_) => "112233445566",
        Kind::Keys(_) => "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        _ => "other",
    }
    .to_owned()
}

#[test]
fn a_part_restarts_for_each_option_it_works_with_and_for_no_other() {
    let collect = ["monitor", "scan", "survey", "survey_interval"];
    let upload = [
        "stats_url",
        "backup_stats_url",
        "token",
        "api_auth",
        "insecure",
        "api_commands",
        "monitor",
        "heartbeat",
        "no-cache",
        "upload_format",
        "spread",
    ];
    let mqtt = [
        "username",
        "password",
        "topic",
        "key",
        "mqtt_host",
        "port",
        "tls",
        "cacrt",
        "tls_cert",
        "tls_key",
        "qos",
        "keepalive",
        "disable_mqtt",
        "rest",
        "spread",
        "no-ping",
        "ping-interval",
        "status_retain",
    ];
    let health = [
        "health_url",
        "health_port",
        "web_url",
        "web_body",
        "monitor",
        "heartbeat",
        "stats_url",
    ];
    let rest = [
        "rest",
        "api_url",
        "token",
        "api_auth",
        "insecure",
        "api_commands",
        "no-ping",
        "ping-interval",
        "spread",
    ];
    let parts: [(Same, &[&str]); 5] = [
        (same::<crate::collect::Settings>, &collect),
        (same::<crate::upload::Settings>, &upload),
        (same::<crate::mqtt::Settings>, &mqtt),
        (same::<crate::health::Settings>, &health),
        (same::<crate::rest::Settings>, &rest),
    ];
    let root = Path::new("/");
    for row in OPTIONS {
        let mut config = Config::default();
        let another = another(row);
        let written = Written::Text(&another);
        row.kind.store(written, &mut config, root).unwrap();
        assert_ne!(config, Config::default(), "{}", row.name);
        for (same, options) in &parts {
            let is_same = same(&config, &Config::default());
            assert_eq!(is_same, !options.contains(&row.name), "{}", row.name);
        }
    }
}
