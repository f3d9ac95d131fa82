//! Messages that the broker keeps: the device's presence, and jobs.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, PublishOptions, QoS};
use serde_json::{json, Value};
use socketman::config::Config;
use socketman::{jobs, mqtt};
use socketman_lab::within::within;
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

use super::agent::{asked, config, Agent};
use super::operator::Operator;
use super::server::Server;
use super::{BASE, MAC};

/// The kept messages of `filter` that a new subscriber gets: topic and payload.
async fn kept(port: u16, filter: &str) -> Vec<(String, Value)> {
    let mut options = MqttOptions::new("somebody", ("127.0.0.1", port));
    options.set_clean_session(true);
    let (client, mut eventloop) = AsyncClient::builder(options).capacity(10).build();
    for filter in [filter, "marker"] {
        client.try_subscribe(filter, QoS::AtLeastOnce).unwrap();
    }
    let (mut kept, mut subscribed) = (Vec::new(), 0);
    within("the marker", async {
        loop {
            match eventloop.poll().await.unwrap() {
                Event::Incoming(Packet::SubAck(_)) => {
                    subscribed += 1;
                    if subscribed == 2 {
                        let options = PublishOptions::new(QoS::AtLeastOnce);
                        client.try_publish("marker", "", options).unwrap();
                    }
                }
                Event::Incoming(Packet::Publish(publish)) => {
                    let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                    if topic == "marker" {
                        return;
                    }
                    if publish.retain {
                        let payload = serde_json::from_slice(&publish.payload).unwrap();
                        kept.push((topic, payload));
                    }
                }
                _ => {}
            }
        }
    })
    .await;
    kept
}

fn retaining(port: u16) -> Config {
    config(port).with(|config| config.broker.status_retain = true)
}

/// The one presence that is kept, if there is one.
async fn presence(server: &Server) -> Option<Value> {
    let mut kept = kept(server.port(), "status/#").await;
    assert!(kept.len() <= 1, "{kept:?}");
    let (topic, payload) = kept.pop()?;
    assert_eq!(topic, format!("status/{BASE}"));
    assert_eq!(payload["event_type"], "CONNECT");
    Some(payload["meta"]["online"].clone())
}

/// A link that is started again with other settings, as a reload does.
struct Link {
    jobs: jobs::Handle,
    facts: watch::Sender<mqtt::Facts>,
    supply: Option<mqtt::Supply>,
    _options: watch::Sender<jobs::Settings>,
    _part: jobs::Jobs,
}

impl Link {
    fn new(port: u16, state_dir: &Path) -> Self {
        let (sender, options) = watch::channel((&config(port)).into());
        let (part, jobs, outlets) = jobs::new(options, watch::channel(MAC.parse().unwrap()).1);
        Link {
            jobs,
            facts: watch::channel(mqtt::Facts::default()).0,
            supply: Some(mqtt::Supply::new(outlets.broker, outlets.live).remembering(state_dir)),
            _options: sender,
            _part: part,
        }
    }

    /// Connects with `config` until `look` is done.
    async fn with<T>(&mut self, config: Config, look: impl std::future::Future<Output = T>) -> T {
        let (stop, stopped) = oneshot::channel();
        let link = tokio::spawn(mqtt::run(
            (&config).into(),
            MAC.parse().unwrap(),
            self.jobs.clone(),
            self.supply.take().unwrap(),
            self.facts.clone(),
            asked(stopped),
        ));
        let mut facts = self.facts.subscribe();
        within("connection", facts.wait_for(|facts| facts.connected))
            .await
            .unwrap();
        let looked = look.await;
        stop.send(()).unwrap();
        self.supply = Some(within("link ends", link).await.unwrap());
        looked
    }
}

