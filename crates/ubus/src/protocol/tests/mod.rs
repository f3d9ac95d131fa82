//! The daemon is played by hand, and time too.

mod calls;
mod connection;
mod follow;
mod noise;
mod objects;

use std::time::{Duration, Instant};

use super::*;
use crate::blobmsg::{Type, Value};
use crate::message::system_object;

const SECOND: Duration = Duration::from_secs(1);

/// A protocol and what it did, with a hand that plays the daemon.
struct Desk {
    protocol: Protocol,
    now: Instant,
}

impl Desk {
    fn new() -> Self {
        Desk {
            protocol: Protocol::default(),
            now: Instant::now(),
        }
    }

    fn connected() -> Self {
        let mut desk = Desk::new();
        desk.connect();
        assert_eq!(desk.outputs(), [Output::Connected]);
        desk
    }

    fn connect(&mut self) {
        self.protocol.opened(self.now);
        self.feed(Kind::Hello, 0, 0x1234, Writer::new());
    }

    fn feed(&mut self, kind: Kind, seq: u16, peer: u32, attributes: Writer) {
        let frame = Frame::new(kind, seq, peer, attributes);
        self.protocol.frame(&frame, self.now);
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.protocol.poll()).collect()
    }

    /// The frames among what is to be done now; anything else fails the test.
    fn sent(&mut self) -> Vec<(Kind, u16, u32, Attributes)> {
        self.outputs()
            .into_iter()
            .map(|output| match output {
                Output::Send(frame) => (
                    Kind::from_id(frame.kind).unwrap(),
                    frame.seq,
                    frame.peer,
                    Attributes::parse(&frame.payload).unwrap(),
                ),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn one_sent(&mut self) -> (Kind, u16, u32, Attributes) {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    fn status(&mut self, seq: u16, peer: u32, status: Status) {
        self.feed(Kind::Status, seq, peer, Writer::new().status(status.0));
    }

    /// Answers the look-up `seq` with one object.
    fn found(&mut self, seq: u16, path: &str, id: u32) {
        let object = Writer::new()
            .text(attr::OBJPATH, path.as_bytes())
            .word(attr::OBJID, id)
            .word(attr::OBJTYPE, 7)
            .nested(attr::SIGNATURE, &[]);
        self.feed(Kind::Data, seq, 0, object);
        self.status(seq, 0, Status::OK);
    }

    /// Answers ADD_OBJECT `seq` with an id.
    fn added(&mut self, seq: u16, id: u32) {
        self.feed(Kind::Data, seq, 0, Writer::new().word(attr::OBJID, id));
        self.status(seq, 0, Status::OK);
    }

    fn data(&mut self, seq: u16, peer: u32, value: &Value) {
        let data = Writer::new()
            .word(attr::OBJID, peer)
            .nested(attr::DATA, &value.to_members());
        self.feed(Kind::Data, seq, peer, data);
    }

    fn call(&mut self, token: Token) {
        self.protocol
            .call(token, "system", "board", vec![], SECOND, self.now);
    }

    /// Calls `system board`, whose object has the id `id`, up to the INVOKE; its number.
    fn call_until_invoke(&mut self, token: Token, id: u32) -> u16 {
        self.call(token);
        let (kind, seq, peer, _) = self.one_sent();
        assert_eq!((kind, peer), (Kind::Lookup, 0));
        self.found(seq, "system", id);
        let (kind, seq, peer, invoke) = self.one_sent();
        assert_eq!((kind, peer, invoke.objid), (Kind::Invoke, id, Some(id)));
        seq
    }
}

fn answer(token: Token, result: Result<Answer, Error>) -> Vec<Output> {
    vec![Output::Answer(token, result)]
}

fn failed(token: Token, status: Status) -> Vec<Output> {
    answer(token, Err(Error::Status(status)))
}
