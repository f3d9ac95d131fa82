//! As much of a bus as a collector gets to see, with callees that answer late, wrongly or not at
//! all.

use std::collections::HashMap;
use std::time::Duration;

use bytes::BytesMut;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::sleep;
use ubus::blob::Writer;
use ubus::blobmsg::Value;
use ubus::message::{attr, system_object, Attributes, Frame, Kind};
use ubus::{from_members, matches};

use super::samples::Router;

/// The behaviour of a callee.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Data(Vec<u8>),
    /// Status 0 and nothing else.
    NoData,
    Status(i32),
    /// It died.
    Silence,
}

/// A notification: path, kind and data.
pub(super) type Notification = (&'static str, &'static str, Value);

/// Questions to a bus, as `path method device`; the look-up of a pattern is its pattern.
pub(super) type Asked = Vec<String>;

/// Ids of the objects called, of subscribers.
const FIRST_OBJECT: u32 = 1024;
const FIRST_SUBSCRIBER: u32 = 9000;

/// When a patient bus takes no more questions in before it answers. Time is simulated: it passes
/// only when nobody has anything left to do.
const PATIENCE: Duration = Duration::from_millis(100);

/// As much of the bus daemon as somebody who calls and listens gets to see.
pub(super) struct Bus {
    /// By path, method and the argument `device`.
    pub(super) answers: HashMap<(String, String, String), Answer>,
    notifications: mpsc::UnboundedReceiver<Notification>,
    notify: mpsc::UnboundedSender<Notification>,
    /// Each time the bus answers: what it was asked since it did so before.
    asked: Option<mpsc::UnboundedSender<Asked>>,
    /// Subscriber of an object.
    subscribers: HashMap<u32, u32>,
    next_subscriber: u32,
}

#[derive(Deserialize)]
struct Of {
    #[serde(default)]
    device: String,
}

impl Bus {
    pub(super) fn of(router: &Router) -> Self {
        let (notify, notifications) = mpsc::unbounded_channel();
        let mut bus = Bus {
            answers: HashMap::new(),
            notifications,
            notify,
            asked: None,
            subscribers: HashMap::new(),
            next_subscriber: FIRST_SUBSCRIBER,
        };
        for (question, value) in &router.replies {
            let (path, method, args) = question.call();
            let of: Of = from_members(&args).unwrap();
            let answer = Answer::Data(value.to_members());
            bus.set(&path, method, &of.device, answer);
        }
        let (_, netdevs) = router.lists();
        if !netdevs.is_empty() {
            let netdevs = netdevs.iter().map(|name| Value::string(name)).collect();
            let list = Value::Table(vec![(b"devices".to_vec(), Value::Array(netdevs))]);
            bus.set("iwinfo", "devices", "", Answer::Data(list.to_members()));
        }
        bus
    }

    fn set(&mut self, path: &str, method: &str, device: &str, answer: Answer) {
        let key = (path.into(), method.into(), device.into());
        self.answers.insert(key, answer);
    }

    pub(super) fn with(mut self, path: &str, method: &str, device: &str, answer: Answer) -> Self {
        self.set(path, method, device, answer);
        self
    }

    /// Everything asked of this path gets this answer.
    pub(super) fn with_all(mut self, path: &str, answer: &Answer) -> Self {
        for ((at, _, _), known) in &mut self.answers {
            if at == path {
                *known = answer.clone();
            }
        }
        self
    }

    /// An object that only notifies.
    pub(super) fn with_object(self, path: &str) -> Self {
        self.with(path, "", "", Answer::NoData)
    }

    /// Sends notifications to the subscribers of their objects.
    pub(super) fn notify(&self) -> mpsc::UnboundedSender<Notification> {
        self.notify.clone()
    }

    /// From now on it answers only when no more questions come; tells what it was asked.
    pub(super) fn patient(&mut self) -> mpsc::UnboundedReceiver<Asked> {
        let (asked, told) = mpsc::unbounded_channel();
        self.asked = Some(asked);
        told
    }

    /// Paths in order; an object's id is its place.
    fn paths(&self) -> Vec<&str> {
        let mut paths: Vec<&str> = self
            .answers
            .keys()
            .map(|(path, _, _)| path.as_str())
            .collect();
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    pub(super) async fn serve(mut self, listener: UnixListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            self.converse(stream).await;
        }
    }

