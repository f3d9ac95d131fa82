//! Every recorded conversation, held again with our own daemon: what the clients and services sent
//! goes in as it was recorded, and what they were answered has to come out, frame by frame.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::sync::Arc;

use bytes::BytesMut;
use socketman_lab::ubusd::{Acl, Bus, Credentials, Message, Outgoing};
use ubus::blob::Writer;
use ubus::blobmsg::Type;
use ubus::message::{attr, Frame, Kind};

use crate::recording::ids::{attributes, word, Ids, HEAD};
use crate::recording::{scenario, scenarios, Direction, Line};

/// In this one the two sides speak over a socket of their own, without the daemon.
const NOT_OVER_THE_BUS: &str = "channel";

/// Recorded at the clients only; the services were a router's own daemons.
const USERLAND: [&str; 9] = [
    "list_plain",
    "list_verbose",
    "list_pattern",
    "lookup_missing",
    "call_system",
    "call_uci",
    "call_session",
    "call_errors_userland",
    "nobody_userland",
];

/// Messages sent to each client that it has not read yet.
#[derive(Default)]
struct Inboxes(BTreeMap<u32, VecDeque<Message>>);

impl Outgoing for Inboxes {
    fn send(&mut self, client: u32, message: Message) {
        self.0.entry(client).or_default().push_back(message);
    }

    fn idle(&self, _: u32) -> bool {
        true
    }
}

impl Inboxes {
    fn next(&mut self, client: u32) -> Option<Message> {
        self.0.get_mut(&client)?.pop_front()
    }
}

fn credentials(uid: u32, gid: u32) -> Credentials {
    match (uid, gid) {
        (0, 0) => Credentials::root(),
        (65534, 65534) => Credentials {
            uid,
            gid,
            user: "nobody".to_owned(),
            group: "nogroup".to_owned(),
            extra_gids: vec![],
        },
        other => panic!("{other:?} is not in the recordings"),
    }
}

/// The access lists the recorded daemon had: one for the full userland, one for all the others.
fn acl(scenario: &str) -> Acl {
    let json = if scenario == "nobody_userland" {
        r#"{"user":"nobody","access":{"system":{"methods":["board","info"]}}}"#
    } else {
        r#"{"user":"nobody","access":{"wire.test":{"methods":["echo","who"],
            "acl":{"lvl":1,"tags":["x"]}}},
            "publish":["pub.*"],"subscribe":["wire.test"],"listen":["ok.*"],"send":["ok.*"]}"#
    };
    let mut acl = Acl::default();
    acl.add(json).unwrap();
    acl
}

struct Replay {
    name: String,
    lines: Arc<Vec<Line>>,
    bus: Bus,
    inboxes: Inboxes,
    ids: Ids,
    /// Client ids by connection label; gone when the connection is closed.
    clients: BTreeMap<String, u32>,
    unread: BTreeMap<String, BytesMut>,
    /// Stands in for the daemons that were not recorded.
    stand_in: Option<u32>,
    compared: usize,
}

impl Replay {
    fn new(name: &str) -> Self {
        let mut replay = Replay {
            name: name.to_owned(),
            lines: Arc::new(scenario(name)),
            bus: Bus::new(1, acl(name)),
            inboxes: Inboxes::default(),
            ids: Ids::default(),
            clients: BTreeMap::new(),
            unread: BTreeMap::new(),
            stand_in: None,
            compared: 0,
        };
        if name == "missing_attrs" {
            // That daemon had read its access lists twice.
            replay.bus.reload(acl(name), &mut replay.inboxes);
        }
        if USERLAND.contains(&name) {
            replay.publish_unrecorded();
        }
        replay
    }

