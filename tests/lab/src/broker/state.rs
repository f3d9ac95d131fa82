//! Sessions, subscriptions and what waits in them. No I/O: packets in, packets out.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use rumqttc::{
    matches, valid_filter, ConnAck, Connect, ConnectReturnCode, LastWill, Packet, PubAck, Publish,
    QoS, SubAck, Subscribe, SubscribeReasonCode, UnsubAck,
};
use tokio::sync::mpsc;

use super::{Event, Message};

/// QoS 1 messages sent to a client and not acknowledged.
const IN_FLIGHT: usize = 20;

/// Messages that wait for an absent or slow client; beyond it new ones are dropped. There are packet
/// ids for no more than 65535.
const WAITING_MAX: usize = 60_000;

/// A client's connection.
#[derive(Debug)]
struct Link {
    number: u64,
    sender: mpsc::Sender<Packet>,
    will: Option<LastWill>,
}

/// State that the broker keeps of a client.
#[derive(Debug, Default)]
struct Session {
    clean: bool,
    link: Option<Link>,
    /// By filter, true if messages have to be acknowledged.
    subscriptions: HashMap<String, bool>,
    /// QoS 1 messages not acknowledged, oldest first.
    waiting: VecDeque<Publish>,
    /// The number of them, from the front, that were sent over this connection.
    sent: usize,
    last_id: u16,
}

impl Session {
    /// Sends unless there is no connection; a client that does not keep up loses it.
    fn send(&mut self, packet: Packet) {
        let Some(link) = &mut self.link else {
            return;
        };
        if link.sender.try_send(packet).is_err() {
            // Without a sender the connection closes; `Closed` follows and deals with the will.
            link.sender = mpsc::channel(1).0;
        }
    }

    /// Sends a message, or queues it if both its sender and the subscription want it `acked`.
    fn deliver(&mut self, message: &Message, acked: bool) {
        let (topic, payload) = (message.topic.as_str(), message.payload.clone());
        let mut publish = Publish::from_bytes(topic, QoS::AtMostOnce, payload);
        publish.retain = message.retain;
        if !acked || message.qos == QoS::AtMostOnce {
            self.send(Packet::Publish(publish));
        } else if self.waiting.len() < WAITING_MAX {
            self.last_id = self.last_id % u16::MAX + 1;
            (publish.qos, publish.pkid) = (QoS::AtLeastOnce, self.last_id);
            self.waiting.push_back(publish);
            self.fill();
        }
    }

    /// Sends what waits while there is room in flight.
    fn fill(&mut self) {
        while self.link.is_some() && self.sent < IN_FLIGHT.min(self.waiting.len()) {
            let publish = &mut self.waiting[self.sent];
            let packet = Packet::Publish(publish.clone());
            publish.dup = true;
            self.sent += 1;
            self.send(packet);
        }
    }

    fn acknowledged(&mut self, id: u16) {
        let mut sent = self.waiting.iter().take(self.sent);
        if let Some(at) = sent.position(|publish| publish.pkid == id) {
            self.waiting.remove(at);
            self.sent -= 1;
        }
        self.fill();
    }

    /// True if a subscription to `topic` wants messages acknowledged; `None` without a subscription.
    fn wants(&self, topic: &str) -> Option<bool> {
        let matching = self.subscriptions.iter();
        matching
            .filter(|(filter, _)| matches(topic, filter))
            .map(|(_, acked)| *acked)
            .max()
    }
}

/// The session that is connected by connection `number`.
fn linked(sessions: &mut HashMap<String, Session>, number: u64) -> Option<&mut Session> {
    let is_it = |link: &Link| link.number == number;
    let mut sessions = sessions.values_mut();
    sessions.find(|session| session.link.as_ref().is_some_and(is_it))
}

/// Everything the broker knows.
#[derive(Debug, Default)]
pub(super) struct State {
    /// By client id.
    sessions: HashMap<String, Session>,
    /// By topic.
    retained: HashMap<String, Message>,
    listeners: Vec<(String, mpsc::Sender<Message>)>,
}

impl State {
    pub(super) fn handle(&mut self, event: Event) {
        match event {
            Event::Connect(number, connect, sender) => self.connect(number, connect, sender),
            Event::Packet(number, packet) => self.packet(number, packet),
            Event::Closed(number) => self.unlink(number, true),
        }
    }

