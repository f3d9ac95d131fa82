//! Sessions, subscriptions and what waits in them. No I/O: packets in, packets out.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use rumqttc::{
    matches, valid_filter, valid_topic, ConnAck, Connect, ConnectReturnCode, LastWill, Packet,
    PubAck, PubComp, PubRec, Publish, QoS, SubAck, Subscribe, SubscribeReasonCode, UnsubAck,
};
use tokio::sync::{mpsc, watch};

use super::{Event, Message};

/// QoS 1 messages sent to a client and not acknowledged.
const IN_FLIGHT: usize = 20;

/// Messages that wait for an absent or slow client; beyond it new ones are dropped.
const QUEUE_MAX: usize = 100_000;

/// A client's connection.
#[derive(Debug)]
struct Link {
    number: u64,
    sender: mpsc::Sender<Packet>,
    will: Option<LastWill>,
}

/// What the broker keeps of a client.
#[derive(Debug, Default)]
struct Session {
    clean: bool,
    link: Option<Link>,
    subscriptions: HashMap<String, QoS>,
    queue: VecDeque<Message>,
    in_flight: VecDeque<(u16, Message)>,
    last_pkid: u16,
    /// QoS 2 messages received and not released.
    unreleased: HashSet<u16>,
}

impl Session {
    /// Sends unless there is no connection; a client that does not keep up loses it.
    fn send(&mut self, packet: Packet) {
        let full = |link: &Link| link.sender.try_send(packet).is_err();
        if self.link.as_ref().is_some_and(full) {
            // Without a sender the connection closes; `Closed` follows and deals with the will.
            if let Some(link) = &mut self.link {
                link.sender = mpsc::channel(1).0;
            }
        }
    }

    fn deliver(&mut self, message: Message) {
        if message.qos == QoS::AtMostOnce {
            if self.link.is_some() {
                self.send(packet(&message, 0, false));
            }
        } else if self.queue.len() < QUEUE_MAX {
            self.queue.push_back(message);
            self.fill();
        }
    }

    /// Sends from the queue while there is room in flight.
    fn fill(&mut self) {
        while self.link.is_some() && self.in_flight.len() < IN_FLIGHT {
            let Some(message) = self.queue.pop_front() else {
                return;
            };
            let pkid = self.next_pkid();
            self.send(packet(&message, pkid, false));
            self.in_flight.push_back((pkid, message));
        }
    }

    fn next_pkid(&mut self) -> u16 {
        loop {
            self.last_pkid = self.last_pkid.checked_add(1).unwrap_or(1);
            if !self
                .in_flight
                .iter()
                .any(|(pkid, _)| *pkid == self.last_pkid)
            {
                return self.last_pkid;
            }
        }
    }

    fn acknowledged(&mut self, pkid: u16) {
        self.in_flight.retain(|(sent, _)| *sent != pkid);
        self.fill();
    }

    /// The QoS of the best subscription to `topic`.
    fn wants(&self, topic: &str) -> Option<QoS> {
        self.subscriptions
            .iter()
            .filter(|(filter, _)| matches(topic, filter))
            .map(|(_, qos)| *qos)
            .max_by_key(|qos| *qos as u8)
    }
}

fn packet(message: &Message, pkid: u16, dup: bool) -> Packet {
    let mut publish =
        Publish::from_bytes(message.topic.as_str(), message.qos, message.payload.clone());
    publish.pkid = pkid;
    publish.dup = dup;
    publish.retain = message.retain;
    Packet::Publish(publish)
}

/// At most QoS 1: what is promised to subscribers here.
fn granted(qos: QoS) -> QoS {
    match qos {
        QoS::AtMostOnce => QoS::AtMostOnce,
        _ => QoS::AtLeastOnce,
    }
}

/// Everything the broker knows.
pub(super) struct State {
    sessions: HashMap<String, Session>,
    /// Client ids by connection.
    links: HashMap<u64, String>,
    retained: HashMap<String, Message>,
    listeners: Vec<(String, mpsc::Sender<Message>)>,
    clients: watch::Sender<BTreeSet<String>>,
}

impl State {
    pub(super) fn new(clients: watch::Sender<BTreeSet<String>>) -> Self {
        State {
            sessions: HashMap::new(),
            links: HashMap::new(),
            retained: HashMap::new(),
            listeners: Vec::new(),
            clients,
        }
    }

    pub(super) fn handle(&mut self, event: Event) {
        match event {
            Event::Connect(number, connect, sender) => self.connect(number, connect, sender),
            Event::Packet(number, packet) => self.packet(number, packet),
            Event::Closed(number) => self.unlink(number, true),
        }
    }

