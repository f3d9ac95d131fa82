//! Requests under way: numbered, matched to their answers, each with a deadline.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::watch::Step;
use super::{Token, MAX_OBJECTS, MAX_REPLY};
use crate::blob::Writer;
use crate::message::{attr, Attributes, Frame, Kind, HEADER};
use crate::object::ObjectInfo;
use crate::ordered::Set;

/// A user's call, from the look-up of its object to its last DATA.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) token: Token,
    pub(super) path: String,
    pub(super) method: String,
    pub(super) args: Bytes,
    pub(super) timeout: Duration,
    pub(super) until: Instant,
    /// The remembered object id under which the object was not found any more.
    pub(super) stale: Option<u32>,
    pub(super) collected: Vec<Bytes>,
    pub(super) bytes: usize,
}

/// The parts of a call that its INVOKE needs.
pub(super) struct CallFrame {
    method: String,
    args: Bytes,
}

impl CallFrame {
    /// DATA has to be there even if empty: many callees refuse the call otherwise.
    pub(super) fn frame(&self, seq: u16, id: u32) -> Frame {
        let attributes = Writer::new()
            .word(attr::OBJID, id)
            .text(attr::METHOD, self.method.as_bytes())
            .nested(attr::DATA, &self.args);
        Frame::new(Kind::Invoke, seq, id, attributes)
    }
}

impl Call {
    pub(super) fn clone_for_frame(&self) -> CallFrame {
        CallFrame {
            method: self.method.clone(),
            args: self.args.clone(),
        }
    }

    pub(super) fn frame(&self, seq: u16, id: u32) -> Frame {
        self.clone_for_frame().frame(seq, id)
    }
}

/// A call whose object is being looked up.
#[derive(Debug)]
pub(super) struct Resolve {
    pub(super) call: Call,
    pub(super) id: Option<u32>,
}

/// The purpose of a request.
#[derive(Debug)]
pub(super) enum Pending {
    Call(Call),
    Resolve(Resolve),
    Lookup {
        token: Token,
        found: Vec<ObjectInfo>,
    },
    Register {
        token: Token,
        id: Option<u32>,
    },
    Remove,
    Watch(Step),
}

#[derive(Debug)]
struct Entry {
    /// The answer has to carry it too.
    peer: u32,
    pending: Pending,
    timeout: Duration,
    until: Instant,
}

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct Requests {
    seq: u16,
    entries: HashMap<u16, Entry>,
    deadlines: Set<(Instant, u16)>,
    of_users: usize,
}

impl Pending {
    /// A caller waits for it; the rest are our own requests to the daemon.
    pub(super) fn is_of_a_caller(&self) -> bool {
        matches!(
            self,
            Pending::Call(_) | Pending::Resolve(_) | Pending::Lookup { .. }
        )
    }
}

impl Requests {
    /// A number that no request under way has; counts on over reconnects, as libubus does.
    pub(super) fn next_seq(&mut self) -> u16 {
        // There are far fewer requests under way than numbers.
        loop {
            self.seq = self.seq.wrapping_add(1);
            if self.seq != 0 && !self.entries.contains_key(&self.seq) {
                return self.seq;
            }
        }
    }

    pub(super) fn add(
        &mut self,
        peer: u32,
        pending: Pending,
        timeout: Duration,
        until: Instant,
    ) -> u16 {
        let seq = self.next_seq();
        self.of_users += usize::from(pending.is_of_a_caller());
        self.deadlines.insert((until, seq), ());
        self.entries.insert(
            seq,
            Entry {
                peer,
                pending,
                timeout,
                until,
            },
        );
        seq
    }

    pub(super) fn of_users(&self) -> usize {
        self.of_users
    }

    pub(super) fn under_way(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadlines.keys().next().map(|(until, _)| *until)
    }

    /// Takes out one request whose time is up, with the time it had.
    pub(super) fn expired(&mut self, now: Instant) -> Option<(Pending, Duration)> {
        let (until, seq) = *self.deadlines.keys().next()?;
        if until > now {
            return None;
        }
        self.remove(seq).map(|entry| (entry.pending, entry.timeout))
    }

    fn remove(&mut self, seq: u16) -> Option<Entry> {
        let entry = self.entries.remove(&seq)?;
        self.deadlines.remove(&(entry.until, seq));
        self.of_users -= usize::from(entry.pending.is_of_a_caller());
        Some(entry)
    }

    /// Takes out the request that `frame` ends. Answers nobody waits for (any more) are nobody's.
    pub(super) fn take(&mut self, frame: &Frame) -> Option<Pending> {
        let entry = self.entries.get(&frame.seq)?;
        if entry.peer != frame.peer {
            return None;
        }
        self.remove(frame.seq).map(|entry| entry.pending)
    }

    /// Keeps what a DATA brings for the request it belongs to.
    pub(super) fn collect(&mut self, frame: &Frame, reply: &Attributes) {
        let Some(entry) = self.entries.get_mut(&frame.seq) else {
            return;
        };
        if entry.peer != frame.peer {
            return;
        }
        match &mut entry.pending {
            Pending::Call(call) => {
                if let Some(data) = &reply.data {
                    // The data is a part of its frame, all of which stays in memory.
                    let bytes = HEADER + frame.blob_len();
                    call.bytes = call.bytes.saturating_add(bytes);
                    if call.bytes <= MAX_REPLY {
                        call.collected.push(data.clone());
                    } else {
                        // Over the bound the call fails when it ends; what it brought is let go.
                        call.collected.clear();
                    }
                }
            }
            Pending::Resolve(resolve) => {
                // A look-up by path brings one; a path with a star in it may bring more.
                let same = reply.objpath.as_deref() == Some(resolve.call.path.as_bytes());
                if same {
                    resolve.id = reply.objid.or(resolve.id);
                }
            }
            Pending::Lookup { found, .. } | Pending::Watch(Step::Find { found, .. }) => {
                if found.len() < MAX_OBJECTS {
                    found.extend(ObjectInfo::from_reply(reply));
                }
            }
            Pending::Register { id, .. }
            | Pending::Watch(Step::Listener { id } | Step::Subscriber { id, .. }) => {
                *id = reply.objid.or(*id);
            }
            Pending::Remove | Pending::Watch(_) => {}
        }
    }

    /// Takes everything out.
    pub(super) fn drain(&mut self) -> Vec<Pending> {
        self.deadlines.clear();
        self.of_users = 0;
        self.entries
            .drain()
            .map(|(_, entry)| entry.pending)
            .collect()
    }
}
