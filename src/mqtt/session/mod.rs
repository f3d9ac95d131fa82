//! A connection to the broker, from CONNECT to its end.

mod around;
mod jobs;
mod live;
mod presence;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, Outgoing, Packet, PublishOptions, QoS,
    SubscribeReasonCode,
};
use tokio::task::yield_now;
use tokio::time::{sleep_until, timeout, Instant};

use super::client::client;
use super::error::{ended, is_closed, of_the_library, refused};
use super::flight::InFlight;
use super::link::{Counts, Link, Watch};
use super::retained::Removals;
use super::undecided::Undecided;
use super::{address, Facts, IN_A_HURRY};

use crate::jobs::{Channel, Reply};
pub(super) use around::Around;

/// Time for the orderly end.
const END_WITHIN: Duration = Duration::from_secs(1);

/// Part of it for what the broker has not acknowledged yet.
const DRAIN_WITHIN: Duration = Duration::from_millis(700);

/// Events handled in one go before the other parts of the process have a turn.
const TURN: u32 = 32;

/// Longest time until the facts know of dropped messages: each change is looked at by other parts.
const COUNT_WITHIN: Duration = Duration::from_secs(1);

/// The end of a session.
pub(super) enum Ended {
    Shutdown,
    Lost(Lost),
}

pub(super) struct Lost {
    pub(super) error: String,
    /// Time since the broker accepted us; zero if it never did.
    pub(super) held: Duration,
    /// True if jobs reached us.
    pub(super) ready: bool,
    /// True if the broker closed the connection while nothing was under way.
    pub(super) closed_idle: bool,
}

type Polled = (Box<EventLoop>, Result<Event, ConnectionError>);

/// Gives the event loop back with what it said, so that a poll under way is never cut short.
async fn poll(mut eventloop: Box<EventLoop>) -> Polled {
    let event = eventloop.poll().await;
    (eventloop, event)
}

/// A connection and what is under way on it. The client library is set up again for each: everything
/// that must survive a connection is kept by the jobs part and by the broker.
pub(super) struct Session<'a> {
    around: Around<'a>,
    link: Watch,
    client: AsyncClient,
    eventloop: Option<Box<EventLoop>>,
    /// When the broker accepted us.
    connected: Option<Instant>,
    /// True if jobs reach us. Only then we announce ourselves: a reader may send one at once.
    ready: bool,
    undecided: Undecided,
    in_flight: InFlight,
    removals: Removals,
    /// From when on the broker may be asked whether it has everything.
    ask_from: Instant,
    /// Messages dropped that the facts know of.
    counted: Counts,
    /// When they learn of the others.
    count_at: Option<Instant>,
}

impl<'a> Session<'a> {
    pub(super) fn new(around: Around<'a>, link: (Link, Watch)) -> Self {
        let (link, watch) = link;
        let (client, eventloop) = client(&around.settings.broker, around.topics, link);
        Session {
            around,
            link: watch,
            client,
            eventloop: Some(Box::new(eventloop)),
            connected: None,
            ready: false,
            undecided: Undecided::default(),
            in_flight: InFlight::default(),
            removals: Removals::default(),
            ask_from: Instant::now(),
            counted: Counts::default(),
            count_at: None,
        }
    }

    /// Connects and works until the connection or the agent ends.
    pub(super) async fn run(mut self, mut shutdown: Pin<&mut impl Future<Output = ()>>) -> Ended {
        let Some(eventloop) = self.eventloop.take() else {
            return Ended::Shutdown;
        };
        let link = self.link.clone();
        let mut polling = Box::pin(poll(eventloop));
        let settings = self.around.settings;
        let mut ping = settings.pace.interval(settings.ping.interval);
        let mut replies_end = false;
        let mut events = 0;
        let mut hurry = self.around.supply.hurry.clone();
        let mut ask = settings.pace.interval(IN_A_HURRY);
        let (error, closed) = loop {
            self.link.pause(self.undecided.is_full());
            let ready = self.ready;
            let count_at = self.count_at;
            let (live, live_from) = self.may_go_live();
            let in_a_hurry = ready && *hurry.borrow_and_update();
            let step = tokio::select! {
                () = &mut shutdown => {
                    if self.connected.is_some() {
                        self.end(polling).await;
                    }
                    self.around.supply.trust.ended();
                    self.in_flight.give_back();
                    return Ended::Shutdown;
                }
                (eventloop, event) = &mut polling => {
                    polling.set(poll(eventloop));
                    events += 1;
                    if events % TURN == 0 {
                        yield_now().await;
                    }
                    match event {
                        Ok(event) => self.handle(event),
                        Err(error) => break self.why(&error),
                    }
                }
                decided = self.undecided.next() => match decided {
                    Some((ack, decision)) => self.acknowledge(ack, &decision),
                    None => Ok(()),
                },
                reply = self.around.supply.replies.next(),
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
                _ = ping.tick(), if ready && !settings.ping.off => {
                    self.ping()
                }
                () = self.around.supply.live.due(live_from), if live => {
                    self.go_live();
                    Ok(())
                }
                _ = ask.tick(), if in_a_hurry => {
                    self.link.ask();
                    Ok(())
                }
                Ok(()) = hurry.changed() => Ok(()),
                // Something live may go now.
                () = link.answered() => {
                    self.around.facts.send_if_modified(Facts::arrives);
                    if in_a_hurry {
                        let answered = link.proof();
                        self.around.facts.send_modify(|facts| facts.answered = answered);
                    }
                    Ok(())
                }
                () = link.has_news() => {
                    self.news();
                    Ok(())
                }
                () = sleep_until(count_at.unwrap_or_else(Instant::now)), if count_at.is_some() => {
                    self.count();
                    Ok(())
                }
            };
            if let Err(error) = step {
                break (error, false);
            }
        };
        self.lost(error, closed)
    }