    /// Hands a message to whoever wants it.
    pub(super) fn route(&mut self, message: &Message) {
        if message.retain {
            if message.payload.is_empty() {
                self.retained.remove(&message.topic);
            } else {
                self.retained.insert(message.topic.clone(), message.clone());
            }
        }
        let live = Message {
            retain: false,
            ..message.clone()
        };
        for session in self.sessions.values_mut() {
            if let Some(qos) = session.wants(&live.topic) {
                let qos = if (qos as u8) < live.qos as u8 {
                    qos
                } else {
                    live.qos
                };
                session.deliver(Message {
                    qos: granted(qos),
                    ..live.clone()
                });
            }
        }
        self.listeners.retain(|(filter, sender)| {
            !matches(&live.topic, filter) || sender.try_send(live.clone()).is_ok()
        });
    }

    /// Adds an in-process subscriber.
    pub(super) fn listen(&mut self, filter: String, sender: mpsc::Sender<Message>) {
        self.listeners.push((filter, sender));
    }

    /// Forgets all connections, as a broker does that was killed and started again.
    pub(super) fn disconnect_all(&mut self) {
        self.links.clear();
        self.clients.send_modify(BTreeSet::clear);
        self.sessions.retain(|_, session| {
            session.link = None;
            !session.clean
        });
    }

    fn connect(&mut self, number: u64, connect: Connect, sender: mpsc::Sender<Packet>) {
        let id = if connect.client_id.is_empty() {
            format!("unnamed-{number}")
        } else {
            connect.client_id
        };
        if let Some(older) = self.sessions.get(&id).and_then(|s| s.link.as_ref()) {
            self.unlink(older.number, true);
        }
        if connect.clean_session {
            self.sessions.remove(&id);
        }
        let present = self.sessions.contains_key(&id);
        let session = self.sessions.entry(id.clone()).or_default();
        session.clean = connect.clean_session;
        session.link = Some(Link {
            number,
            sender,
            will: connect.last_will,
        });
        session.send(Packet::ConnAck(ConnAck::new(
            ConnectReturnCode::Success,
            present,
        )));
        let again: Vec<Packet> = session
            .in_flight
            .iter()
            .map(|(pkid, message)| packet(message, *pkid, true))
            .collect();
        for packet in again {
            session.send(packet);
        }
        session.fill();
        self.links.insert(number, id.clone());
        self.clients.send_modify(|clients| {
            clients.insert(id);
        });
    }

    fn packet(&mut self, number: u64, packet: Packet) {
        // A connection that was taken over may still talk.
        let Some(id) = self.links.get(&number).cloned() else {
            return;
        };
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        match packet {
            Packet::Publish(publish) => self.publish(&id, number, publish),
            Packet::PubAck(ack) => session.acknowledged(ack.pkid),
            Packet::PubRel(release) => {
                session.unreleased.remove(&release.pkid);
                session.send(Packet::PubComp(PubComp::new(release.pkid)));
            }
            Packet::Subscribe(subscribe) => self.subscribe(&id, subscribe),
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

    fn publish(&mut self, id: &str, number: u64, publish: Publish) {
        let topic = match std::str::from_utf8(&publish.topic) {
            Ok(topic) if valid_topic(topic) => topic.to_string(),
            _ => return self.unlink(number, true),
        };
        let mut repeated = false;
        if let Some(session) = self.sessions.get_mut(id) {
            match publish.qos {
                QoS::AtMostOnce => {}
                QoS::AtLeastOnce => session.send(Packet::PubAck(PubAck::new(publish.pkid))),
                QoS::ExactlyOnce => {
                    repeated = !session.unreleased.insert(publish.pkid);
                    session.send(Packet::PubRec(PubRec::new(publish.pkid)));
                }
            }
        }
        if !repeated {
            self.route(&Message {
                topic,
                payload: publish.payload,
                qos: publish.qos,
                retain: publish.retain,
            });
        }
    }

    fn subscribe(&mut self, id: &str, subscribe: Subscribe) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let mut codes = Vec::new();
        let mut kept = Vec::new();
        for filter in subscribe.filters {
            if !valid_filter(&filter.path) {
                codes.push(SubscribeReasonCode::Failure);
                continue;
            }
            let qos = granted(filter.qos);
            codes.push(SubscribeReasonCode::Success(qos));
            kept.extend(
                self.retained
                    .values()
                    .filter(|message| matches(&message.topic, &filter.path))
                    .map(|message| Message {
                        qos: if qos == QoS::AtMostOnce {
                            qos
                        } else {
                            granted(message.qos)
                        },
                        ..message.clone()
                    }),
            );
            session.subscriptions.insert(filter.path, qos);
        }
        session.send(Packet::SubAck(SubAck::new(subscribe.pkid, codes)));
        for message in kept {
            session.deliver(message);
        }
    }

    /// A connection ended; its will is published if it was `lost`.
    fn unlink(&mut self, number: u64, lost: bool) {
        let Some(id) = self.links.remove(&number) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let will = session.link.take().and_then(|link| link.will);
        if session.clean {
            self.sessions.remove(&id);
        }
        self.clients.send_modify(|clients| {
            clients.remove(&id);
        });
        if let Some(will) = will.filter(|_| lost) {
            self.route(&Message {
                topic: will.topic,
                payload: will.message,
                qos: will.qos,
                retain: will.retain,
            });
        }
    }
}
