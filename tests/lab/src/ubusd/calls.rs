//! INVOKE and its replies; the daemon keeps no record of calls under way.

use ubus::blob::Writer;
use ubus::blobmsg::{Type, Value};
use ubus::message::{attr, system_object, Kind};
use ubus::Status;

use super::acl::Action;
use super::bus::{Answer, Bus};
use super::message::{Message, Outgoing};
use super::request::Request;

impl Bus {
    pub(super) fn invoke(
        &mut self,
        client: u32,
        message: Message,
        request: &Request,
        out: &mut impl Outgoing,
    ) -> Result<Answer, Status> {
        let (Some(id), Some(method)) = (request.object, &request.method) else {
            return Err(Status::INVALID_ARGUMENT);
        };
        let object = self.objects.get(&id).ok_or(Status::NOT_FOUND)?;
        if let Some(path) = &object.path {
            if !self.allows(client, path, Action::Access(method)) {
                return Err(Status::PERMISSION_DENIED);
            }
        }
        let data = request.data.as_deref();
        let Some(owner) = object.owner else {
            return match id {
                system_object::EVENT => self.call_events(client, method, data, out),
                system_object::ACL => self.call_acl(client, &message, method, out),
                _ => self.call_monitor(client, method),
            };
        };
        let mut call = Message::new(
            Kind::Invoke,
            message.frame.seq,
            client,
            self.forwarded(client, Writer::new(), id, method, data),
        );
        call.fd = message.fd;
        self.send(out, owner, call);
        Ok(Answer::Silent)
    }

    /// The attributes of a request on its way to a service: what the caller sent, put in order, and
    /// who the caller is.
    pub(super) fn forwarded(
        &self,
        client: u32,
        attributes: Writer,
        object: u32,
        method: &[u8],
        data: Option<&[u8]>,
    ) -> Writer {
        let mut attributes = attributes
            .word(attr::OBJID, object)
            .text(attr::METHOD, method);
        if let Some(state) = self.clients.get(&client) {
            attributes = attributes
                .text(attr::USER, state.credentials.user.as_bytes())
                .text(attr::GROUP, state.credentials.group.as_bytes());
        }
        match data {
            Some(data) => attributes.nested(attr::DATA, data),
            None => attributes,
        }
    }

    /// Hands a service's DATA or STATUS on, as it is, to the client it is addressed to. What is not
    /// from the object's owner, or for nobody, or lacks its attribute, is dropped.
    pub(super) fn relay(
        &mut self,
        client: u32,
        mut message: Message,
        request: &Request,
        out: &mut impl Outgoing,
    ) {
        let complete = if message.frame.kind == Kind::Status as u8 {
            request.status.is_some()
        } else {
            request.data.is_some()
        };
        let Some(object) = request.object.filter(|_| complete) else {
            return;
        };
        let owned = self.owned(client, object, Status::PERMISSION_DENIED);
        let receiver = message.frame.peer;
        if owned.is_ok() && self.clients.contains_key(&receiver) {
            message.frame.peer = object;
            self.send(out, receiver, message);
        }
    }

    /// Object 2: what the access lists hold for the caller's own objects.
    fn call_acl(
        &mut self,
        client: u32,
        message: &Message,
        method: &[u8],
        out: &mut impl Outgoing,
    ) -> Result<Answer, Status> {
        if method != b"query" {
            return Err(Status::INVALID_COMMAND);
        }
        let objects = self.clients.get(&client).map(|state| &state.objects);
        let entries = objects
            .into_iter()
            .flatten()
            .rev()
            .filter_map(|id| self.objects.get(id)?.path.as_deref())
            .flat_map(|path| self.acl.private(path))
            .collect();
        let mut data = Writer::new();
        data.member(Type::Int32, b"seq", &self.acl_sequence.to_be_bytes());
        Value::Array(entries).write(b"acl", &mut data);
        let attributes = Writer::new()
            .word(attr::OBJID, system_object::ACL)
            .nested(attr::DATA, &data.into_bytes());
        let (seq, peer) = (message.frame.seq, message.frame.peer);
        self.send(out, client, Message::new(Kind::Data, seq, peer, attributes));
        Ok(Answer::Status(Status::OK))
    }
}
