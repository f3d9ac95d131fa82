//! Reports in segments on one disk, oldest first.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::deflate::{Packer, Unpacker};
use super::entry::{self, Head, PART};
use super::gap::{Gap, Gaps};
use super::notes::Notes;
use super::segment::{Entry, Harm, Name, Segment};
use crate::durable::{Disk, Log};

/// Segments of a disk.
///
/// What it was asked to keep survives a kill at once. On a disk that `syncs` it survives a power cut
/// after [`Store::sync`], and a file written anew is certain before it takes the place of the old.
#[derive(Debug)]
pub(crate) struct Store<D> {
    disk: D,
    syncs: bool,
    /// Bytes at which a segment takes no more.
    seal_at: u64,
    pub(crate) segments: VecDeque<Segment>,
    /// The compressor of the last segment, while it takes reports.
    packer: Option<Packer>,
    reader: Option<Reader>,
    /// Files were made, renamed or removed.
    names_dirty: bool,
}

/// Bytes a deflate can refer back.
const WINDOW: usize = 32 << 10;

/// The place in a segment up to which lines were read.
#[derive(Debug)]
struct Reader {
    ordinal: u64,
    next: usize,
    unpacker: Unpacker,
}

/// What happened to a report when its segment was written anew.
pub(crate) enum Fate<'a> {
    /// It was left out; its line.
    Dropped(&'a Entry, Vec<u8>),
    /// Its line cannot be read.
    Damaged(&'a Entry),
}

impl<D: Disk> Store<D> {
    /// Opens what is on `disk`; segments that were found harmed are in the answer.
    ///
    /// # Errors
    ///
    /// A disk that does not read: what is there must not be forgotten.
    pub(crate) fn open(
        mut disk: D,
        syncs: bool,
        seal_at: u64,
    ) -> io::Result<(Self, Vec<(u64, Harm)>)> {
        let mut segments = Vec::new();
        let mut harms = Vec::new();
        for file in disk.list()? {
            let Some(name) = Name::parse(&file) else {
                match file.ends_with(".thin") || file.ends_with(".new") {
                    // It did not take its place. If it cannot go now, it is overwritten.
                    true => drop(disk.remove(&file)),
                    false => log::warn!("spool: ignoring {file:?}, which is not a segment"),
                }
                continue;
            };
            let ordinal = name.ordinal;
            let (segment, harm) = Segment::open(&mut disk, name)?;
            if harm.torn || harm.misplaced || harm.damaged > 0 {
                harms.push((ordinal, harm));
            }
            segments.push(segment);
        }
        segments.sort_by_key(|segment| segment.name.ordinal);
        let store = Store {
            disk,
            syncs,
            seal_at,
            segments: segments.into(),
            packer: None,
            reader: None,
            names_dirty: false,
        };
        Ok((store, harms))
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.log.size()).sum()
    }

    /// Its files, with their size.
    pub(crate) fn files(&self) -> Vec<(String, u64)> {
        let files = self.segments.iter();
        files
            .map(|segment| (segment.name.to_string(), segment.log.size()))
            .collect()
    }

    /// Bytes of a file.
    pub(crate) fn read(&mut self, name: &str, at: u64, piece: &mut [u8]) -> io::Result<usize> {
        self.disk.read(name, at, piece)
    }

    /// Removes all files.
    pub(crate) fn discard(&mut self) {
        for (name, _) in self.files() {
            if let Err(error) = self.disk.remove(&name) {
                log::warn!("spool: {name} cannot be removed: {error}");
            }
        }
        self.segments.clear();
    }

    /// Where the segment `ordinal` is.
    pub(crate) fn position(&self, ordinal: u64) -> Option<usize> {
        let at = |segment: &Segment| segment.name.ordinal.cmp(&ordinal);
        self.segments.binary_search_by(at).ok()
    }

    /// Losses that no report has declared up to `declared`.
    pub(crate) fn owed(&self, declared: u64) -> impl Iterator<Item = &(u64, Gap)> {
        let all = self.segments.iter().flat_map(|segment| &segment.lost);
        all.filter(move |(id, _)| *id > declared)
    }

    /// The compressor for another report of `boot` in the last segment, if that takes one.
    ///
    /// One that was given up meanwhile is made again from the last lines, to which what follows may
    /// refer.
    fn resume(&mut self, boot: &str) -> Option<Packer> {
        let packer = self.packer.take();
        let tail = self.segments.back()?;
        if *tail.name.boot != *boot || tail.log.size() >= self.seal_at {
            return None;
        }
        if packer.is_some() || tail.entries.is_empty() {
            return Some(packer.unwrap_or_else(Packer::new));
        }
        let (at, mut from, mut len) = (self.segments.len() - 1, tail.entries.len(), 0);
        while from > 0 && len < WINDOW {
            from -= 1;
            len += tail.entries[from].head.plain as usize;
        }
        let mut packer = Packer::new();
        for entry in from..tail.entries.len() {
            let line = self.line(at, entry).ok()?;
            // What it was packed to is there already.
            drop(packer.pack(&line));
        }
        Some(packer)
    }

    /// Adds a report of `boot`; a segment that has to be begun for it has `ordinal` and `notes`.
    pub(crate) fn append(
        &mut self,
        boot: &Arc<str>,
        head: &Head,
        line: &[u8],
        ordinal: &mut u64,
        notes: &Notes,
    ) -> io::Result<()> {
        let mut packer = match self.resume(boot) {
            Some(packer) => packer,
            None => {
                self.begin(boot, ordinal, notes)?;
                Packer::new()
            }
        };
        let Some(tail) = self.segments.back_mut() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        // After an error the compressor knows a line that is not there, and is given up.
        tail.put(&mut self.disk, head, &packer.pack(line))?;
        self.packer = Some(packer);
        Ok(())
    }

    /// Begins a segment, to which reports of `boot` will be appended.
    pub(crate) fn begin(
        &mut self,
        boot: &Arc<str>,
        ordinal: &mut u64,
        notes: &Notes,
    ) -> io::Result<()> {
        let name = Name {
            ordinal: *ordinal,
            boot: boot.clone(),
        };
        self.packer = None;
        // One that an earlier attempt left behind is empty.
        let (mut log, _) = Log::open(&mut self.disk, name.to_string(), &mut |_, _| {})?;
        log.append(&mut self.disk, &entry::notes(notes))?;
        *ordinal += 1;
        self.names_dirty = true;
        self.segments.push_back(Segment {
            name,
            log,
            entries: Vec::new(),
            lost: Vec::new(),
            notes: notes.clone(),
            dirty: true,
        });
        Ok(())
    }

    /// Adds to the notes of the segment at `at`.
    pub(crate) fn note(&mut self, at: usize, notes: &Notes) -> io::Result<()> {
        let segment = &mut self.segments[at];
        segment.log.append(&mut self.disk, &entry::notes(notes))?;
        segment.notes.join(notes);
        segment.dirty = true;
        Ok(())
    }

    /// The deflate of a report.
    pub(crate) fn packed(&mut self, segment: usize, entry: usize) -> io::Result<Vec<u8>> {
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
            let packed = self.packed(segment, reader.next)?;
            let head = self.segments[segment].entries[reader.next].head;
            let line = reader
                .unpacker
                .unpack(&packed, head.plain as usize, head.crc)?;
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

    /// Gives up what is only in memory to write faster.
    pub(crate) fn rest(&mut self) {
        self.reader = None;
        self.packer = None;
    }

    /// Every loss up to this id is declared, as far as this store knows.
    pub(crate) fn declared(&self) -> u64 {
        let all = self.segments.iter().map(|segment| segment.notes.declared);
        all.max().unwrap_or(0)
    }

    /// Notes that reports arrived: those of the segment at `at` for which `arrived` says so.
    ///
    /// A disk that does not take the note sends them again after a restart.
    pub(crate) fn sent(&mut self, at: usize, arrived: &dyn Fn(u64) -> bool) -> io::Result<()> {
        let segment = &mut self.segments[at];
        let mut runs: Vec<(u64, u64)> = Vec::new();
        let mut goes_on = false;
        for entry in &mut segment.entries {
            let seq = entry.head.seq;
            let goes = !entry.gone && arrived(seq);
            entry.gone |= goes;
            match runs.last_mut() {
                Some(run) if goes && goes_on => run.1 = seq,
                _ if goes => runs.push((seq, seq)),
                _ => {}
            }
            goes_on = goes;
        }
        if segment.entries.iter().all(|entry| entry.gone) && segment.lost.is_empty() {
            // The file goes as a whole.
            return Ok(());
        }
        for (first, last) in runs {
            let record = entry::sent(first, last);
            segment.log.append(&mut self.disk, &record)?;
            segment.dirty = true;
        }
        Ok(())
    }

    /// Removes the files that nobody needs, but not the last if `keep_last`.
    pub(crate) fn sweep(&mut self, declared: u64, keep_last: bool) -> io::Result<()> {
        let mut at = 0;
        let mut result = Ok(());
        while at < self.segments.len() {
            let is_last = at + 1 == self.segments.len();
            if !self.segments[at].is_done(declared) || is_last && keep_last {
                at += 1;
                continue;
            }
            match self.disk.remove(&self.segments[at].name.to_string()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    result = Err(error);
                    at += 1;
                }
                _ => {
                    self.names_dirty = true;
                    self.segments.remove(at);
                    if is_last {
                        self.packer = None;
                    }
                }
            }
        }
        result
    }

    /// Writes the segment at `at` anew with the reports for which `keep` is true; a crash leaves it
    /// as it was or as it becomes. `judge` hears of each that is left out, and says in the end which
    /// losses have to be remembered in it.
    pub(crate) fn rewrite(
        &mut self,
        at: usize,
        declared: u64,
        keep: &dyn Fn(&Entry) -> bool,
        judge: &mut dyn FnMut(Fate<'_>),
        losses: &mut dyn FnMut() -> Vec<(u64, Gap)>,
    ) -> io::Result<()> {
        if at + 1 == self.segments.len() {
            self.packer = None;
        }
        self.reader = None;
        let name = self.segments[at].name.clone();
        let thin = name.thin();
        match self.disk.remove(&thin) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let written = self.fill(at, &thin, declared, keep, judge, losses);
        self.reader = None;
        match written {
            Ok(mut segment) => {
                let placed = segment.log.take_place_of(&mut self.disk, &name.to_string());
                if let Err(error) = placed {
                    drop(self.disk.remove(&thin));
                    return Err(error);
                }
                self.segments[at] = segment;
                self.names_dirty = true;
                match self.syncs {
                    true => self.sync_names(),
                    false => Ok(()),
                }
            }
            Err(error) => {
                drop(self.disk.remove(&thin));
                Err(error)
            }
        }
    }

    fn fill(
        &mut self,
        at: usize,
        thin: &str,
        declared: u64,
        keep: &dyn Fn(&Entry) -> bool,
        judge: &mut dyn FnMut(Fate<'_>),
        losses: &mut dyn FnMut() -> Vec<(u64, Gap)>,
    ) -> io::Result<Segment> {
        let old = &self.segments[at];
        let mut lost: Vec<(u64, Gap)> = old.lost.clone();
        lost.retain(|(id, _)| *id > declared);
        let (log, _) = Log::open(&mut self.disk, thin, &mut |_, _| {})?;
        let mut fresh = Segment {
            name: old.name.clone(),
            log,
            entries: Vec::new(),
            lost: Vec::new(),
            notes: old.notes.clone(),
            dirty: false,
        };
        fresh
            .log
            .append(&mut self.disk, &entry::notes(&fresh.notes))?;
        let mut packer: Option<Packer> = None;
        for index in 0..self.segments[at].entries.len() {
            let entry = self.segments[at].entries[index];
            if entry.gone {
                continue;
            }
            let line = match self.line(at, index) {
                Ok(line) => line,
                Err(error)
                    if error.kind() == io::ErrorKind::InvalidData
                        || error.kind() == io::ErrorKind::UnexpectedEof
                        || error.kind() == io::ErrorKind::NotFound =>
                {
                    judge(Fate::Damaged(&entry));
                    continue;
                }
                Err(error) => return Err(error),
            };
            if !keep(&entry) {
                judge(Fate::Dropped(&entry, line));
                continue;
            }
            let packed = packer.get_or_insert_with(Packer::new).pack(&line);
            fresh.put(&mut self.disk, &entry.head, &packed)?;
        }
        lost.extend(losses());
        for (id, gap) in lost {
            fresh.log.append(&mut self.disk, &entry::lost(id, &gap))?;
            fresh.lost.push((id, gap));
        }
        fresh.dirty = false;
        if self.syncs {
            fresh.log.sync(&mut self.disk)?;
        }
        Ok(fresh)
    }

    /// Waits until everything is on the medium.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        for segment in self.segments.iter_mut().filter(|segment| segment.dirty) {
            segment.log.sync(&mut self.disk)?;
            segment.dirty = false;
        }
        if self.names_dirty {
            self.sync_names()?;
        }
        Ok(())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.disk.sync_names()?;
        self.names_dirty = false;
        Ok(())
    }
}

impl Segment {
    /// Appends a report.
    fn put(&mut self, disk: &mut dyn Disk, head: &Head, packed: &[u8]) -> io::Result<()> {
        let Ok(offset) = u32::try_from(self.log.size() + crate::durable::HEAD as u64) else {
            return Err(io::ErrorKind::FileTooLarge.into());
        };
        let mut rest = packed;
        while rest.len() > PART {
            let (part, behind) = rest.split_at(PART);
            self.log.append(disk, &entry::part(part))?;
            rest = behind;
        }
        self.log.append(disk, &entry::report(head, rest))?;
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
}

/// The gaps a line declares, which are lost if it is.
pub(crate) fn declared_in(line: &[u8]) -> Gaps {
    #[derive(serde::Deserialize)]
    struct Line {
        #[serde(default)]
        gaps: Vec<Gap>,
    }
    let mut gaps = Gaps::default();
    // Most declare none, and need not be read for that.
    let key = b"\"gaps\"";
    if line.windows(key.len()).any(|window| window == key) {
        if let Ok(line) = serde_json::from_slice::<Line>(line) {
            gaps.extend(line.gaps);
        }
    }
    gaps
}
