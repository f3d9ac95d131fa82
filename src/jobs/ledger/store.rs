//! The table's records on a disk.
//!
//! A record is one or more records of the log: each begins with a byte that is 1 if the next one goes on
//! with the same record.
//!
//! ```text
//!  jobs  ─► mark │ 0 record │ 1 first part │ 1 next part │ 0 last part │ 0 record …
//! ```

use std::io;

use durable::{Disk, Log, PAYLOAD_MAX};

use crate::jobs::message;
use crate::jobs::table::{Batch, Record};

/// Name of the log.
pub(super) const FILE: &str = "jobs";

/// Longest record, bytes: a job of the longest command, or an outcome of two streams.
const RECORD_MAX: usize = 2 * message::PAYLOAD_MAX + (64 << 10);

/// A log longer than this is rewritten when it has doubled, bytes.
const SMALL: u64 = 128 << 10;

/// The records that were found.
#[derive(Debug, Default)]
pub struct Found {
    pub records: Vec<Record>,
    /// Records that could not be read.
    pub damaged: u64,
}

/// The part of the log that is out of date.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Growth {
    #[default]
    Little,
    /// The log is rewritten when no job has to wait for it.
    Most,
    /// It is rewritten now.
    TooMuch,
}

/// The log of the table on a disk.
#[derive(Debug)]
pub struct Store<D> {
    disk: D,
    log: Log,
    /// Bytes after the log was last written as a whole.
    whole: u64,
    unsynced: bool,
}

impl<D: Disk> Store<D> {
    /// Opens the log and reads what is in it. What this returns survives a power cut.
    ///
    /// # Errors
    ///
    /// A disk that does not read or does not sync.
    pub fn open(mut disk: D) -> io::Result<(Self, Found)> {
        let mut found = Found::default();
        let mut part: Option<(u64, Vec<u8>)> = None;
        let mut visit = |sequence: u64, payload: &[u8]| {
            let Some((more, bytes)) = payload.split_first() else {
                return;
            };
            // A part whose beginning is lost is lost with it.
            let mut whole = match part.take() {
                Some((before, begun)) if before + 1 == sequence => begun,
                Some(_) => {
                    found.damaged += 1;
                    Vec::new()
                }
                None => Vec::new(),
            };
            whole.extend_from_slice(bytes);
            match more {
                1 if whole.len() <= RECORD_MAX => part = Some((sequence, whole)),
                0 => match Record::decode(&whole) {
                    Some(record) => found.records.push(record),
                    None => found.damaged += 1,
                },
                _ => found.damaged += 1,
            }
        };
        let (mut log, _) = Log::open(&mut disk, FILE, &mut visit)?;
        log.sync(&mut disk)?;
        let whole = log.size();
        let store = Store {
            disk,
            log,
            whole,
            unsynced: false,
        };
        Ok((store, found))
    }

    /// Writes a batch. It is certain after the next [`Store::sync`].
    ///
    /// # Errors
    ///
    /// A disk that does not take it: some of its records may be there.
    pub fn write(&mut self, batch: &Batch) -> io::Result<()> {
        let mut parts = batch.records.iter().flat_map(parts);
        if batch.replaces {
            self.log.replace(&mut self.disk, &mut parts)?;
            self.whole = self.log.size();
            self.unsynced = false;
            return Ok(());
        }
        for part in parts {
            self.log.append(&mut self.disk, &part)?;
        }
        self.unsynced |= batch.urgent;
        Ok(())
    }

    /// Waits until what was written is certain, if anything waits for that.
    ///
    /// # Errors
    ///
    /// A disk that does not sync.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.unsynced {
            self.log.sync(&mut self.disk)?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// The part of the log that is out of date.
    pub fn growth(&self) -> Growth {
        let most = SMALL.max(2 * self.whole);
        match self.log.size() {
            size if size > most + most / 2 => Growth::TooMuch,
            size if size > most => Growth::Most,
            _ => Growth::Little,
        }
    }

    /// The disk, for a test that goes on with it.
    pub fn into_disk(self) -> D {
        self.disk
    }
}

/// The records of the log that make up a record.
fn parts(record: &Record) -> Vec<Vec<u8>> {
    let mut bytes = record.encode();
    if bytes.len() < PAYLOAD_MAX {
        bytes.insert(0, 0);
        return vec![bytes];
    }
    let mut pieces = bytes.chunks(PAYLOAD_MAX - 1).peekable();
    let mut parts = Vec::new();
    while let Some(piece) = pieces.next() {
        let more = u8::from(pieces.peek().is_some());
        parts.push([&[more], piece].concat());
    }
    parts
}
