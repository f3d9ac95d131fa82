//! The table's records on a disk.
//!
//! A record is one or more records of the log: each begins with a byte that is 1 if the next one goes on
//! with the same record.
//!
//! ```text
//!  jobs  ─► mark │ 0 record │ 1 first part │ 1 next part │ 0 last part │ 0 record …
//! ```
//!
//! A kill may leave the first parts of a record alone at the end. The next agent writes a 0 without bytes behind them,
//! with its first batch: what follows is no part of them.

#[cfg(test)]
mod tests;

use std::io;

use durable::{Disk, Log, PAYLOAD_MAX};

use crate::jobs::message;
use crate::jobs::table::{Batch, Key, Record};

/// Name of the log.
pub(super) const FILE: &str = "jobs";

/// Longest record, bytes: a job of the longest command, or an outcome of two streams.
const RECORD_MAX: usize = 2 * message::PAYLOAD_MAX + (64 << 10);

/// A log longer than this is rewritten when it has doubled, bytes.
const SMALL: u64 = 128 << 10;

/// Stands behind parts of a record whose last one was never written.
const END_OF_PARTS: &[u8] = &[0];

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
    /// It ends with parts of a record.
    has_parts: bool,
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
            if payload == END_OF_PARTS {
                part = None;
                return;
            }
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
            has_parts: part.is_some(),
            unsynced: false,
        };
        Ok((store, found))
    }

    /// Writes a batch and, if it `syncs`, waits until it is certain, should anything wait for that.
    ///
    /// # Errors
    ///
    /// A disk that does not take it or does not sync: then nothing of a job that is refused for that is left for the
    /// next agent to find.
    pub fn write(&mut self, batch: &Batch, syncs: bool) -> io::Result<()> {
        let mut records = batch.records.as_slice();
        if batch.replaces {
            // A rewrite that fails may be in place all the same, and nothing in it can be taken back: new jobs and starts
            // are no part of it.
            let (certain, new) = records.split_at(records.len().saturating_sub(batch.uncertain));
            self.replace(certain)?;
            if new.is_empty() {
                return Ok(());
            }
            records = new;
        }
        let before = (self.log.mark(), self.has_parts);
        if let Err(error) = self.append(&mut records.iter()) {
            self.keep_outcomes(batch);
            if syncs {
                // The first error is the one to tell.
                let _ = self.log.sync(&mut self.disk);
            }
            return Err(error);
        }
        self.unsynced |= batch.urgent;
        if !syncs || !self.unsynced {
            return Ok(());
        }
        if let Err(error) = self.log.sync(&mut self.disk) {
            self.log.go_back(&mut self.disk, before.0);
            self.has_parts = before.1;
            self.keep_outcomes(batch);
            return Err(error);
        }
        self.unsynced = false;
        Ok(())
    }

    /// Puts these in the place of all records.
    fn replace(&mut self, records: &[Record]) -> io::Result<()> {
        let mut parts = records.iter().flat_map(parts);
        self.log.replace(&mut self.disk, &mut parts)?;
        self.whole = self.log.size();
        (self.has_parts, self.unsynced) = (false, false);
        Ok(())
    }

    /// Appends the outcomes of a batch that failed, as far as the disk takes them: they are published all the same, and
    /// without them the next agent says that their jobs were interrupted.
    fn keep_outcomes(&mut self, batch: &Batch) {
        if batch.replaces {
            // A rewrite has them among the records that are certain.
            return;
        }
        let refused = batch.records.iter().filter_map(|record| match record {
            Record::Accepted { key, .. } => Some(*key),
            _ => None,
        });
        let refused: Vec<Key> = refused.collect();
        for record in &batch.records {
            match record {
                Record::Accepted { .. } | Record::Started { .. } => {}
                // Cancelled before it was accepted: alone, its outcome would use up its id.
                Record::Finished { key, .. } if refused.contains(key) => {}
                record => {
                    let _ = self.append(&mut std::iter::once(record));
                }
            }
        }
    }

    /// All of these or none.
    fn append(&mut self, records: &mut dyn Iterator<Item = &Record>) -> io::Result<()> {
        let end = self.has_parts.then(|| END_OF_PARTS.to_vec());
        let mut parts = end.into_iter().chain(records.flat_map(parts));
        self.log.append_all(&mut self.disk, &mut parts)?;
        self.has_parts = false;
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