    /// Runs the scenario; returns how many frames were compared.
    fn run(mut self) -> usize {
        for line in &*self.lines.clone() {
            match (line.dir, line.kind.as_str()) {
                (Direction::Sent, "CONNECT") => {
                    let client = self
                        .bus
                        .admit(credentials(line.uid.unwrap(), line.gid.unwrap()));
                    self.clients.insert(line.conn.clone(), client);
                    self.bus.greet(client, &mut self.inboxes);
                }
                (Direction::Sent, "EOF") => {
                    let client = self.clients.remove(&line.conn).unwrap();
                    self.assert_all_seen(client, line);
                    self.bus.disconnect(client, &mut self.inboxes);
                }
                (Direction::Sent, _) => self.send(line),
                (Direction::Received, "EOF") => self.closed(line),
                (Direction::Received, _) => self.receive(line),
            }
            self.answer_for_the_unrecorded(line);
        }
        let last = self.lines.last().unwrap();
        for client in self.clients.values() {
            self.assert_all_seen(*client, last);
        }
        self.compared
    }

    fn assert_all_seen(&self, client: u32, line: &Line) {
        let rest = self.inboxes.0.get(&client).map(VecDeque::len);
        assert_eq!(rest.unwrap_or(0), 0, "{}: not recorded", line.place());
    }

    fn send(&mut self, line: &Line) {
        let client = self.clients[&line.conn];
        let mut bytes = line.bytes();
        self.ids.translate(&mut bytes);
        let unread = self.unread.entry(line.conn.clone()).or_default();
        unread.extend_from_slice(&bytes);
        let fd = (line.fds > 0).then(|| Arc::new(File::open("/dev/null").unwrap().into()));
        loop {
            match Frame::split_from(unread) {
                Ok(Some(frame)) => {
                    let message = Message {
                        frame,
                        fd: fd.clone(),
                    };
                    self.bus.receive(client, message, &mut self.inboxes);
                }
                Ok(None) => break,
                Err(_) => {
                    self.bus.disconnect(client, &mut self.inboxes);
                    break;
                }
            }
        }
    }

    fn receive(&mut self, line: &Line) {
        let client = self.clients[&line.conn];
        let mut expected = line.bytes();
        if self.inboxes.0.get(&client).is_none_or(VecDeque::is_empty)
            && holds(&expected, b"ubus.acl.sequence\0")
        {
            self.bus.reload(acl(&self.name), &mut self.inboxes);
        }
        let Some(message) = self.inboxes.next(client) else {
            panic!("{}: nothing came", line.place());
        };
        let came = message_bytes(&message);
        self.ids
            .put_in(&mut expected, &came)
            .unwrap_or_else(|error| panic!("{}: {error}", line.place()));
        assert!(
            came == expected,
            "{}: {:02x?}",
            line.place(),
            &came[..came.len().min(200)]
        );
        let fds = usize::from(message.fd.is_some());
        assert_eq!(fds, line.fds, "{}: file descriptors", line.place());
        self.compared += 1;
    }

    /// The daemon closed a connection: because of what came over it, or because it was restarted.
    fn closed(&mut self, line: &Line) {
        let Some(client) = self.clients.remove(&line.conn) else {
            return;
        };
        self.assert_all_seen(client, line);
        let unread = self.unread.get_mut(&line.conn).unwrap();
        if Frame::split_from(unread).is_err() {
            return;
        }
        assert_eq!(self.name, "restart");
        for client in std::mem::take(&mut self.clients).into_values() {
            self.assert_all_seen(client, line);
        }
        self.bus = Bus::new(2, acl(&self.name));
        self.inboxes = Inboxes::default();
        self.ids.forget_events();
    }