    /// Why the connection ended, and whether the broker closed it.
    fn why(&mut self, error: &ConnectionError) -> (String, bool) {
        let (accepted, tls) = (self.connected.is_some(), self.around.settings.broker.tls);
        if let Some(end) = self.link.end() {
            return (ended(&end, accepted, tls), is_closed(&end));
        }
        if let (ConnectionError::MqttState(error), Some(packet)) = (error, self.link.last_packet())
        {
            if accepted && packet.may_cause(error) {
                self.around.refused.note(&packet);
            }
        }
        (of_the_library(error, accepted, tls), false)
    }

    fn lost(mut self, error: String, closed: bool) -> Ended {
        // Acknowledged with the last bytes.
        self.settle();
        self.count();
        self.blame_live();
        let unacknowledged = self.link.unacknowledged();
        // A live message is the likelier reason.
        let live = self.link.is_saying();
        let idle = self.in_flight.is_empty() && unacknowledged == 0 && !live;
        match closed {
            true => self.in_flight.closed(unacknowledged == 1 && !live),
            false => self.in_flight.timed_out(self.link.passed_over()),
        }
        Ended::Lost(Lost {
            error,
            held: self.connected.map_or(Duration::ZERO, |at| at.elapsed()),
            ready: self.ready,
            closed_idle: closed && idle,
        })
    }

    fn handle(&mut self, event: Event) -> Result<(), String> {
        let packet = match event {
            Event::Incoming(packet) => packet,
            Event::Outgoing(sent) => {
                self.undecided.sent(&sent);
                return Ok(());
            }
        };
        self.around.facts.send_if_modified(Facts::arrives);
        match packet {
            Packet::ConnAck(_) => {
                self.connected = Some(Instant::now());
                if self.around.settings.broker.status_retain {
                    // The last will is the broker's from now on.
                    let Around {
                        supply,
                        settings,
                        topics,
                        ..
                    } = &mut self.around;
                    supply
                        .retained
                        .keeps(&address(&settings.broker), &topics.status);
                }
                // Only the broker's SUBACK shows that jobs reach us, not the session it claims to have.
                self.client
                    .try_subscribe(self.around.topics.jobs.as_str(), QoS::AtLeastOnce)
                    .map_err(refused)?;
            }
            Packet::SubAck(ack) => {
                if ack.return_codes.contains(&SubscribeReasonCode::Failure) {
                    return Err("the broker refuses the subscription to jobs".into());
                }
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
        log::info!(
            "broker {}: connected",
            address(&self.around.settings.broker)
        );
        // The one that was next when the last connection ended need not be it any more.
        self.around.supply.replies.give_back();
        self.remove_stale_presence()?;
        self.say_presence(true)?;
        let answered = self.link.proof();
        self.around.facts.send_modify(|facts| {
            facts.came_about();
            facts.answered = answered;
        });
        Ok(())
    }

    fn publish(&mut self, reply: Reply) -> Result<(), String> {
        let topic = match reply.channel {
            Channel::Delivery => &self.around.topics.delivery,
            Channel::Result => &self.around.topics.results,
        };
        let options = PublishOptions::new(QoS::AtLeastOnce);
        let notice = self
            .client
            .try_publish_tracked(topic.as_str(), reply.payload.clone(), options)
            .map_err(refused)?;
        self.in_flight.push(notice, reply);
        Ok(())
    }

    /// Marks what the broker has acknowledged.
    fn settle(&mut self) {
        self.in_flight.settle();
        let broker = address(&self.around.settings.broker);
        for topic in self.removals.acknowledged() {
            self.around.supply.retained.forget(&broker, &topic);
        }
    }

    /// Messages of other topics come from a subscription made with other settings: ends it.
    fn news(&mut self) {
        self.count_at
            .get_or_insert_with(|| Instant::now() + COUNT_WITHIN);
        for topic in self.link.topics() {
            log::debug!("broker: unsubscribing from a topic that is not ours");
            if let Err(error) = self.client.try_unsubscribe(topic) {
                // Its messages are dropped all the same.
                log::debug!("broker: {}", refused(error));
            }
        }
    }

    /// Adds to the facts what was dropped since the last time.
    fn count(&mut self) {
        self.count_at = None;
        let (counts, known) = (self.link.counts(), self.counted);
        if counts != known {
            self.counted = counts;
            self.around.facts.send_modify(|facts| {
                facts.skipped += counts.skipped - known.skipped;
                facts.foreign += counts.foreign - known.foreign;
            });
        }
    }

    /// Says good-bye. Replies acknowledged meanwhile are settled.
    async fn end(&mut self, mut polling: Pin<Box<impl Future<Output = Polled>>>) {
        self.link.drain();
        self.link.pause(false);
        let said = self.say_presence(false).and_then(|()| {
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
                    Err(error) => return Err(self.why(&error).0),
                }
            }
        });
        let ended = ended.await;
        match ended {
            Ok(Ok(())) => {}
            // The broker tells the world by our last will.
            Ok(Err(error)) => log::warn!("broker: no orderly end: {error}"),
            Err(_) => log::warn!("broker: no orderly end within {END_WITHIN:?}"),
        }
        self.settle();
        self.count();
    }
}