    /// Hands a message to whoever wants it.
    pub(super) fn route(&mut self, topic: String, payload: Bytes, qos: QoS, retain: bool) {
        let mut message = Message {
            topic,
            payload,
            qos,
            retain,
        };
        if retain {
            let topic = message.topic.clone();
            self.retained.insert(topic, message.clone());
            // An empty one only takes the place of what was kept.
            self.retained.retain(|_, kept| !kept.payload.is_empty());
            message.retain = false;
        }
        for session in self.sessions.values_mut() {
            if let Some(acked) = session.wants(&message.topic) {
                session.deliver(&message, acked);
            }
        }
        self.listeners.retain(|(filter, sender)| {
            !matches(&message.topic, filter) || sender.try_send(message.clone()).is_ok()
        });
    }

    /// Adds an in-process subscriber.
    pub(super) fn listen(&mut self, filter: String, sender: mpsc::Sender<Message>) {
        self.listeners.push((filter, sender));
    }

    /// Forgets all connections, as a broker does that was killed and started again.
    pub(super) fn disconnect_all(&mut self) {
        self.sessions.retain(|_, session| {
            session.link = None;
            !session.clean
        });
    }

    fn connect(&mut self, number: u64, connect: Connect, sender: mpsc::Sender<Packet>) {
        let id = match connect.client_id.as_str() {
            "" => format!("unnamed-{number}"),
            id => id.to_string(),
        };
        if let Some(older) = self.sessions.get(&id).and_then(|s| s.link.as_ref()) {
            self.unlink(older.number, true);
        }
        if connect.clean_session {
            self.sessions.remove(&id);
        }
        let present = self.sessions.contains_key(&id);
        let session = self.sessions.entry(id).or_default();
        session.clean = connect.clean_session;
        session.link = Some(Link {
            number,
            sender,
            will: connect.last_will,
        });
        let code = ConnectReturnCode::Success;
        session.send(Packet::ConnAck(ConnAck::new(code, present)));
        session.sent = 0;
        session.fill();
    }

    fn packet(&mut self, number: u64, packet: Packet) {
        // A connection that was taken over may still talk.
        let Some(session) = linked(&mut self.sessions, number) else {
            return;
        };
        match packet {
            Packet::Publish(publish) => {
                if publish.qos == QoS::AtLeastOnce {
                    session.send(Packet::PubAck(PubAck::new(publish.pkid)));
                }
                // An invalid topic does not get through the codec.
                let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                self.route(topic, publish.payload, publish.qos, publish.retain);
            }
            Packet::PubAck(ack) => session.acknowledged(ack.pkid),
            Packet::Subscribe(subscribe) => self.subscribe(number, subscribe),
            Packet::Unsubscribe(unsubscribe) => {
                for filter in &unsubscribe.topics {
                    session.subscriptions.remove(filter);
                }
                session.send(Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid)));
            }
            Packet::PingReq => session.send(Packet::PingResp),
            Packet::Disconnect => self.unlink(number, false),
            // Not a client's to send.
            _ => self.unlink(number, true),
        }
    }

    fn subscribe(&mut self, number: u64, subscribe: Subscribe) {
        let Some(session) = linked(&mut self.sessions, number) else {
            return;
        };
        let mut codes = Vec::new();
        for filter in subscribe.filters {
            if !valid_filter(&filter.path) {
                codes.push(SubscribeReasonCode::Failure);
                continue;
            }
            let acked = filter.qos != QoS::AtMostOnce;
            let granted = [QoS::AtMostOnce, QoS::AtLeastOnce][usize::from(acked)];
            codes.push(SubscribeReasonCode::Success(granted));
            let kept = self.retained.values();
            for message in kept.filter(|kept| matches(&kept.topic, &filter.path)) {
                session.deliver(message, acked);
            }
            session.subscriptions.insert(filter.path, acked);
        }
        session.send(Packet::SubAck(SubAck::new(subscribe.pkid, codes)));
    }

    /// A connection ended; its will is published if it was `lost`.
    fn unlink(&mut self, number: u64, lost: bool) {
        let link = linked(&mut self.sessions, number).and_then(|session| session.link.take());
        self.sessions.retain(|_, s| s.link.is_some() || !s.clean);
        if let Some(will) = link.and_then(|link| link.will).filter(|_| lost) {
            self.route(will.topic, will.message, will.qos, will.retain);
        }
    }
}
