//! The records of the ledger.
//!
//! ```text
//!  accepted  'a'  key u64, source u8, start?, job
//!  started   's'  key u64, start
//!  finished  'f'  key u64, outcome, reported?
//!  reported  'r'  key u64, age u32
//!  kept      'k'  key u64, source u8, about, outcome, reported?     a job that has ended
//!  ids       'i'  source u8, (key u64, age u32, expires u32, end u8, exit i32) …
//!  time      't'  age u32, floor u64
//!
//!  start     at u64, boot 16 bytes
//!  job       id, msg, type, timeout u64?, timestamp u64?, expires u64?, device?, detach u8, live u8, sig?
//!  about     id, type, command, started u64?, expires u32
//!  outcome   end u8 (0 processed, 1 rejected, 2 interrupted; + 16 undone), success u8, exit i32?, signal i32?, ms u64?, truncated u8, reason?, stdout, stderr
//! ```
//!
//! `x?` is a byte that is 1 if `x` follows. A text longer than its bound is cut when it is written. Ages are
//! seconds for which agents have run on this device, all of them together. Records of the first four kinds are appended as things happen; the others stand at the
//! beginning of a rewritten ledger.

use std::sync::Arc;
use std::time::Duration;

use super::codec::{Reader, Writer};
use super::id::{Id, Verdict};
use super::key::Key;
use super::seen::Ids;
use crate::jobs::message::{self, Job, Kind};
use crate::jobs::outcome::{End, Outcome};
use crate::jobs::source::Source;

/// Longest command of a job, and longest output of one stream, bytes.
const TEXT_MAX: usize = message::PAYLOAD_MAX;

/// Longest id, type, device or signature, bytes.
const NAME_MAX: usize = 256;

/// Longest reason and shown command, bytes.
const WORDS_MAX: usize = 4096;

/// The bit of an outcome's end that says that what the job changed was undone.
const UNDONE: u8 = 16;

/// Most ids in one record.
const IDS_MAX: usize = 1024;

const _: () = assert!(Record::IDS <= IDS_MAX, "a record is read back");

/// The start of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Seconds since the epoch by the clock of the device.
    pub at: u64,
    /// The kernel's id of the boot.
    pub boot: [u8; 16],
}

/// The part of a job that people are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    pub id: Arc<str>,
    pub type_name: String,
    /// The beginning of the command.
    pub command: String,
    /// Seconds since the epoch.
    pub started: Option<u64>,
    /// Seconds since the epoch before which the id of a signed job may not go; 0 for others.
    pub expires: u32,
}

/// A record. A whole ledger of them is in memory during a rewrite, so large fields lie elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    Accepted {
        key: Key,
        source: Source,
        start: Option<Start>,
        job: Box<Job>,
    },
    Started {
        key: Key,
        start: Start,
    },
    Finished {
        key: Key,
        outcome: Arc<Outcome>,
        reported: Option<u32>,
    },
    Reported {
        key: Key,
        age: u32,
    },
    Kept {
        key: Key,
        source: Source,
        about: Arc<About>,
        outcome: Arc<Outcome>,
        reported: Option<u32>,
    },
    Ids(Source, Ids),
    Time {
        age: u32,
        floor: u64,
    },
}

impl Record {
    /// Ids that are written in one [`Record::Ids`]: few, so that its bytes take little memory on their way.
    pub(super) const IDS: usize = IDS_MAX / 8;

    /// The bytes of the record.
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::default();
        match self {
            Record::Accepted {
                key,
                source,
                start,
                job,
            } => {
                to.u8(b'a').u64(key.0).u8(source.number());
                to.option(*start, write_start);
                write_job(&mut to, job);
            }
            Record::Started { key, start } => {
                to.u8(b's').u64(key.0);
                write_start(&mut to, *start);
            }
            Record::Finished {
                key,
                outcome,
                reported,
            } => {
                to.u8(b'f').u64(key.0);
                write_outcome(&mut to, outcome);
                to.option(*reported, |to, age| {
                    to.u32(age);
                });
            }
            Record::Reported { key, age } => {
                to.u8(b'r').u64(key.0).u32(*age);
            }
            Record::Kept {
                key,
                source,
                about,
                outcome,
                reported,
            } => {
                to.u8(b'k').u64(key.0).u8(source.number());
                write_about(&mut to, about);
                write_outcome(&mut to, outcome);
                to.option(*reported, |to, age| {
                    to.u32(age);
                });
            }
            Record::Ids(source, ids) => {
                to.u8(b'i').u8(source.number());
                for id in ids.iter() {
                    to.u64(id.key.0).u32(id.age).u32(id.expires);
                    to.u8(id.verdict.number()).u32(id.exit.cast_unsigned());
                }
            }
            Record::Time { age, floor } => {
                to.u8(b't').u32(*age).u64(*floor);
            }
        }
        to.0
    }

    /// Reads a record; `None` if no agent has written it. Every length in it is bounded.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        let record = match from.u8()? {
            b'a' => Record::Accepted {
                key: read_key(&mut from)?,
                source: Source::of_number(from.u8()?)?,
                start: from.option(read_start)?,
                job: Box::new(read_job(&mut from)?),
            },
            b's' => Record::Started {
                key: read_key(&mut from)?,
                start: read_start(&mut from)?,
            },
            b'f' => Record::Finished {
                key: read_key(&mut from)?,
                outcome: Arc::new(read_outcome(&mut from)?),
                reported: from.option(Reader::u32)?,
            },
            b'r' => Record::Reported {
                key: read_key(&mut from)?,
                age: from.u32()?,
            },
            b'k' => Record::Kept {
                key: read_key(&mut from)?,
                source: Source::of_number(from.u8()?)?,
                about: Arc::new(read_about(&mut from)?),
                outcome: Arc::new(read_outcome(&mut from)?),
                reported: from.option(Reader::u32)?,
            },
            b'i' => {
                let source = Source::of_number(from.u8()?)?;
                let mut room = IDS_MAX;
                let ids = Ids::read(|| match from.is_empty() {
                    true => None,
                    false => Some(room.checked_sub(1).and_then(|left| {
                        room = left;
                        read_id(&mut from)
                    })),
                })?;
                Record::Ids(source, ids)
            }
            b't' => Record::Time {
                age: from.u32()?,
                floor: from.u64()?,
            },
            _ => return None,
        };
        from.is_empty().then_some(record)
    }
}