    /// Puts the objects that the clients found on the bus there.
    fn publish_unrecorded(&mut self) {
        let lines = self.lines.clone();
        let mut seen = BTreeMap::new();
        for (request, answer) in exchanges(&lines, "LOOKUP") {
            let (request, answer) = (request.bytes(), answer.bytes());
            if let Some(path) = payload(&answer, attr::OBJPATH) {
                let signature = payload(&answer, attr::SIGNATURE).unwrap();
                seen.insert(path.to_vec(), signature.to_vec());
            } else if first_word(&answer, attr::STATUS) == Some(0) {
                // It is there, even where nothing of it was to be seen.
                let path = payload(&request, attr::OBJPATH).filter(|path| !path.ends_with(b"*\0"));
                if let Some(path) = path {
                    seen.entry(path.to_vec()).or_default();
                }
            }
        }
        let client = self.bus.admit(Credentials::root());
        self.stand_in = Some(client);
        for (path, mut signature) in seen {
            if self.name == "nobody_userland" {
                let mut hidden = Writer::new();
                hidden.member(Type::Table, b"reboot", &[]);
                signature.extend(hidden.into_bytes());
            }
            let attributes = Writer::new()
                .nested(attr::OBJPATH, &path)
                .nested(attr::SIGNATURE, &signature);
            let message = Message::new(Kind::AddObject, 1, 0, attributes);
            self.bus.receive(client, message, &mut self.inboxes);
        }
        while let Some(message) = self.inboxes.next(client) {
            let status = first_word(&message_bytes(&message), attr::STATUS);
            assert_ne!(status, Some(2), "{}: stand-in", self.name);
        }
    }

    /// Compares the answers of daemons that were not recorded with those that the caller received after `line`.
    fn answer_for_the_unrecorded(&mut self, line: &Line) {
        let Some(stand_in) = self.stand_in else {
            return;
        };
        while let Some(call) = self.inboxes.next(stand_in) {
            assert_eq!(call.frame.kind, Kind::Invoke as u8, "{}", line.place());
            let lines = self.lines.clone();
            let answers = lines.iter().filter(|answer| {
                answer.n > line.n
                    && answer.conn == line.conn
                    && answer.dir == Direction::Received
                    && answer.seq == Some(call.frame.seq)
            });
            for answer in answers {
                let mut bytes = answer.bytes();
                self.ids.translate(&mut bytes);
                let mut frame = Frame::split_from(&mut BytesMut::from(&bytes[..]))
                    .unwrap()
                    .unwrap();
                frame.peer = call.frame.peer;
                self.bus.receive(stand_in, frame.into(), &mut self.inboxes);
            }
        }
    }
}

fn message_bytes(message: &Message) -> Vec<u8> {
    [&message.frame.head()[..], &message.frame.payload].concat()
}

/// Each request of this kind with each of its answers.
fn exchanges<'a>(lines: &'a [Line], kind: &'a str) -> impl Iterator<Item = (&'a Line, &'a Line)> {
    lines
        .iter()
        .filter(move |line| line.dir == Direction::Sent && line.kind == kind)
        .flat_map(|request| {
            lines
                .iter()
                .filter(move |answer| {
                    answer.n > request.n
                        && answer.dir == Direction::Received
                        && answer.conn == request.conn
                        && answer.seq == request.seq
                        && matches!(answer.kind.as_str(), "DATA" | "STATUS")
                })
                .map(move |answer| (request, answer))
        })
}

fn payload(frame: &[u8], wanted: u8) -> Option<&[u8]> {
    attributes(frame, HEAD, frame.len())
        .into_iter()
        .find(|(id, ..)| *id == wanted)
        .map(|(_, at, len)| &frame[at..at + len])
}

fn first_word(frame: &[u8], wanted: u8) -> Option<u32> {
    payload(frame, wanted)
        .filter(|payload| payload.len() == 4)
        .map(|payload| word(payload, 0))
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

#[test]
fn every_recorded_conversation_is_answered_as_recorded() {
    let names = scenarios();
    assert_eq!(names.len(), 54);
    let (mut compared, mut recorded) = (0, 0);
    for name in names.iter().filter(|name| *name != NOT_OVER_THE_BUS) {
        compared += Replay::new(name).run();
        recorded += scenario(name)
            .iter()
            .filter(|line| line.dir == Direction::Received && line.kind != "EOF")
            .count();
    }
    assert_eq!(compared, recorded);
}
