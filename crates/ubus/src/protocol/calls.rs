//! Calls and look-ups: from what a user wants to the frames that ask for it, and back.

use std::time::{Duration, Instant};

use super::requests::{Call, Pending, Resolve};
use super::{Answer, Link, Output, Protocol, Token, DAEMON_TIMEOUT, MAX_REPLY, MAX_REQUESTS};
use crate::blob::{Writer, MAX_BLOB};
use crate::blobmsg::Type;
use crate::error::{Error, Status};
use crate::message::{system_object, FORWARD_RESERVE};

/// Object ids remembered by path.
pub(super) const MAX_PATHS: usize = 1024;

impl Protocol {
    /// Calls a method; the answer is [`Answer::Data`].
    pub fn call(
        &mut self,
        token: Token,
        path: &str,
        method: &str,
        data: Vec<u8>,
        timeout: Duration,
        now: Instant,
    ) {
        let call = Call {
            token,
            path: path.to_owned(),
            method: method.to_owned(),
            args: data.into(),
            timeout,
            until: now + timeout,
            stale: None,
            collected: Vec::new(),
            bytes: 0,
        };
        if let Err(error) = self.ready(&call) {
            self.outputs.push_back(Output::Answer(token, Err(error)));
            return;
        }
        match self.paths.get(path) {
            Some(id) => {
                let id = *id;
                self.invoke(call, id);
            }
            None => self.resolve(call),
        }
    }

    /// Sends an event to its listeners; `data` are the members of its table. Answered with
    /// [`Answer::Data`] when the daemon took it.
    pub fn send_event(&mut self, token: Token, name: &str, data: &[u8], now: Instant) {
        let mut args = Writer::new();
        args.string(b"id", name.as_bytes());
        args.member(Type::Table, b"data", data);
        let call = Call {
            token,
            path: String::new(),
            method: "send".to_owned(),
            args: args.into_bytes().into(),
            timeout: DAEMON_TIMEOUT,
            until: now + DAEMON_TIMEOUT,
            stale: None,
            collected: Vec::new(),
            bytes: 0,
        };
        match self.ready(&call) {
            Ok(()) => self.invoke(call, system_object::EVENT),
            Err(error) => self.done(token, Err(error)),
        }
    }

    /// Looks objects up: all, one path, or a prefix ending in `*`. If nothing matches the status is
    /// "not found"; an empty list means that what matches is hidden from us.
    pub fn lookup(&mut self, token: Token, pattern: &str, timeout: Duration, now: Instant) {
        if let Err(error) = self.up() {
            self.outputs.push_back(Output::Answer(token, Err(error)));
            return;
        }
        let pending = Pending::Lookup {
            token,
            found: Vec::new(),
        };
        self.ask_lookup(pattern, pending, timeout, now + timeout);
    }

    pub(super) fn up(&self) -> Result<(), Error> {
        match self.link {
            Link::Up if self.requests.of_users() >= MAX_REQUESTS => Err(Error::Busy),
            Link::Up => Ok(()),
            _ => Err(Error::Disconnected),
        }
    }

    pub(super) fn ready(&self, call: &Call) -> Result<(), Error> {
        self.up()?;
        let size = call.frame(0, 0).blob_len();
        if size + FORWARD_RESERVE > MAX_BLOB {
            return Err(Error::TooLarge(size));
        }
        Ok(())
    }

    pub(super) fn resolve(&mut self, call: Call) {
        let (path, timeout, until) = (call.path.clone(), call.timeout, call.until);
        let pending = Pending::Resolve(Resolve { call, id: None });
        self.ask_lookup(&path, pending, timeout, until);
    }

    pub(super) fn invoke(&mut self, call: Call, id: u32) {
        let frame_of = call.clone_for_frame();
        let (timeout, until) = (call.timeout, call.until);
        let seq = self.requests.add(id, Pending::Call(call), timeout, until);
        self.outputs
            .push_back(Output::Send(frame_of.frame(seq, id)));
    }

    pub(super) fn call_ended(&mut self, mut call: Call, status: Status) {
        if status == Status::NOT_FOUND && call.stale.is_none() && call.collected.is_empty() {
            // Either the callee says so, or the id we remembered is gone: look again, once.
            if let Some(id) = self.paths.remove(&call.path) {
                call.stale = Some(id);
                self.resolve(call);
                return;
            }
        }
        let result = if call.bytes > MAX_REPLY {
            Err(Error::TooLarge(call.bytes))
        } else {
            Ok(Answer::Data(call.collected, status))
        };
        self.done(call.token, result);
    }

    /// A look-up for the path of a call ended.
    pub(super) fn resolved(&mut self, resolve: Resolve, status: Status) {
        let Resolve { call, id } = resolve;
        match id {
            Some(id) => {
                if self.paths.len() >= MAX_PATHS {
                    self.paths.clear();
                }
                self.paths.insert(call.path.clone(), id);
                if call.stale == Some(id) {
                    // The same object as before: it was the callee that said so.
                    let answer = Answer::Data(Vec::new(), Status::NOT_FOUND);
                    self.done(call.token, Ok(answer));
                } else {
                    self.invoke(call, id);
                }
            }
            // Hidden from us (no error, no object) counts as missing.
            None if status == Status::OK => {
                self.done(call.token, Err(Error::Status(Status::NOT_FOUND)))
            }
            None => self.done(call.token, Err(Error::Status(status))),
        }
    }
}