const _: () = assert!(size_of::<Record>() <= 64);

fn read_key(from: &mut Reader<'_>) -> Option<Key> {
    from.u64().map(Key)
}

fn read_id(from: &mut Reader<'_>) -> Option<Id> {
    Some(Id {
        key: read_key(from)?,
        age: from.u32()?,
        expires: from.u32()?,
        verdict: Verdict::of_number(from.u8()?)?,
        exit: from.i32()?,
    })
}

fn write_start(to: &mut Writer, start: Start) {
    to.u64(start.at).0.extend_from_slice(&start.boot);
}

fn read_start(from: &mut Reader<'_>) -> Option<Start> {
    let at = from.u64()?;
    let (boot, rest) = from.0.split_first_chunk()?;
    from.0 = rest;
    Some(Start { at, boot: *boot })
}

fn write_job(to: &mut Writer, job: &Job) {
    to.text(&job.id, message::ID_MAX);
    to.text(&job.msg, TEXT_MAX).text(&job.type_name, NAME_MAX);
    for number in [
        job.timeout.map(|timeout| timeout.as_secs()),
        job.timestamp,
        job.expires,
    ] {
        to.option(number, |to, number| {
            to.u64(number);
        });
    }
    let text = |to: &mut Writer, text: &str| {
        to.text(text, NAME_MAX);
    };
    to.option(job.device.as_deref(), text);
    to.bool(job.detach).bool(job.live);
    to.option(job.sig.as_deref(), text);
}

fn read_job(from: &mut Reader<'_>) -> Option<Job> {
    let id = from.text(message::ID_MAX)?.to_owned();
    let msg = from.text(TEXT_MAX)?.to_owned();
    let type_name = from.text(NAME_MAX)?.to_owned();
    Some(Job {
        id,
        msg,
        kind: Kind::of(&type_name),
        type_name,
        timeout: from.option(Reader::seconds)?,
        timestamp: from.option(Reader::u64)?,
        expires: from.option(Reader::u64)?,
        device: from
            .option(|from| from.text(NAME_MAX))?
            .map(ToOwned::to_owned),
        detach: from.bool()?,
        live: from.bool()?,
        sig: from
            .option(|from| from.text(NAME_MAX))?
            .map(ToOwned::to_owned),
    })
}

fn write_about(to: &mut Writer, about: &About) {
    to.text(&about.id, message::ID_MAX)
        .text(&about.type_name, NAME_MAX)
        .text(&about.command, WORDS_MAX);
    to.option(about.started, |to, at| {
        to.u64(at);
    });
    to.u32(about.expires);
}

fn read_about(from: &mut Reader<'_>) -> Option<About> {
    Some(About {
        id: from.text(message::ID_MAX)?.into(),
        type_name: from.text(NAME_MAX)?.to_owned(),
        command: from.text(WORDS_MAX)?.to_owned(),
        started: from.option(Reader::u64)?,
        expires: from.u32()?,
    })
}

fn write_outcome(to: &mut Writer, outcome: &Outcome) {
    let end = match outcome.end {
        End::Processed => 0,
        End::Rejected => 1,
        End::Interrupted => 2,
    };
    to.u8(end | if outcome.rolled_back { UNDONE } else { 0 });
    to.bool(outcome.success);
    for code in [outcome.exit_code, outcome.signal] {
        to.option(code, |to, code| {
            to.u32(code.cast_unsigned());
        });
    }
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    to.option(outcome.duration.map(millis), |to, ms| {
        to.u64(ms);
    });
    to.bool(outcome.truncated);
    to.option(outcome.reason.as_deref(), |to, reason| {
        to.text(reason, WORDS_MAX);
    });
    to.text(&outcome.stdout, TEXT_MAX)
        .text(&outcome.stderr, TEXT_MAX);
}

/// Reads an outcome. Its type is that of the job, which is not repeated.
fn read_outcome(from: &mut Reader<'_>) -> Option<Outcome> {
    let end = from.u8()?;
    Some(Outcome {
        type_name: String::new(),
        rolled_back: end & UNDONE != 0,
        end: match end & !UNDONE {
            0 => End::Processed,
            1 => End::Rejected,
            2 => End::Interrupted,
            _ => return None,
        },
        success: from.bool()?,
        exit_code: from.option(Reader::i32)?,
        signal: from.option(Reader::i32)?,
        duration: from.option(Reader::u64)?.map(Duration::from_millis),
        truncated: from.bool()?,
        reason: from
            .option(|from| from.text(WORDS_MAX))?
            .map(ToOwned::to_owned),
        stdout: from.text(TEXT_MAX)?.to_owned(),
        stderr: from.text(TEXT_MAX)?.to_owned(),
    })
}
