//! Reading lines back from a store.

use std::io;

use durable::Disk;

use super::Store;
use crate::deflate::Unpacker;
use crate::record::Head;
use crate::Handling;

/// In the record of crashes, the reading of a report.
const REPORT: &str = "report";

/// The place in a segment up to which lines were read.
#[derive(Debug)]
pub(super) struct Reader {
    ordinal: u64,
    next: usize,
    unpacker: Unpacker,
}

impl Reader {
    /// The line of the report that follows.
    pub(super) fn unpack(&mut self, head: &Head, packed: &[u8]) -> io::Result<Vec<u8>> {
        self.unpacker.unpack(packed, head.plain as usize, head.crc)
    }
}

/// Does a report that could not be read differ from what was written? Else its disk does not read.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound
    )
}

impl<D: Disk> Store<D> {
    /// Notes that a report is handled. One that has ended the agent too often counts as damaged.
    pub(crate) fn handle(&self, segment: usize, entry: usize) -> io::Result<Handling> {
        let segment = &self.segments[segment];
        let what = format!("{} {}", segment.name, segment.entries[entry].head.seq);
        let handling = self.crashes.handle(REPORT, what.as_bytes());
        handling.map_err(|skipped| {
            log::debug!("spool: report {what}: {skipped}");
            io::Error::new(io::ErrorKind::InvalidData, skipped)
        })
    }

    /// The deflate of a report.
    pub(crate) fn packed(&mut self, segment: usize, entry: usize) -> io::Result<Vec<u8>> {
        let _handling = self.handle(segment, entry)?;
        let segment = &self.segments[segment];
        segment.entries[entry].read(&mut self.disk, &segment.name.to_string())
    }

    /// The line of a report, with its end. Fast for one after the other.
    pub(crate) fn line(&mut self, segment: usize, entry: usize) -> io::Result<Vec<u8>> {
        let ordinal = self.segments[segment].name.ordinal;
        let reader = self.reader.take();
        let mut reader = reader
            .filter(|reader| reader.ordinal == ordinal && reader.next <= entry)
            .unwrap_or_else(|| Reader {
                ordinal,
                next: 0,
                unpacker: Unpacker::new(),
            });
        loop {
            let _handling = self.handle(segment, reader.next)?;
            let packed = self.packed(segment, reader.next)?;
            let head = self.segments[segment].entries[reader.next].head;
            let line = reader.unpack(&head, &packed)?;
            reader.next += 1;
            if reader.next > entry {
                self.reader = Some(reader);
                return Ok(line);
            }
        }
    }

    /// Forgets the place up to which lines were read, and the memory for it.
    pub(crate) fn end_reading(&mut self) {
        self.reader = None;
    }
}
