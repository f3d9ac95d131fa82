//! Frames from the bus, in any order, for the state machine of the client.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use ubus::blob::Writer;
use ubus::message::{attr, Frame, Kind};
use ubus::object::Method;
use ubus::protocol::{Answer, Output, Protocol, MAX_REPLY, MAX_REQUESTS};
use ubus::Status;

use super::data;
use super::pieces::{join, pieces};

/// Kinds of pieces: a frame as it stands; one with the number and peer of what was sent last, so that it
/// answers that; and what happens on our side.
const FRAME: u8 = 0;
const ANSWER: u8 = 1;
const FOUND: u8 = 2;
const DONE: u8 = 3;
const CALL: u8 = 4;
const LOOK_UP: u8 = 5;
const WAIT: u8 = 6;
const RECONNECT: u8 = 7;
const KINDS: u8 = 8;

/// Tokens of our own: an object, a subscription, a listener. Calls have those that follow.
const OBJECT: u64 = 1;
const SUBSCRIPTION: u64 = 2;
const LISTENER: u64 = 3;

/// A frame with the kind of its piece.
type Piece = (u8, Vec<u8>);

/// Each recording as the daemon's half of it, and a conversation of ours.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut recordings: Vec<(String, Vec<Piece>)> = Vec::new();
    for (name, kind, frame) in data::frames() {
        if !kind.starts_with("s2c") || frame.len() > 1024 {
            continue;
        }
        match recordings.last_mut() {
            Some((last, frames)) if *last == name => frames.push((ANSWER, frame)),
            _ => recordings.push((name, vec![(CALL, vec![0]), (ANSWER, frame)])),
        }
    }
    let mut seeds: Vec<_> = recordings
        .into_iter()
        .map(|(_, frames)| join(&frames[..frames.len().min(20)]))
        .collect();
    let conversation = [
        (CALL, 1),
        (FOUND, 9),
        (DONE, 0),
        (DONE, 0),
        (LOOK_UP, 1),
        (FOUND, 9),
        (DONE, 4),
    ];
    let more = [
        (CALL, 1),
        (FOUND, 9),
        (DONE, 0),
        (WAIT, 3),
        (RECONNECT, 0),
        (CALL, 1),
        (WAIT, 200),
    ];
    for row in [conversation, more] {
        let pieces: Vec<_> = row
            .iter()
            .map(|(kind, byte)| (*kind, vec![*byte]))
            .collect();
        seeds.push(join(&pieces));
    }
    seeds
}

pub(super) fn run(input: &[u8]) {
    let mut desk = Desk::new();
    for (kind, piece) in pieces(input).take(200) {
        desk.step(kind % KINDS, piece);
        desk.outputs();
    }
    desk.end();
}

/// The client's half, with all that was asked of it and is not answered yet.
struct Desk {
    protocol: Protocol,
    now: Instant,
    /// Calls and look-ups that wait for their answer.
    waiting: Vec<u64>,
    next: u64,
    /// Number and peer of the request that was sent last.
    last: (u16, u32),
}

impl Desk {
    fn new() -> Self {
        let mut desk = Desk {
            protocol: Protocol::default(),
            now: Instant::now(),
            waiting: Vec::new(),
            next: 10,
            last: (0, 0),
        };
        let now = desk.now;
        let methods = vec![Method::new("m", &[])];
        desk.protocol.add_object(OBJECT, "me", methods, now);
        desk.protocol.subscribe(SUBSCRIPTION, "hostapd.*", now);
        desk.protocol.listen(LISTENER, "*", now);
        desk.connect();
        desk
    }

    fn connect(&mut self) {
        self.protocol.opened(self.now);
        let hello = Frame::new(Kind::Hello, 0, 7, Writer::new());
        self.protocol.frame(&hello, self.now);
        self.outputs();
    }

    fn token(&mut self) -> u64 {
        self.next += 1;
        self.waiting.push(self.next);
        self.next
    }