/// Waits until the broker keeps what is `wanted`.
async fn until(server: &Server, filter: &str, wanted: impl Fn(&[(String, Value)]) -> bool) {
    within("what is kept", async {
        while !wanted(&kept(server.port(), filter).await) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn one_subscription_shows_who_is_there_and_who_died_and_pings_are_not_kept(server: Server) {
    let mut operator = Operator::new(server.port()).await;
    let mut settings = retaining(server.port());
    settings.ping.off = false;
    let mut agent = Agent::start(settings);
    agent.connected(true).await;
    for _ in 0..2 {
        operator.next("PING").await;
    }
    assert_eq!(presence(&server).await, Some(json!("1")));
    agent.die().await;
    assert_eq!(operator.online().await, "0");
    assert_eq!(presence(&server).await, Some(json!("0")));
    let mut agent = Agent::start(retaining(server.port()));
    agent.connected(true).await;
    assert_eq!(operator.online().await, "1");
    assert_eq!(presence(&server).await, Some(json!("1")));
    agent.stop().await;
    assert_eq!(operator.online().await, "0");
    assert_eq!(presence(&server).await, Some(json!("0")));
}

async fn without_the_option_nothing_is_kept(server: Server) {
    let mut operator = Operator::new(server.port()).await;
    let agent = Agent::online(server.port()).await;
    assert_eq!(operator.online().await, "1");
    assert_eq!(presence(&server).await, None);
    agent.die().await;
    assert_eq!(operator.online().await, "0");
    assert_eq!(presence(&server).await, None);
}

async fn switched_off_or_with_another_topic_nothing_is_kept_on_the_old_one(server: Server) {
    let port = server.port();
    let dir = TempDir::new().unwrap();
    let state_dir = dir.path().join("state");
    let mut link = Link::new(port, &state_dir);
    let there = |topic: &'static str| {
        move |kept: &[(String, Value)]| kept.iter().any(|(at, _)| at.contains(topic))
    };
    let gone = |topic: &'static str| {
        move |kept: &[(String, Value)]| kept.iter().all(|(at, _)| !at.contains(topic))
    };
    link.with(retaining(port), until(&server, "status/#", there("fleet")))
        .await;
    let moved = retaining(port).with(|config| config.broker.topic = "moved".into());
    link.with(moved, async {
        until(&server, "status/#", there("moved")).await;
        until(&server, "status/#", gone("fleet")).await;
    })
    .await;
    // The next agent knows what this one leaves, once that is on the disk.
    let noted = || fs::read(state_dir.join("presence")).unwrap_or_default();
    let is_noted = |topic: &[u8]| noted().windows(topic.len()).any(|some| some == topic);
    within("the notes", async {
        while !is_noted(b"moved") || is_noted(b"fleet") {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    drop(link);
    let mut link = Link::new(port, &state_dir);
    link.with(
        config(port),
        until(&server, "status/#", |kept| kept.is_empty()),
    )
    .await;
    assert!(kept(port, "status/#").await.is_empty());
}

// Row 17, within one run.
async fn a_job_that_the_broker_keeps_runs_once_and_is_answered_with_each_subscription(
    mut server: Server,
) {
    let dir = TempDir::new().unwrap();
    let count = dir.path().join("count");
    let mut operator = Operator::new(server.port()).await;
    let job =
        json!({"id": "kept", "meta": {"msg": format!("echo x >> {}; echo done", count.display())}});
    let options = PublishOptions::new(QoS::AtLeastOnce).retained();
    let sent = operator
        .client
        .publish(format!("sub/{BASE}"), job.to_string(), options);
    within("publish", sent).await.unwrap();
    let mut agent = Agent::online(server.port()).await;
    let first = operator.result("kept").await;
    assert_eq!(first["msg"], "done\n");
    for _ in 0..3 {
        server.stop().await;
        agent.connected(false).await;
        server.start().await;
        agent.connected(true).await;
        assert_eq!(operator.result("kept").await, first);
    }
    assert_eq!(fs::read_to_string(&count).unwrap(), "x\n");
    assert_eq!(agent.jobs.facts().borrow().done, 1);
    agent.stop().await;
}

with_both_brokers!(
    one_subscription_shows_who_is_there_and_who_died_and_pings_are_not_kept,
    without_the_option_nothing_is_kept,
    switched_off_or_with_another_topic_nothing_is_kept_on_the_old_one,
    a_job_that_the_broker_keeps_runs_once_and_is_answered_with_each_subscription,
);
