//! Reports in segments on one disk, oldest first.

mod lines;
mod numbering;
mod rewrite;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use durable::{Disk, Log};

pub(crate) use self::lines::is_damage;
use self::lines::Reader;
pub(crate) use self::rewrite::Fate;
use super::deflate::Packer;
use super::gap::Gap;
use super::name::Name;
use super::notes::Notes;
use super::record::{self, Head};
use super::segment::{Harm, Segment};
use crate::Crashes;

/// Segments of a disk.
///
/// A report it has taken survives a kill at once. On a disk that `syncs` it survives a power cut after
/// [`Store::sync`], and a rewritten file is certain before it takes the place of the old.
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
    crashes: Arc<dyn Crashes>,
}

/// In the record of crashes, the opening of a segment.
const SEGMENT: &str = "segment";

/// Bytes a deflate can refer back.
const WINDOW: usize = 32 << 10;

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
        crashes: &Arc<dyn Crashes>,
    ) -> io::Result<(Self, Vec<(u64, Harm)>)> {
        let mut names = Vec::new();
        let mut earlier = Vec::new();
        for file in disk.list()? {
            match Name::parse(&file) {
                Some(name) => names.push(name),
                None if Name::is_set_aside(&file) => earlier.push(file),
                // It did not take its place. If it cannot go now, it is overwritten.
                None if Name::is_unfinished(&file) => {
                    drop(disk.remove(&file));
                }
                None => log::warn!("spool: ignoring {file:?}, which is not a segment"),
            }
        }
        let names_dirty = numbering::settle(&mut disk, &mut names)?;
        let mut segments = VecDeque::new();
        let mut harms = Vec::new();
        for name in names {
            let ordinal = name.ordinal;
            let (segment, harm) = match crashes.handle(SEGMENT, name.to_string().as_bytes()) {
                Ok(_handling) => Segment::open(&mut disk, name)?,
                Err(skipped) => {
                    let aside = name.aside();
                    log::error!("spool: segment {name}: {skipped}; the file is kept as {aside}");
                    Segment::set_aside(&mut disk, name)?
                }
            };
            if !harm.is_none() {
                harms.push((ordinal, harm));
            }
            segments.push_back(segment);
        }
        if harms.iter().any(|(_, harm): &(u64, Harm)| harm.set_aside) {
            // One is enough to find out what is wrong, and room is short.
            earlier.iter().for_each(|file| drop(disk.remove(file)));
        }
        let store = Store {
            disk,
            syncs,
            seal_at,
            segments,
            packer: None,
            reader: None,
            names_dirty,
            crashes: crashes.clone(),
        };
        Ok((store, harms))
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.log.size()).sum()
    }

    /// The files of the store, with their sizes.
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

    /// Packs another report of `boot` for the last segment, if that takes one.
    ///
    /// If the compressor was given up meanwhile, it is made again from the last lines, to which the next may refer.
    fn pack_on(&mut self, boot: &str, head: &Head, line: &[u8]) -> Option<(Packer, Vec<u8>)> {
        let packer = self.packer.take();
        let tail = self.segments.back()?;
        if *tail.name.boot != *boot || tail.log.size() >= self.seal_at || tail.sealed {
            return None;
        }
        if packer.is_some() || tail.entries.is_empty() {
            let mut packer = packer.unwrap_or_else(Packer::new);
            let packed = packer.pack(line);
            return Some((packer, packed));
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
        let packed = packer.pack(line);
        // The last one may end in the middle of a block, though its line is whole: somebody else may have written it.
        let mut reader = self.reader.take()?;
        reader.unpack(head, &packed).ok()?;
        Some((packer, packed))
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
        let (packer, packed) = match self.pack_on(boot, head, line) {
            Some(packed) => packed,
            None => {
                self.begin(boot, ordinal, notes)?;
                let mut packer = Packer::new();
                let packed = packer.pack(line);
                (packer, packed)
            }
        };
        let Some(tail) = self.segments.back_mut() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        // After an error the compressor knows a line that is not there, and is given up.
        tail.put(&mut self.disk, head, &packed)?;
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
        log.append(&mut self.disk, &record::notes(notes))?;
        *ordinal += 1;
        self.names_dirty = true;
        self.segments.push_back(Segment {
            name,
            log,
            entries: Vec::new(),
            lost: Vec::new(),
            notes: notes.clone(),
            dirty: true,
            sealed: false,
        });
        Ok(())
    }

    /// Adds to the notes of the segment at `at`.
    pub(crate) fn note(&mut self, at: usize, notes: &Notes) -> io::Result<()> {
        let segment = &mut self.segments[at];
        segment.log.append(&mut self.disk, &record::notes(notes))?;
        segment.notes.join(notes);
        segment.dirty = true;
        Ok(())
    }

    /// Has each segment itself tell what `boots`, the oldest first, know of the times of its reports; the
    /// one that grows, of those to come too.
    pub(crate) fn tell(&mut self, boots: &[(Arc<str>, Notes)]) -> io::Result<()> {
        for at in 0..self.segments.len() {
            let segment = &self.segments[at];
            let of_it = |(boot, _): &(Arc<str>, Notes)| *boot == segment.name.boot;
            let Some(rank) = boots.iter().position(of_it) else {
                continue;
            };
            let grows = rank + 1 == boots.len() && at + 1 == self.segments.len();
            let anchors = segment.untold(&boots[rank].1.anchors, grows);
            if !anchors.is_empty() {
                let notes = Notes {
                    anchors,
                    ..Notes::default()
                };
                self.note(at, &notes)?;
            }
        }
        Ok(())
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

    /// Notes that reports arrived: those of the segment at `at` for which `arrived` says so. If all of
    /// it has, and it is not one that `stays`, its file is to be removed as a whole.
    ///
    /// A disk that does not take the note sends them again after a restart.
    pub(crate) fn sent(
        &mut self,
        at: usize,
        stays: bool,
        arrived: &dyn Fn(u64) -> bool,
    ) -> io::Result<()> {
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
        if !stays && segment.entries.iter().all(|entry| entry.gone) && segment.lost.is_empty() {
            return Ok(());
        }
        for (first, last) in runs {
            let record = record::sent(first, last);
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