    fn step(&mut self, kind: u8, piece: &[u8]) {
        let first = piece.first().copied().unwrap_or(0);
        let second = Duration::from_secs(1);
        match kind {
            FRAME | ANSWER => {
                let mut buffer = BytesMut::from(piece);
                while let Ok(Some(mut frame)) = Frame::split_from(&mut buffer) {
                    if kind == ANSWER {
                        (frame.seq, frame.peer) = self.last;
                    }
                    self.protocol.frame(&frame, self.now);
                }
            }
            FOUND => {
                let object = Writer::new()
                    .text(attr::OBJPATH, b"system")
                    .word(attr::OBJID, first.into())
                    .word(attr::OBJTYPE, 7)
                    .nested(attr::SIGNATURE, piece);
                self.answer(Kind::Data, object);
            }
            DONE => self.answer(Kind::Status, Writer::new().status(first.into())),
            CALL => {
                let path = ["system", "network.device", "hostapd.a"][usize::from(first % 3)];
                let (token, data) = (self.token(), piece.to_vec());
                self.protocol.call(token, path, "m", data, second, self.now);
            }
            LOOK_UP => {
                let token = self.token();
                let pattern = ["", "*", "system"][usize::from(first % 3)];
                self.protocol.lookup(token, pattern, second, self.now);
            }
            WAIT => {
                self.now += Duration::from_millis(u64::from(first) * 50);
                self.protocol.time(self.now);
            }
            _ => {
                self.protocol.closed();
                self.outputs();
                self.connect();
            }
        }
    }

    fn answer(&mut self, kind: Kind, attributes: Writer) {
        let (seq, peer) = self.last;
        let mut frame = Frame::new(kind, seq, peer, attributes);
        frame.payload = Bytes::copy_from_slice(&frame.payload);
        self.protocol.frame(&frame, self.now);
    }

    /// Does what the protocol says, as its owner does.
    fn outputs(&mut self) {
        while let Some(output) = self.protocol.poll() {
            match output {
                Output::Send(frame) => {
                    let kind = Kind::from_id(frame.kind).expect("a kind of ours");
                    let mut bytes =
                        BytesMut::from(&[&frame.head()[..], &frame.payload].concat()[..]);
                    let again = Frame::split_from(&mut bytes);
                    assert_eq!(
                        again.as_ref(),
                        Ok(&Some(frame.clone())),
                        "what is sent can be read"
                    );
                    if !matches!(kind, Kind::Data | Kind::Status) {
                        self.last = (frame.seq, frame.peer);
                    }
                }
                Output::Answer(token, answer) => {
                    let at = self.waiting.iter().position(|waits| *waits == token);
                    match at {
                        Some(at) => drop(self.waiting.swap_remove(at)),
                        None => assert!(token <= LISTENER, "{token} is answered twice"),
                    }
                    if let Ok(Answer::Data(data, _)) = answer {
                        assert!(data.iter().map(Bytes::len).sum::<usize>() <= MAX_REPLY);
                    }
                }
                Output::Request(token, incoming) => {
                    assert_eq!(token, OBJECT, "nothing else has methods");
                    let _ = self.protocol.reply(incoming.ticket, &incoming.data);
                    self.protocol.finish(incoming.ticket, Status::OK);
                }
                Output::Subscribers(token, _) => assert_eq!(token, OBJECT),
                Output::Event(token, ..) => assert_eq!(token, LISTENER),
                Output::Notice(token, _) => assert_eq!(token, SUBSCRIPTION),
                Output::Connected => {}
                // The owner closes the socket; the protocol has let go of it already.
                Output::Drop(_) => self.connect_again(),
            }
        }
        assert!(self.waiting.len() <= MAX_REQUESTS, "requests are bounded");
    }

    fn connect_again(&mut self) {
        self.protocol.opened(self.now);
        let hello = Frame::new(Kind::Hello, 0, 7, Writer::new());
        self.protocol.frame(&hello, self.now);
    }

    /// After any input every request is answered in its time.
    fn end(&mut self) {
        self.now += Duration::from_secs(10);
        self.protocol.time(self.now);
        self.outputs();
        assert_eq!(self.waiting, [0; 0], "a request without an answer");
        let deadline = self.protocol.deadline();
        assert!(
            deadline.is_none_or(|at| at > self.now),
            "nothing is overdue"
        );
    }
}
