//! One connection to the broker, from CONNECT to its end.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rumqttc::{
    AckMode, AsyncClient, ClientError, ConnectionError, Event, EventLoop, LastWill, ManualAck,
    MqttOptions, NetworkOptions, Outgoing, Packet, Publish, PublishNoticeError, PublishOptions,
    PublishResult, QoS, SubscribeReasonCode,
};
use tokio::sync::watch;
use tokio::time::{interval_at, sleep_until, timeout, Instant, Interval, MissedTickBehavior};

use super::status;
use super::topic::Topics;
use super::{address, Facts};
use crate::clock;
use crate::config::Config;
use crate::jobs::{self, Channel, Decision, Reply, Source};

/// Largest packet read. Jobs over 1 MiB are refused by the jobs part, and for that
/// they have to be read: a packet we would not read comes again with every connection, for ever.
const INCOMING_MAX: usize = 16 * 1024 * 1024;

/// Largest packet sent; results are smaller by far.
const OUTGOING_MAX: usize = 256 * 1024;

/// Time to reach the broker and get its CONNACK, then to get its SUBACK, and to write what is to be
/// sent, s.
const CONNECT_WITHIN: u64 = 10;

/// Time for the orderly end.
const END_WITHIN: Duration = Duration::from_secs(1);

/// Part of it for what the broker has not acknowledged yet.
const DRAIN_WITHIN: Duration = Duration::from_millis(700);

/// Replies sent and not acknowledged by the broker.
const IN_FLIGHT: usize = 32;

/// Jobs read and not yet decided on; beyond it nothing is read.
const UNDECIDED: usize = 16;

/// Requests to the client library under way. Replies and acknowledgements are bounded below this.
const REQUESTS: usize = 128;

/// Longest error shown, characters.
const ERROR_MAX: usize = 200;

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
type Notice = Pin<Box<dyn Future<Output = Result<PublishResult, PublishNoticeError>> + Send>>;

/// Gives the event loop back with what it said, so that a poll under way is never cut short.
async fn poll(mut eventloop: Box<EventLoop>) -> Polled {
    let event = eventloop.poll().await;
    (eventloop, event)
}

/// A job the jobs part is deciding on.
struct Undecided {
    ack: Option<ManualAck>,
    decision: jobs::Pending,
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
    undecided: VecDeque<Undecided>,
    in_flight: VecDeque<(Notice, Reply)>,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        config: &'a Config,
        topics: &'a Topics,
        jobs: &'a jobs::Handle,
        replies: &'a mut jobs::Replies,
        facts: &'a watch::Sender<Facts>,
    ) -> Self {
        let (client, mut eventloop) = AsyncClient::builder(options(config, topics))
            .capacity(REQUESTS)
            .build();
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(CONNECT_WITHIN);
        eventloop.set_network_options(network);
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
            undecided: VecDeque::new(),
            in_flight: VecDeque::new(),
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
        let mut ping = self.ping_interval();
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
                    self.give_back();
                    return Ended::Shutdown;
                }
                (eventloop, event) = &mut polling, if self.undecided.len() < UNDECIDED => {
                    polling.set(poll(eventloop));
                    match event {
                        Ok(event) => self.handle(event, subscribed),
                        Err(error) => Err(describe(&error)),
                    }
                }
                (ack, decision) = decided(&mut self.undecided), if !self.undecided.is_empty() => {
                    self.acknowledge(ack, &decision)
                }
                reply = self.replies.next(),
                    if ready && !replies_end && self.in_flight.len() < IN_FLIGHT =>
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
        self.give_back();
        Ended::Lost {
            error,
            held: self.connected.map_or(Duration::ZERO, |at| at.elapsed()),
        }
    }

    fn ping_interval(&self) -> Interval {
        let every = self
            .config
            .pace
            .of(self.config.ping_interval)
            .max(Duration::from_millis(1));
        let mut ping = interval_at(Instant::now() + every, every);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping
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
            Packet::PubAck(_) => self.settle(),
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
        self.undecided.push_back(Undecided { ack, decision });
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
        self.in_flight
            .push_back((Box::pin(notice.wait_async()), reply));
        Ok(())
    }

    /// Marks the replies that the broker has acknowledged. The library settles a notice before it
    /// yields the packet that did it, so looking after each PUBACK sees every one.
    fn settle(&mut self) {
        let mut unsettled = VecDeque::with_capacity(self.in_flight.len());
        for (mut notice, reply) in self.in_flight.drain(..) {
            match notice
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
            {
                Poll::Ready(Ok(_)) => reply.acknowledged(),
                // Dropped, it is offered again.
                Poll::Ready(Err(_)) => {}
                Poll::Pending => unsettled.push_back((notice, reply)),
            }
        }
        self.in_flight = unsettled;
    }

    /// Gives unacknowledged replies back, last one first, so that they stand in line as before.
    fn give_back(&mut self) {
        while let Some(unacknowledged) = self.in_flight.pop_back() {
            drop(unacknowledged);
        }
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
        self.settle();
    }
}

/// The oldest decision, when it is made. Cancel safe.
async fn decided(undecided: &mut VecDeque<Undecided>) -> (Option<ManualAck>, Decision) {
    match undecided.front_mut() {
        Some(front) => {
            let decision = (&mut front.decision).await;
            let ack = undecided.pop_front().and_then(|front| front.ack);
            (ack, decision)
        }
        None => std::future::pending().await,
    }
}

fn options(config: &Config, topics: &Topics) -> MqttOptions {
    let host = address(config);
    let host = host
        .rsplit_once(':')
        .map_or(host.as_str(), |(host, _)| host);
    let mut options = MqttOptions::new(topics.client_id.as_str(), (host, config.port));
    let keepalive = u16::try_from(config.keepalive.as_secs()).unwrap_or(u16::MAX);
    options
        .set_clean_session(false)
        .set_ack_mode(AckMode::Manual)
        .set_keep_alive(keepalive)
        .set_max_packet_size(INCOMING_MAX, OUTGOING_MAX)
        .set_read_batch_size(UNDECIDED)
        .set_max_request_batch(UNDECIDED)
        .set_last_will(LastWill::new(
            topics.status.as_str(),
            status::connect(&topics.client_id, clock::epoch_seconds(), false),
            status_qos(config),
            false,
        ));
    if !config.username.is_empty() {
        options.set_credentials(
            config.username.as_str(),
            config.password.reveal().as_bytes().to_vec(),
        );
    }
    options
}

fn status_qos(config: &Config) -> QoS {
    match config.qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

/// A request the client library did not take. The request itself, which the library's error carries,
/// is not shown: it names topics, and with them the key.
fn refused(error: ClientError) -> String {
    match error {
        ClientError::RequestChannelFull(_) => "too much waits to be sent to the broker".into(),
        ClientError::RequestChannelDisconnected(_) => "the connection has ended".into(),
        ClientError::InvalidRequest(_) => "the broker sent a topic that is none".into(),
        other => other.to_string(),
    }
}

/// An error as it is shown: bounded, and without control characters a broker may have sent.
fn describe(error: &ConnectionError) -> String {
    let text = match error {
        // Its own text is the whole packet.
        ConnectionError::NotConnAck(_) => "the first packet is not a CONNACK".to_string(),
        other => other.to_string(),
    };
    text.chars()
        .take(ERROR_MAX)
        .flat_map(char::escape_debug)
        .collect()
}
