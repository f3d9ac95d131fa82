//! Messages and sessions that would end every connection, against mosquitto.

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, PublishOptions, QoS};
use serde_json::json;
use socketman_lab::within::within;
use tempfile::TempDir;

use super::agent::{config, Agent};
use super::operator::Operator;
use super::server::Server;
use super::BASE;

/// Another client with the agent's id and session.
struct Rival {
    client: AsyncClient,
    eventloop: rumqttc::EventLoop,
}

impl Rival {
    async fn connect(port: u16) -> Self {
        let mut options = MqttOptions::new("socketmanaabbcc001122", ("127.0.0.1", port));
        options.set_clean_session(false);
        let (client, eventloop) = AsyncClient::builder(options).capacity(10).build();
        let mut rival = Rival { client, eventloop };
        rival
            .hear(|packet| matches!(packet, Packet::ConnAck(_)))
            .await;
        rival
    }

    async fn hear(&mut self, wanted: fn(&Packet) -> bool) {
        within("the rival's packet", async {
            loop {
                if let Event::Incoming(packet) = self.eventloop.poll().await.unwrap() {
                    if wanted(&packet) {
                        return;
                    }
                }
            }
        })
        .await;
    }

    async fn subscribe(&mut self, topic: &str) {
        self.client.try_subscribe(topic, QoS::AtLeastOnce).unwrap();
        self.hear(|packet| matches!(packet, Packet::SubAck(_)))
            .await;
    }

    async fn unsubscribe(&mut self, topic: &str) {
        self.client.try_unsubscribe(topic).unwrap();
        self.hear(|packet| matches!(packet, Packet::UnsubAck(_)))
            .await;
    }
}

#[tokio::test]
async fn a_result_the_broker_does_not_take_goes_without_output_and_holds_nothing_up() {
    let limit = "allow_anonymous true\nmax_packet_size 20000";
    let server = Server::mosquitto_in(TempDir::new().unwrap(), limit).await;
    let mut operator = Operator::new(server.port()).await;
    let mut agent = Agent::online(server.port()).await;
    operator
        .job("big", "head -c 60000 /dev/zero | tr '\\0' x; exit 3")
        .await;
    for n in 0..3 {
        operator.job(&format!("after-{n}"), "echo ok").await;
    }
    let mut open = vec!["big", "after-0", "after-1", "after-2"];
    while !open.is_empty() {
        let (_, value) = operator.next("PROCESSED").await;
        let meta = &value["meta"];
        if value["id"] == "big" {
            assert_eq!((&meta["msg"], &meta["exit_code"]), (&json!(""), &json!(3)));
            assert_eq!(meta["truncated"], true);
            let reason = meta["reason"].as_str().unwrap();
            assert!(
                reason.contains("the broker closed the connection"),
                "{reason}"
            );
        } else {
            assert_eq!(meta["msg"], "ok\n");
        }
        open.retain(|id| value["id"] != *id);
    }
    agent.connected(true).await;
    assert_eq!(agent.jobs.facts().borrow().given_up, 0);
    agent.stop().await;
}

#[tokio::test]
async fn messages_over_the_limit_are_skipped_and_the_next_job_runs() {
    let server = Server::mosquitto().await;
    let mut operator = Operator::new(server.port()).await;
    let agent = Agent::online(server.port()).await;
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let huge = json!({"id": "huge", "meta": {"msg": "x".repeat(17 << 20)}}).to_string();
        let sent = operator
            .client
            .publish(format!("sub/{BASE}"), huge, PublishOptions::new(qos));
        within("publish", sent).await.unwrap();
    }
    operator.job("after", "echo alive").await;
    assert_eq!(operator.result("after").await["msg"], "alive\n");
    let mut facts = agent.facts.clone();
    within("count", facts.wait_for(|facts| facts.skipped == 3))
        .await
        .unwrap();
    assert_eq!(agent.facts.borrow().reconnects, 0);
    agent.stop().await;
    // Acknowledged, they do not come again.
    let agent = Agent::online(server.port()).await;
    operator.job("last", "echo alive").await;
    operator.result("last").await;
    assert_eq!(agent.facts.borrow().skipped, 0);
    agent.stop().await;
}

#[tokio::test]
async fn messages_of_other_topics_are_dropped_and_their_subscription_ends() {
    let server = Server::mosquitto().await;
    let mut operator = Operator::new(server.port()).await;
    let mut rival = Rival::connect(server.port()).await;
    rival.subscribe("foreign/a").await;
    drop(rival);
    let publisher = operator.client.clone();
    let foreign = |n: u32| {
        let client = publisher.clone();
        let options = PublishOptions::new(QoS::AtLeastOnce);
        async move {
            let sent = client.publish_tracked("foreign/a", n.to_string(), options);
            let notice = within("publish", sent).await.unwrap();
            within("PUBACK", notice.wait_async()).await.unwrap();
        }
    };
    for n in 0..200 {
        foreign(n).await;
    }
    let agent = Agent::online(server.port()).await;
    let mut facts = agent.facts.clone();
    within("count", facts.wait_for(|facts| facts.foreign == 200))
        .await
        .unwrap();
    operator.job("1", "echo alive").await;
    assert_eq!(operator.result("1").await["msg"], "alive\n");
    foreign(200).await;
    operator.job("2", "echo alive").await;
    assert_eq!(operator.result("2").await["msg"], "alive\n");
    let facts = agent.facts.borrow().clone();
    assert_eq!((facts.foreign, facts.reconnects), (200, 0));
    assert_eq!(agent.jobs.facts().borrow().rejected, 0);
    agent.stop().await;
}

#[tokio::test]
async fn a_subscription_that_somebody_removed_is_made_again_although_the_session_is_present() {
    let server = Server::mosquitto().await;
    let mut operator = Operator::new(server.port()).await;
    let mut agent = Agent::online(server.port()).await;
    let mut rival = Rival::connect(server.port()).await;
    rival.unsubscribe(&format!("sub/{BASE}")).await;
    drop(rival);
    agent.connected(false).await;
    agent.connected(true).await;
    operator.job("1", "echo here").await;
    assert_eq!(operator.result("1").await["msg"], "here\n");
    agent.stop().await;
}

#[tokio::test]
async fn another_client_with_our_id_is_named_when_it_takes_the_session_again_and_again() {
    let server = Server::mosquitto().await;
    let mut settings = config(server.port());
    settings.ping.off = true;
    let mut agent = Agent::start(settings);
    let mut errors = Vec::new();
    for _ in 0..3 {
        agent.connected(true).await;
        let rival = Rival::connect(server.port()).await;
        agent.connected(false).await;
        errors.push(agent.error().await);
        drop(rival);
    }
    let closed = "the broker closed the connection";
    assert_eq!(errors[..2], [closed, closed]);
    let rival =
        "another client with the id 'socketmanaabbcc001122' may have taken the session over";
    assert_eq!(errors[2], format!("{closed}; {rival}"));
    agent.stop().await;
}
