//! One connection to the broker, from CONNECT to its end.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, ManualAck, Outgoing, Packet, Publish,
    PublishOptions, QoS, SubscribeReasonCode,
};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout, Instant};

use super::client::{client, status_qos, Tls, CONNECT_WITHIN};
use super::error::{describe, describe_start, refused};
use super::flight::InFlight;
use super::status;
use super::topic::Topics;
use super::undecided::Undecided;
use super::{address, Facts};
use crate::clock;
use crate::config::Config;
use crate::jobs::{self, Channel, Decision, Reply, Source};

/// Time for the orderly end.
const END_WITHIN: Duration = Duration::from_secs(1);

/// Part of it for what the broker has not acknowledged yet.
const DRAIN_WITHIN: Duration = Duration::from_millis(700);

/// How a session ended.
pub(super) enum Ended {
    Shutdown,
    Lost {
        error: String,
        /// How long it had held; zero if it never came about.
        held: Duration,
    },
}

type Polled = (Box<EventLoop>, Result<Event, ConnectionError>);

/// Gives the event loop back with what it said, so that a poll under way is never cut short.
async fn poll(mut eventloop: Box<EventLoop>) -> Polled {
    let event = eventloop.poll().await;
    (eventloop, event)
}

/// A connection and what is under way on it. The client library is made anew for each: everything
/// that must survive a connection is kept by the jobs part and by the broker.
pub(super) struct Session<'a> {
    config: &'a Config,
    topics: &'a Topics,
    jobs: &'a jobs::Handle,
    replies: &'a mut jobs::Replies,
    facts: &'a watch::Sender<Facts>,
    client: AsyncClient,
    eventloop: Option<Box<EventLoop>>,
    /// When the broker accepted us.
    connected: Option<Instant>,
    /// Whether jobs reach us. Only then we say that we are there: who reads it may send one at once.
    ready: bool,
    heard: Instant,
    undecided: Undecided,
    in_flight: InFlight,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        config: &'a Config,
        topics: &'a Topics,
        jobs: &'a jobs::Handle,
        replies: &'a mut jobs::Replies,
        facts: &'a watch::Sender<Facts>,
        tls: Tls,
    ) -> Self {
        let (client, eventloop) = client(config, topics, tls);
        Session {
            config,
            topics,
            jobs,
            replies,
            facts,
            client,
            eventloop: Some(Box::new(eventloop)),
            connected: None,
            ready: false,
            heard: Instant::now(),
            undecided: Undecided::default(),
            in_flight: InFlight::default(),
        }
    }

    /// Connects and works until the connection or the agent ends. `subscribed` says whether the broker
    /// knows this run's subscription.
    pub(super) async fn run(
        mut self,
        subscribed: &mut bool,
        mut shutdown: Pin<&mut impl Future<Output = ()>>,
    ) -> Ended {
        let Some(eventloop) = self.eventloop.take() else {
            return Ended::Shutdown;
        };
        let mut polling = Box::pin(poll(eventloop));
        let mut ping = self.config.pace.interval(self.config.ping_interval);
        let mut replies_end = false;
        let error = loop {
            let (connected, ready) = (self.connected.is_some(), self.ready);
            let answer_by =
                self.connected.unwrap_or(self.heard) + Duration::from_secs(CONNECT_WITHIN);
            let step = tokio::select! {
                () = &mut shutdown => {
                    if connected {
                        self.end(polling).await;
                    }
                    self.in_flight.give_back();
                    return Ended::Shutdown;
                }
                (eventloop, event) = &mut polling, if !self.undecided.is_full() => {
                    polling.set(poll(eventloop));
                    match event {
                        Ok(event) => self.handle(event, subscribed),
                        Err(error) if connected => Err(describe(&error)),
                        Err(error) => Err(describe_start(&error, self.config.tls)),
                    }
                }
                (ack, decision) = self.undecided.next() => {
                    self.acknowledge(ack, &decision)
                }
                reply = self.replies.next(),
                    if ready && !replies_end && !self.in_flight.is_full() =>
                {
                    match reply {
                        Some(reply) => self.publish(reply),
                        None => {
                            replies_end = true;
                            Ok(())
                        }
                    }
                }
                _ = ping.tick(), if ready && !self.config.no_ping => self.ping(),
                () = sleep_until(answer_by), if connected && !ready => {
                    Err("the broker does not answer the subscription to jobs".into())
                }
            };
            if let Err(error) = step {
                break error;
            }
        };
        self.in_flight.give_back();
        Ended::Lost {
            error,
            held: self.connected.map_or(Duration::ZERO, |at| at.elapsed()),
        }
    }

    fn handle(&mut self, event: Event, subscribed: &mut bool) -> Result<(), String> {
        let Event::Incoming(packet) = event else {
            return Ok(());
        };
        self.heard = Instant::now();
        match packet {
            Packet::ConnAck(ack) => {
                self.connected = Some(Instant::now());
                if ack.session_present && *subscribed {
                    self.came_about()?;
                } else {
                    self.client
                        .try_subscribe(self.topics.jobs.as_str(), QoS::AtLeastOnce)
                        .map_err(refused)?;
                }
            }
            Packet::SubAck(ack) => {
                if ack.return_codes.contains(&SubscribeReasonCode::Failure) {
                    return Err("the broker refuses the subscription to jobs".into());
                }
                *subscribed = true;
                self.came_about()?;
            }
            Packet::Publish(publish) => self.job(publish)?,
            Packet::PubAck(_) => self.in_flight.settle(),
            _ => {}
        }
        Ok(())
    }

    /// Jobs reach us from now on.
    fn came_about(&mut self) -> Result<(), String> {
        if std::mem::replace(&mut self.ready, true) {
            return Ok(());
        }
        log::info!("broker {}: connected", address(self.config));
        self.say(status::connect(
            &self.topics.client_id,
            clock::epoch_seconds(),
            true,
        ))?;
        self.facts.send_modify(Facts::came_about);
        Ok(())
    }

    /// Hands a job in; it is acknowledged when the decision is there.
    fn job(&mut self, publish: Publish) -> Result<(), String> {
        let ack = self.client.prepare_ack(&publish);
        if publish.topic != self.topics.jobs.as_bytes() {
            // Left over from a subscription made with other settings.
            self.client
                .try_unsubscribe(String::from_utf8_lossy(&publish.topic))
                .map_err(refused)?;
            return self.acknowledge(
                ack,
                &Decision::Rejected {
                    id: None,
                    reason: String::new(),
                },
            );
        }
        let decision = self
            .jobs
            .submit(publish.payload, Source::Mqtt)
            .map_err(|busy| busy.to_string())?;
        self.undecided.push(ack, decision);
        Ok(())
    }

    fn acknowledge(&mut self, ack: Option<ManualAck>, decision: &Decision) -> Result<(), String> {
        match (ack, decision) {
            // The broker keeps it for the next agent.
            (_, Decision::Closed) | (None, _) => Ok(()),
            (Some(ack), _) => self.client.try_manual_ack(ack).map_err(refused),
        }
    }

    fn publish(&mut self, reply: Reply) -> Result<(), String> {
        let topic = match reply.channel {
            Channel::Delivery => &self.topics.delivery,
            Channel::Result => &self.topics.results,
        };
        let options = PublishOptions::new(QoS::AtLeastOnce);
        let notice = self
            .client
            .try_publish_tracked(topic.as_str(), reply.payload.clone(), options)
            .map_err(refused)?;
        self.in_flight.push(notice, reply);
        Ok(())
    }

    fn ping(&mut self) -> Result<(), String> {
        // The library asks a silent broker for a sign of life only when we are silent too.
        if self.heard.elapsed() > self.config.keepalive {
            return Ok(());
        }
        self.say(status::ping(clock::epoch_seconds()))
    }

    fn say(&self, payload: Vec<u8>) -> Result<(), String> {
        let options = PublishOptions::new(status_qos(self.config));
        self.client
            .try_publish(self.topics.status.as_str(), payload, options)
            .map_err(refused)
    }

    /// Says good-bye. Replies acknowledged meanwhile are settled.
    async fn end(&mut self, mut polling: Pin<Box<impl Future<Output = Polled>>>) {
        let good_bye = status::connect(&self.topics.client_id, clock::epoch_seconds(), false);
        let said = self.say(good_bye).and_then(|()| {
            self.client
                .try_disconnect_with_timeout(DRAIN_WITHIN)
                .map_err(refused)
        });
        if let Err(error) = said {
            log::warn!("broker: no orderly end: {error}");
            return;
        }
        let ended = timeout(END_WITHIN, async {
            let (mut eventloop, mut event) = (&mut polling).await;
            loop {
                match event {
                    Ok(Event::Outgoing(Outgoing::Disconnect)) => return Ok(()),
                    Ok(_) => (eventloop, event) = poll(eventloop).await,
                    Err(error) => return Err(describe(&error)),
                }
            }
        });
        match ended.await {
            Ok(Ok(())) => {}
            // The broker tells the world by our last will.
            Ok(Err(error)) => log::warn!("broker: no orderly end: {error}"),
            Err(_) => log::warn!("broker: no orderly end within {END_WITHIN:?}"),
        }
        self.in_flight.settle();
    }
}
