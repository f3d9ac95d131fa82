//! Objects and their types: ADD_OBJECT, REMOVE_OBJECT.

use ubus::blob::Writer;
use ubus::blobmsg::{Members, Type};
use ubus::message::{attr, Kind};
use ubus::Malformed;
use ubus::Status;

use super::acl::Action;
use super::bus::{Answer, Bus};
use super::message::{Message, Outgoing};
use super::request::{until_nul, Request};

/// Something on the bus that can be called, subscribed to, or sent events to.
#[derive(Debug, Default)]
pub(super) struct Object {
    /// The client it belongs to; none for the daemon's own.
    pub(super) owner: Option<u32>,
    pub(super) path: Option<Vec<u8>>,
    pub(super) kind: Option<u32>,
    /// Ids of the objects that get its notifications, oldest first; one may stand twice.
    pub(super) subscribers: Vec<u32>,
    /// Ids of the objects it is subscribed to, oldest first; one may stand twice.
    pub(super) targets: Vec<u32>,
    /// Counts the daemon's own messages about this object.
    pub(super) seq: u16,
}

/// The methods that objects have in common.
#[derive(Debug)]
pub(super) struct ObjectType {
    objects: usize,
    pub(super) methods: Vec<Method>,
}

/// An entry of a SIGNATURE, normally a table.
#[derive(Debug)]
pub(super) struct Method {
    pub(super) kind: Type,
    pub(super) name: Vec<u8>,
    pub(super) arguments: Vec<u8>,
}

impl Object {
    pub(super) fn next_seq(&mut self) -> u16 {
        self.seq = self.seq.wrapping_add(1);
        self.seq
    }
}

impl Bus {
    /// The object, if `client` owns it.
    pub(super) fn owned(&self, client: u32, object: u32, otherwise: Status) -> Result<(), Status> {
        let object = self.objects.get(&object).ok_or(Status::NOT_FOUND)?;
        if object.owner == Some(client) {
            Ok(())
        } else {
            Err(otherwise)
        }
    }

    pub(super) fn add_object(
        &mut self,
        client: u32,
        seq: u16,
        peer: u32,
        request: &Request,
        out: &mut impl Outgoing,
    ) -> Result<Answer, Status> {
        if let Some(path) = &request.path {
            if !self.allows(client, path, Action::Publish) || self.paths.contains_key(&path[..]) {
                return Err(Status::INVALID_ARGUMENT);
            }
        }
        let kind = match (request.object_type, &request.signature) {
            (Some(id), _) => self.types.contains_key(&id).then_some(id),
            (None, Some(signature)) => self.new_type(signature),
            (None, None) => None,
        };
        if let Some(kind) = kind.and_then(|id| self.types.get_mut(&id)) {
            kind.objects += 1;
        }
        let id = self.new_object_id();
        let path = request.path.as_ref().map(|path| path.to_vec());
        self.objects.insert(
            id,
            Object {
                owner: Some(client),
                path: path.clone(),
                kind,
                ..Object::default()
            },
        );
        if let Some(path) = path {
            self.paths.insert(path.clone(), id);
            self.announce_object(b"ubus.object.add", id, &path, out);
        }
        if let Some(owner) = self.clients.get_mut(&client) {
            owner.objects.push(id);
        }
        let mut attributes = Writer::new().word(attr::OBJID, id);
        if let (Some(kind), Some(_)) = (kind, &request.signature) {
            attributes = attributes.word(attr::OBJTYPE, kind);
        }
        self.send(out, client, Message::new(Kind::Data, seq, peer, attributes));
        Ok(Answer::Status(Status::OK))
    }

    pub(super) fn remove_object(
        &mut self,
        client: u32,
        seq: u16,
        peer: u32,
        request: &Request,
        out: &mut impl Outgoing,
    ) -> Result<Answer, Status> {
        let id = request.object.ok_or(Status::INVALID_ARGUMENT)?;
        self.owned(client, id, Status::PERMISSION_DENIED)?;
        let mut attributes = Writer::new().word(attr::OBJID, id);
        let kind = self.objects.get(&id).and_then(|object| object.kind);
        if let Some(kind) = kind.filter(|kind| self.types.get(kind).is_some_and(|t| t.objects == 1))
        {
            attributes = attributes.word(attr::OBJTYPE, kind);
        }
        self.send(out, client, Message::new(Kind::Data, seq, peer, attributes));
        self.free_object(id, out);
        Ok(Answer::Status(Status::OK))
    }

    /// Takes an object off the bus and tells those it concerns.
    pub(super) fn free_object(&mut self, id: u32, out: &mut impl Outgoing) {
        self.drop_subscriptions(id, out);
        self.patterns.retain(|pattern| pattern.object != id);
        let path = self.objects.get(&id).and_then(|object| object.path.clone());
        if let Some(path) = path {
            self.announce_object(b"ubus.object.remove", id, &path, out);
            self.paths.remove(&path);
        }
        let Some(object) = self.objects.remove(&id) else {
            return;
        };
        if let Some(owner) = object.owner.and_then(|owner| self.clients.get_mut(&owner)) {
            owner.objects.retain(|other| *other != id);
        }
        if let Some(kind) = object.kind {
            self.release_type(kind);
        }
    }

    /// A type made of the entries of `signature`; none if one of them is no named member. What cannot
    /// be split into entries ends the list.
    fn new_type(&mut self, signature: &[u8]) -> Option<u32> {
        let mut methods = Vec::new();
        for member in Members::new(signature) {
            let member = match member {
                Ok(member) if !member.name.is_empty() && member.scalar().is_ok() => member,
                Err(Malformed::Leftover | Malformed::AttributeLength | Malformed::Overrun) => break,
                _ => return None,
            };
            methods.push(Method {
                kind: member.kind,
                name: until_nul(member.name).to_vec(),
                arguments: member.value.to_vec(),
            });
        }
        let id = self.new_type_id();
        let kind = ObjectType {
            objects: 0,
            methods,
        };
        self.types.insert(id, kind);
        Some(id)
    }

    fn release_type(&mut self, id: u32) {
        if let Some(kind) = self.types.get_mut(&id) {
            kind.objects -= 1;
            if kind.objects == 0 {
                self.types.remove(&id);
            }
        }
    }

    fn announce_object(&mut self, event: &[u8], id: u32, path: &[u8], out: &mut impl Outgoing) {
        let mut data = Writer::new();
        data.member(Type::Int32, b"id", &id.to_be_bytes());
        data.string(b"path", path);
        self.deliver_event(None, event, &data.into_bytes(), out);
    }
}
