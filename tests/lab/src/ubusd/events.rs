//! Object 1: registering for events and sending them.

use std::collections::BTreeSet;

use ubus::blob::Writer;
use ubus::blobmsg::Type;
use ubus::message::{attr, Kind};
use ubus::Status;

use super::acl::Action;
use super::bus::{Answer, Bus, FIRST_ID};
use super::message::{Message, Outgoing};
use super::request::{argument, id_argument, string_argument};

/// A registration.
#[derive(Debug)]
pub(super) struct Pattern {
    /// Without the `*` at its end.
    text: Vec<u8>,
    partial: bool,
    pub(super) object: u32,
}

impl Pattern {
    fn matches(&self, event: &[u8]) -> bool {
        self.text == event || self.partial && event.starts_with(&self.text)
    }
}

impl Bus {
    pub(super) fn call_events(
        &mut self,
        client: u32,
        method: &[u8],
        data: Option<&[u8]>,
        out: &mut impl Outgoing,
    ) -> Result<Answer, Status> {
        match method {
            b"register" => self.register(client, data)?,
            b"send" => self.send_event(client, data, out)?,
            _ => return Err(Status::INVALID_COMMAND),
        }
        Ok(Answer::Status(Status::OK))
    }

    fn register(&mut self, client: u32, data: Option<&[u8]>) -> Result<(), Status> {
        let data = data.ok_or(Status::INVALID_ARGUMENT)?;
        let (Some(object), Some(pattern)) = (
            id_argument(data, b"object"),
            string_argument(data, b"pattern"),
        ) else {
            return Err(Status::INVALID_ARGUMENT);
        };
        if object < FIRST_ID {
            return Err(Status::PERMISSION_DENIED);
        }
        self.owned(client, object, Status::PERMISSION_DENIED)?;
        let (text, partial) = match pattern {
            [] => return Err(Status::PERMISSION_DENIED),
            [text @ .., b'*'] => (text, true),
            text => (text, false),
        };
        if !self.allows(client, text, Action::Listen) {
            return Err(Status::PERMISSION_DENIED);
        }
        let at = self
            .patterns
            .partition_point(|pattern| pattern.text.as_slice() <= text);
        self.patterns.insert(
            at,
            Pattern {
                text: text.to_vec(),
                partial,
                object,
            },
        );
        Ok(())
    }

    fn send_event(
        &mut self,
        client: u32,
        data: Option<&[u8]>,
        out: &mut impl Outgoing,
    ) -> Result<(), Status> {
        let data = data.ok_or(Status::INVALID_ARGUMENT)?;
        let (Some(event), Some(content)) = (
            string_argument(data, b"id"),
            argument(data, b"data", Type::Table),
        ) else {
            return Err(Status::INVALID_ARGUMENT);
        };
        if event.starts_with(b"ubus.") || !self.allows(client, event, Action::Send) {
            return Err(Status::PERMISSION_DENIED);
        }
        self.deliver_event(Some(client), event, content.value, out);
        Ok(())
    }

    /// Calls every object that registered for `event`, once each and in the order of the patterns;
    /// not those of the client it comes from.
    pub(super) fn deliver_event(
        &mut self,
        from: Option<u32>,
        event: &[u8],
        data: &[u8],
        out: &mut impl Outgoing,
    ) {
        let mut seen = BTreeSet::new();
        let receivers: Vec<(u32, u32)> = self
            .patterns
            .iter()
            .filter(|pattern| pattern.matches(event))
            .filter_map(|pattern| {
                let owner = self.objects.get(&pattern.object)?.owner?;
                (Some(owner) != from && seen.insert(pattern.object))
                    .then_some((pattern.object, owner))
            })
            .collect();
        for (object, owner) in receivers {
            self.event_seq = self.event_seq.wrapping_add(1);
            let attributes = Writer::new()
                .word(attr::OBJID, object)
                .text(attr::METHOD, event)
                .nested(attr::DATA, data);
            let message = Message::new(Kind::Invoke, self.event_seq, 0, attributes);
            self.send(out, owner, message);
        }
    }
}
