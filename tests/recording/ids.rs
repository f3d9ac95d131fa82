//! Ids are random: which of today's stand for the recorded ones.

use std::collections::BTreeMap;

use ubus::blob::{padded, Attrs, WORD};
use ubus::blobmsg::{Members, Type};
use ubus::message::{attr, Kind, HEADER};

use super::Direction;

/// Bytes in front of a frame's attributes.
pub(crate) const HEAD: usize = HEADER + WORD;

/// Ids of the recording and those that stand for them now, one to one.
#[derive(Default)]
pub(crate) struct Ids {
    now: BTreeMap<u32, u32>,
    recorded: BTreeMap<u32, u32>,
    /// The lead of the daemon's counter of events over the recorded one.
    events_ahead: Option<u16>,
}

impl Ids {
    /// Puts today's ids into a frame that a client sent.
    pub(crate) fn translate(&mut self, frame: &mut [u8]) {
        let places = Places::of(frame, Direction::Sent);
        for at in places.ids {
            let now = self.said(word(frame, at));
            frame[at..at + 4].copy_from_slice(&now.to_be_bytes());
        }
        if let (Some(at), Some(ahead)) = (places.event_seq, self.events_ahead) {
            let now = short(frame, at).wrapping_add(ahead);
            frame[at..at + 2].copy_from_slice(&now.to_be_bytes());
        }
    }

    /// Puts today's ids into a recorded frame from the daemon; those it names for the first time are
    /// learned from `came`, which should be the same frame.
    pub(crate) fn put_in(&mut self, expected: &mut [u8], came: &[u8]) -> Result<(), String> {
        if came.len() != expected.len() {
            return Ok(());
        }
        let places = Places::of(expected, Direction::Received);
        for at in places.ids {
            let (recorded, now) = (word(expected, at), word(came, at));
            if !self.heard(recorded, now) {
                return Err(format!("id {recorded:x} is now {now:x}"));
            }
            expected[at..at + 4].copy_from_slice(&now.to_be_bytes());
        }
        if let Some(at) = places.event_seq {
            let recorded = short(expected, at);
            let first = short(came, at).wrapping_sub(recorded);
            let ahead = *self.events_ahead.get_or_insert(first);
            let now = recorded.wrapping_add(ahead);
            expected[at..at + 2].copy_from_slice(&now.to_be_bytes());
        }
        Ok(())
    }

    /// A restarted daemon counts its events from zero.
    pub(crate) fn forget_events(&mut self) {
        self.events_ahead = None;
    }

    /// An id that a client makes up is the same now.
    fn said(&mut self, recorded: u32) -> u32 {
        let now = *self.now.entry(recorded).or_insert(recorded);
        self.recorded.entry(now).or_insert(recorded);
        now
    }

    /// An id that comes from the daemon for the first time is random.
    pub(crate) fn heard(&mut self, recorded: u32, now: u32) -> bool {
        *self.now.entry(recorded).or_insert(now) == now
            && *self.recorded.entry(now).or_insert(recorded) == recorded
    }
}

/// Where in a frame something stands that differs from run to run.
#[derive(Default)]
struct Places {
    ids: Vec<usize>,
    event_seq: Option<usize>,
}

impl Places {
    fn of(frame: &[u8], direction: Direction) -> Self {
        let mut places = Places::default();
        if frame.len() < HEAD {
            return places;
        }
        places.ids.push(4);
        let no_peer = frame[4..HEADER] == [0; 4];
        match (Kind::from_id(frame[1]), direction) {
            (Some(Kind::Monitor), _) => return places.monitored(frame),
            (Some(Kind::Invoke), Direction::Received) if no_peer => places.event_seq = Some(2),
            // The listeners' answers to events.
            (Some(Kind::Status | Kind::Data), Direction::Sent) if no_peer => {
                places.event_seq = Some(2);
            }
            _ => {}
        }
        places.attributes(frame, HEAD, frame.len());
        places
    }

    fn attributes(&mut self, frame: &[u8], start: usize, end: usize) {
        for (id, at, len) in attributes(frame, start, end) {
            match id {
                attr::OBJID | attr::OBJTYPE | attr::TARGET if len == 4 => self.ids.push(at),
                attr::SUBSCRIBERS => {
                    let children = attributes(frame, at, at + len);
                    self.ids.extend(children.into_iter().map(|(_, at, _)| at));
                }
                attr::DATA => self.members(frame, at, at + len),
                _ => {}
            }
        }
    }

    /// Objects are also named in the arguments of events and of their registration.
    fn members(&mut self, frame: &[u8], start: usize, end: usize) {
        for (member, (_, at, len)) in Members::new(&frame[start..end])
            .map_while(Result::ok)
            .zip(attributes(frame, start, end))
        {
            let named = member.name == b"id" || member.name == b"object";
            if named && member.kind == Type::Int32 {
                self.ids.push(at + len - 4);
            }
        }
    }

    /// CLIENT 0, PEER 1, SEND 2, SEQ 3, TYPE 4, DATA 5: the message that was observed.
    fn monitored(mut self, frame: &[u8]) -> Self {
        let (mut invoke, mut no_peer, mut seq) = (false, false, 0);
        for (id, at, len) in attributes(frame, HEAD, frame.len()) {
            match id {
                0 => self.ids.push(at),
                1 => {
                    self.ids.push(at);
                    no_peer = frame[at..at + 4] == [0; 4];
                }
                3 => seq = at + 2,
                4 => invoke = frame[at + 3] == Kind::Invoke as u8,
                5 => self.attributes(frame, at, at + len),
                _ => {}
            }
        }
        self.event_seq = (invoke && no_peer).then_some(seq);
        self
    }
}

/// Id, start and length of the attributes' payloads, up to one that does not hold together.
pub(crate) fn attributes(frame: &[u8], start: usize, end: usize) -> Vec<(u8, usize, usize)> {
    let mut at = start;
    Attrs::new(&frame[start..end])
        .map_while(Result::ok)
        .map(|attr| {
            let here = (attr.id, at + WORD, attr.payload.len());
            at += padded(WORD + attr.payload.len());
            here
        })
        .collect()
}

pub(crate) fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn short(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(bytes[at..at + 2].try_into().unwrap())
}
