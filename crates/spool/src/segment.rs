//! A file of a store, with the parts of its records that stay in memory.

use std::io;

use durable::{Disk, Log, HEAD};

use super::gap::{Gap, Gaps};
use super::name::Name;
use super::notes::{Anchor, Notes};
use super::record::{self, Head, Record, LINE_MAX, NUMBER_MAX, PART, REPORT_HEAD};

/// Bytes of the longest deflate: that of a line that cannot be packed is a little longer than the line.
const PACKED_MAX: u32 = LINE_MAX + LINE_MAX / 8;

/// More reports than a boot can have taken when the file that counted them is set aside.
const SEQS_SKIPPED: u64 = 1 << 32;

/// A report in a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) head: Head,
    /// Where the payload of its first record begins in the file.
    pub(crate) offset: u32,
    /// Bytes of its deflate.
    pub(crate) packed: u32,
    /// CRC-32 of its deflate.
    pub(crate) packed_crc: u32,
    /// The report arrived, or the queue does without it: it is there only because others need its bytes.
    pub(crate) gone: bool,
}

impl Entry {
    /// Reads its deflate.
    ///
    /// # Errors
    ///
    /// A disk that does not read, or other bytes than were written.
    pub(crate) fn read(&self, disk: &mut dyn Disk, file: &str) -> io::Result<Vec<u8>> {
        let mut packed = vec![0; self.packed as usize];
        let mut at = u64::from(self.offset);
        let mut rest = &mut packed[..];
        while !rest.is_empty() {
            // All records of a report but the last are full parts.
            let is_last = rest.len() <= PART;
            let len = rest.len().min(PART);
            let head = if is_last { REPORT_HEAD } else { 1 };
            let (piece, behind) = rest.split_at_mut(len);
            if disk.read(file, at + head as u64, piece)? < len {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            at += (head + len + HEAD) as u64;
            rest = behind;
        }
        match crc32fast::hash(&packed) == self.packed_crc {
            true => Ok(packed),
            false => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "is not what was written",
            )),
        }
    }

    /// Bytes it takes up in its file.
    pub(crate) fn size(&self) -> u64 {
        let parts = (self.packed as usize).saturating_sub(1) / PART;
        (self.packed as usize + REPORT_HEAD + HEAD + parts * (HEAD + 1)) as u64
    }
}

/// A file of a store.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) name: Name,
    pub(crate) log: Log,
    pub(crate) entries: Vec<Entry>,
    /// Losses, by id. Those up to the declared one are history.
    pub(crate) lost: Vec<(u64, Gap)>,
    pub(crate) notes: Notes,
    /// True if the segment has bytes that may not be on the medium.
    pub(crate) dirty: bool,
    /// It waits to be rewritten: a report behind what it has could not be read again.
    pub(crate) sealed: bool,
}

/// The faults of a segment, found when it was opened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Harm {
    /// Reports that are damaged, exactly, if no more than their records are.
    pub(crate) damaged: u64,
    /// The file ends with a part of a record: somebody was cut off in the middle of an append.
    pub(crate) torn: bool,
    /// The file has to be rewritten before anything is read from it by its place.
    pub(crate) misplaced: bool,
    /// The segment has ended the agent too often and its file is set aside. The count of its reports is unknown: its
    /// neighbours tell which seqs it had, but only the file itself tells which of them were delivered or
    /// thinned.
    pub(crate) set_aside: bool,
    /// Losses whose ids cannot be ours.
    pub(crate) stray: Gaps,
}

impl Harm {
    pub(crate) fn is_none(&self) -> bool {
        !self.torn && !self.misplaced && self.damaged == 0
    }
}

impl Segment {
    /// Reads the records of a file.
    pub(crate) fn open(disk: &mut dyn Disk, name: Name) -> io::Result<(Self, Harm)> {
        let mut reading = Look::default();
        let (log, opened) = Log::open(disk, name.to_string(), &mut |number, payload| {
            reading.take(number, payload)
        })?;
        let whole = reading.at == log.size() && !reading.broken;
        let harm = Harm {
            damaged: opened.lost + reading.unreadable,
            torn: opened.cut > 0 || reading.parts > 0,
            // The next report would take parts without one for its own.
            misplaced: (!whole || reading.impossible || reading.parts > 0) && log.size() > 0,
            set_aside: false,
            stray: std::mem::take(&mut reading.stray),
        };
        let segment = Segment {
            name,
            entries: reading.entries,
            lost: reading.lost,
            notes: reading.notes,
            log,
            dirty: true,
            sealed: harm.misplaced || harm.damaged > 0,
        };
        Ok((segment, harm))
    }

    /// Puts the file out of the way, unread, and an empty segment in its place.
    ///
    /// # Errors
    ///
    /// A disk that does not rename.
    pub(crate) fn set_aside(disk: &mut dyn Disk, name: Name) -> io::Result<(Self, Harm)> {
        disk.rename(&name.to_string(), &name.aside())?;
        let (log, _) = Log::open(disk, name.to_string(), &mut |_, _| {})?;
        let segment = Segment {
            // Its reports may have been delivered: their seqs must not come again.
            notes: Notes {
                next_seq: SEQS_SKIPPED,
                ..Notes::default()
            },
            name,
            log,
            entries: Vec::new(),
            lost: Vec::new(),
            dirty: true,
            sealed: false,
        };
        let harm = Harm {
            misplaced: true,
            set_aside: true,
            ..Harm::default()
        };
        Ok((segment, harm))
    }