    async fn converse(&mut self, mut stream: UnixStream) {
        send(&mut stream, Kind::Hello, 0, 77, Writer::new()).await;
        let mut bytes = BytesMut::new();
        let mut waiting: Vec<Frame> = Vec::new();
        loop {
            let patience = match (&self.asked, waiting.is_empty()) {
                (_, true) => Duration::MAX,
                (Some(_), false) => PATIENCE,
                (None, false) => Duration::ZERO,
            };
            tokio::select! {
                biased;
                read = stream.read_buf(&mut bytes) => {
                    if !read.is_ok_and(|read| read > 0) {
                        return;
                    }
                    while let Some(frame) = Frame::split_from(&mut bytes).unwrap() {
                        waiting.push(frame);
                    }
                }
                Some(notification) = self.notifications.recv() => {
                    self.forward(&mut stream, notification).await;
                }
                () = sleep(patience) => {
                    let mut asked = Asked::new();
                    for frame in waiting.drain(..) {
                        asked.extend(self.answer(&mut stream, &frame).await);
                    }
                    if let Some(told) = self.asked.as_ref().filter(|_| !asked.is_empty()) {
                        // The listener may have heard enough and left.
                        told.send(asked).unwrap_or_default();
                    }
                }
            }
        }
    }

    async fn forward(&self, stream: &mut UnixStream, (path, kind, data): Notification) {
        let at = self.paths().iter().position(|known| *known == path);
        let object = FIRST_OBJECT + at.expect("there is such an object") as u32;
        if let Some(subscriber) = self.subscribers.get(&object) {
            let notification = Writer::new()
                .word(attr::OBJID, *subscriber)
                .text(attr::METHOD, kind.as_bytes())
                .nested(attr::DATA, &data.to_members());
            send(stream, Kind::Invoke, 0, object, notification).await;
        }
    }

    /// Answers a request; returns what was asked if it was a question.
    async fn answer(&mut self, stream: &mut UnixStream, frame: &Frame) -> Option<String> {
        let attributes = Attributes::parse(&frame.payload).unwrap();
        let text = |bytes: Option<bytes::Bytes>| {
            String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap()
        };
        let (seq, peer) = (frame.seq, frame.peer);
        let mut asked = None;
        let status = match Kind::from_id(frame.kind) {
            Some(Kind::Lookup) => {
                let pattern = text(attributes.objpath);
                let mut status = 4;
                for (at, path) in self.paths().iter().enumerate() {
                    if matches(&pattern, path) {
                        let object = Writer::new()
                            .text(attr::OBJPATH, path.as_bytes())
                            .word(attr::OBJID, FIRST_OBJECT + at as u32);
                        send(stream, Kind::Data, seq, peer, object).await;
                        status = 0;
                    }
                }
                asked = Some(pattern);
                status
            }
            Some(Kind::AddObject) => {
                self.next_subscriber += 1;
                let object = Writer::new().word(attr::OBJID, self.next_subscriber);
                send(stream, Kind::Data, seq, peer, object).await;
                0
            }
            Some(Kind::Subscribe) => {
                let target = attributes.target.unwrap();
                self.subscribers.insert(target, attributes.objid.unwrap());
                0
            }
            Some(Kind::Invoke) if attributes.objid != Some(system_object::EVENT) => {
                let path = self.paths()[(attributes.objid.unwrap() - FIRST_OBJECT) as usize];
                let of: Of = from_members(&attributes.data.unwrap()).unwrap();
                let key = (path.to_owned(), text(attributes.method), of.device);
                asked = Some(format!("{} {} {}", key.0, key.1, key.2));
                match self.answers.get(&key) {
                    Some(Answer::Data(data)) => {
                        let reply = Writer::new().nested(attr::DATA, data);
                        send(stream, Kind::Data, seq, peer, reply).await;
                        0
                    }
                    Some(Answer::NoData) => 0,
                    Some(Answer::Status(status)) => *status,
                    Some(Answer::Silence) => return asked,
                    None => 4,
                }
            }
            // Of a notification; nobody waits for more.
            Some(Kind::Status) => return None,
            _ => 0,
        };
        let end = Writer::new().status(status);
        send(stream, Kind::Status, seq, peer, end).await;
        asked
    }
}

async fn send(stream: &mut UnixStream, kind: Kind, seq: u16, peer: u32, attributes: Writer) {
    let frame = Frame::new(kind, seq, peer, attributes);
    let mut bytes = frame.head().to_vec();
    bytes.extend(&frame.payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    // The client may be gone; the next read says so.
    stream.write_all(&bytes).await.unwrap_or_default();
}
