//! LOOKUP: by path, by prefix, or everything.

use std::ops::Bound;

use bytes::Bytes;
use ubus::blob::Writer;
use ubus::message::{attr, Kind};
use ubus::Status;

use super::acl::Action;
use super::bus::Bus;
use super::message::{Message, Outgoing};
use super::request::Request;

/// A LOOKUP under way.
#[derive(Debug)]
pub(super) struct Lookup {
    seq: u16,
    peer: u32,
    /// Everything, without one.
    path: Option<Bytes>,
    /// Where to go on: the last path that was listed.
    after: Option<Vec<u8>>,
}

impl Lookup {
    pub(super) fn new(seq: u16, peer: u32, request: Request) -> Self {
        Lookup {
            seq,
            peer,
            path: request.path,
            after: None,
        }
    }
}

impl Bus {
    /// Answers a LOOKUP, or puts it off until what was sent before has gone out.
    pub(super) fn start_lookup(&mut self, client: u32, lookup: Lookup, out: &mut impl Outgoing) {
        let put_off = if out.idle(client) {
            self.run_lookup(client, lookup, out)
        } else {
            Some(lookup)
        };
        if let (Some(lookup), Some(state)) = (put_off, self.clients.get_mut(&client)) {
            state.lookups.push_back(lookup);
        }
    }

    /// Goes on with the LOOKUPs that were put off: everything sent to `client` has gone out.
    pub fn resume(&mut self, client: u32, out: &mut impl Outgoing) {
        loop {
            let Some(state) = self.clients.get_mut(&client) else {
                return;
            };
            let Some(lookup) = state.lookups.pop_front() else {
                return;
            };
            if let Some(lookup) = self.run_lookup(client, lookup, out) {
                if let Some(state) = self.clients.get_mut(&client) {
                    state.lookups.push_front(lookup);
                }
                return;
            }
        }
    }

    /// Returns the rest if the client stopped reading in between; else ends with STATUS.
    fn run_lookup(
        &mut self,
        client: u32,
        mut lookup: Lookup,
        out: &mut impl Outgoing,
    ) -> Option<Lookup> {
        let status = match lookup.path.as_deref() {
            None => {
                while let Some((path, object)) = self.path_after(lookup.after.as_deref()) {
                    if !out.idle(client) {
                        return Some(lookup);
                    }
                    self.send_object(client, &lookup, object, out);
                    lookup.after = Some(path);
                }
                Status::OK
            }
            Some(b"") => Status::INVALID_ARGUMENT,
            Some([prefix @ .., b'*']) => {
                let found: Vec<u32> = self
                    .paths
                    .range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded))
                    .take_while(|(path, _)| path.starts_with(prefix))
                    .map(|(_, object)| *object)
                    .collect();
                for object in &found {
                    self.send_object(client, &lookup, *object, out);
                }
                found_or_not(!found.is_empty())
            }
            Some(path) => {
                let found = self.paths.get(path).copied();
                if let Some(object) = found {
                    self.send_object(client, &lookup, object, out);
                }
                found_or_not(found.is_some())
            }
        };
        self.send_status(client, lookup.seq, lookup.peer, status, out);
        None
    }

    fn path_after(&self, last: Option<&[u8]>) -> Option<(Vec<u8>, u32)> {
        let start = last.map_or(Bound::Unbounded, Bound::Excluded);
        self.paths
            .range::<[u8], _>((start, Bound::Unbounded))
            .next()
            .map(|(path, object)| (path.clone(), *object))
    }

    /// Describes an object, with the methods `client` may call. Not a word about one without a type,
    /// or with methods of which the client may call none.
    fn send_object(&mut self, client: u32, lookup: &Lookup, id: u32, out: &mut impl Outgoing) {
        let Some((path, kind)) = self
            .objects
            .get(&id)
            .and_then(|object| Some((object.path.as_deref()?, object.kind?)))
        else {
            return;
        };
        let Some(object_type) = self.types.get(&kind) else {
            return;
        };
        let mut signature = Writer::new();
        for method in &object_type.methods {
            if self.allows(client, path, Action::Access(&method.name)) {
                signature.member(method.kind, &method.name, &method.arguments);
            }
        }
        if signature.is_empty() && !object_type.methods.is_empty() {
            return;
        }
        let attributes = Writer::new()
            .text(attr::OBJPATH, path)
            .word(attr::OBJID, id)
            .word(attr::OBJTYPE, kind)
            .nested(attr::SIGNATURE, &signature.into_bytes());
        self.send(
            out,
            client,
            Message::new(Kind::Data, lookup.seq, lookup.peer, attributes),
        );
    }
}

fn found_or_not(found: bool) -> Status {
    if found {
        Status::OK
    } else {
        Status::NOT_FOUND
    }
}