    /// Appends a report.
    pub(crate) fn put(
        &mut self,
        disk: &mut dyn Disk,
        head: &Head,
        packed: &[u8],
    ) -> io::Result<()> {
        let Ok(offset) = u32::try_from(self.log.size() + HEAD as u64) else {
            return Err(io::ErrorKind::FileTooLarge.into());
        };
        let mut pieces = packed.chunks(PART);
        let last = pieces.next_back().unwrap_or_default();
        let parts = pieces.map(record::part);
        let mut records = parts.chain(std::iter::once(record::report(head, last)));
        self.log.append_all(disk, &mut records)?;
        self.dirty = true;
        self.notes.next_seq = self.notes.next_seq.max(head.seq + 1);
        self.notes.declared = self.notes.declared.max(head.declared);
        self.entries.push(Entry {
            head: *head,
            offset,
            packed: packed.len() as u32,
            packed_crc: crc32fast::hash(packed),
            gone: false,
        });
        Ok(())
    }

    /// Nobody needs its file, once every loss up to `declared` is declared.
    pub(crate) fn is_done(&self, declared: u64) -> bool {
        self.entries.iter().all(|entry| entry.gone)
            && self.lost.iter().all(|(id, _)| *id <= declared)
    }

    /// The `anchors` that set the time of a report in it and are missing in it; if it still `grows`, all
    /// that are missing.
    pub(crate) fn untold(&self, anchors: &[Anchor], grows: bool) -> Vec<Anchor> {
        let told = |entry: &Entry| {
            let mut own = self.notes.anchors.iter();
            own.any(|anchor| anchor.concerns(&entry.head))
        };
        let lacks = |anchor: &&Anchor| {
            let mut entries = self.entries.iter();
            grows && !self.notes.anchors.contains(anchor)
                || entries.any(|entry| anchor.concerns(&entry.head) && !told(entry))
        };
        anchors.iter().filter(lacks).copied().collect()
    }

    /// Reports that wait.
    pub(crate) fn waiting(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter().filter(|entry| !entry.gone)
    }
}

/// A look through a file.
#[derive(Default)]
struct Look {
    entries: Vec<Entry>,
    lost: Vec<(u64, Gap)>,
    notes: Notes,
    /// Where the record before ended.
    at: u64,
    /// The number of the record before.
    number: Option<u64>,
    /// Records are missing: what follows cannot be unpacked.
    broken: bool,
    /// Something stands there that we cannot have written; what follows can be read.
    impossible: bool,
    unreadable: u64,
    stray: Gaps,
    /// Parts whose report has not come yet, and their CRC-32.
    parts: usize,
    parts_crc: crc32fast::Hasher,
    parts_len: u32,
}

impl Look {
    fn take(&mut self, number: u64, payload: &[u8]) {
        if self.number.is_none() {
            self.at = HEAD as u64;
        }
        self.broken |= self
            .number
            .is_some_and(|before| before.checked_add(1) != Some(number));
        self.number = Some(number);
        let offset = self.at + HEAD as u64;
        self.at = offset + payload.len() as u64;
        match Record::decode(payload) {
            // All parts are full, and no line has so many that the sums below overflow.
            Some(Record::Part) if payload.len() == 1 + PART && self.parts_len < PACKED_MAX => {
                self.parts += 1;
                self.parts_crc.update(&payload[1..]);
                self.parts_len += PART as u32;
            }
            Some(Record::Part) => self.broken = true,
            Some(Record::Report(head, packed)) => {
                let mut crc = std::mem::take(&mut self.parts_crc);
                crc.update(packed);
                let parts = std::mem::take(&mut self.parts) * (1 + PART + HEAD);
                let before = std::mem::take(&mut self.parts_len);
                // In a segment they rise; two with one number could not be told apart.
                let last = self.entries.last().map(|entry| entry.head.seq);
                self.broken |= last.is_some_and(|last| last >= head.seq);
                self.notes.next_seq = self.notes.next_seq.max(head.seq.saturating_add(1));
                self.notes.declared = self.notes.declared.max(head.declared);
                match u32::try_from(offset.saturating_sub(parts as u64)) {
                    Ok(offset) if !self.broken => self.entries.push(Entry {
                        head,
                        offset,
                        packed: before + packed.len() as u32,
                        packed_crc: crc.finalize(),
                        gone: false,
                    }),
                    _ => self.unreadable += 1,
                }
            }
            Some(Record::Lost(id, gap)) if id <= NUMBER_MAX => self.lost.push((id, gap)),
            Some(Record::Lost(_, gap)) => {
                self.stray.add(gap);
                self.impossible = true;
            }
            Some(Record::Sent(first, last)) => {
                let sent = |entry: &&mut Entry| (first..=last).contains(&entry.head.seq);
                self.entries
                    .iter_mut()
                    .filter(sent)
                    .for_each(|e| e.gone = true);
            }
            Some(Record::Notes(notes)) => self.notes.join(&notes),
            None => {
                self.broken = true;
                self.unreadable += u64::from(payload.starts_with(b"r"));
            }
        }
    }
}
