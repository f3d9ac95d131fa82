//! Object 3: copies of all that goes over the bus.

use ubus::blob::Writer;
use ubus::message::{Frame, Kind};
use ubus::Status;

use super::bus::{Answer, Bus};
use super::message::{Message, Outgoing};

/// Ids of the attributes of a MONITOR message, in the order they are sent.
mod attr {
    pub(super) const CLIENT: u8 = 0;
    pub(super) const PEER: u8 = 1;
    pub(super) const SEQ: u8 = 3;
    pub(super) const TYPE: u8 = 4;
    pub(super) const SEND: u8 = 2;
    pub(super) const DATA: u8 = 5;
}

/// A client that gets the copies.
#[derive(Debug)]
pub(super) struct Monitor {
    pub(super) client: u32,
    /// Counts its copies.
    seq: u16,
}

impl Bus {
    pub(super) fn call_monitor(&mut self, client: u32, method: &[u8]) -> Result<Answer, Status> {
        let root = self
            .clients
            .get(&client)
            .is_some_and(|state| state.credentials.uid == 0 && state.credentials.gid == 0);
        if !root {
            return Err(Status::PERMISSION_DENIED);
        }
        match method {
            b"add" => {
                self.monitors.retain(|monitor| monitor.client != client);
                self.monitors.push(Monitor { client, seq: 0 });
            }
            b"remove" => self.monitors.retain(|monitor| monitor.client != client),
            _ => return Err(Status::METHOD_NOT_FOUND),
        }
        Ok(Answer::Status(Status::OK))
    }

    /// Gives each monitor its copy of a frame that `client` sent, or is about to be `sent`.
    pub(super) fn observe(
        &mut self,
        client: u32,
        frame: &Frame,
        sent: bool,
        out: &mut impl Outgoing,
    ) {
        for monitor in &mut self.monitors {
            monitor.seq = monitor.seq.wrapping_add(1);
            let attributes = Writer::new()
                .word(attr::CLIENT, client)
                .word(attr::PEER, frame.peer)
                .word(attr::SEQ, frame.seq.into())
                .word(attr::TYPE, frame.kind.into())
                .flag(attr::SEND, sent)
                .nested(attr::DATA, &frame.payload);
            out.send(
                monitor.client,
                Message::new(Kind::Monitor, monitor.seq, 0, attributes),
            );
        }
    }
}
