//! Rewriting a segment with less in it.

use std::io;

use durable::{Disk, Log};

use super::{is_damage, Store};
use crate::deflate::Packer;
use crate::gap::Gap;
use crate::record;
use crate::segment::{Entry, Segment};

/// The fate of a report whose segment was rewritten.
pub(crate) enum Fate<'a> {
    /// Left out; with its line.
    Dropped(&'a Entry, Vec<u8>),
    /// Left out because its line cannot be read.
    Damaged(&'a Entry),
}

impl<D: Disk> Store<D> {
    /// Rewrites the segment at `at` with the reports for which `keep` is true; a crash leaves it
    /// as it was or as it becomes. `judge` hears of each that is left out; then `losses` says which
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
        let placed = written.and_then(|mut segment| {
            segment
                .log
                .take_place_of(&mut self.disk, &name.to_string())?;
            Ok(segment)
        });
        match placed {
            Ok(segment) => self.segments[at] = segment,
            Err(error) => {
                drop(self.disk.remove(&thin));
                return Err(error);
            }
        }
        self.names_dirty = true;
        match self.syncs {
            true => self.sync_names(),
            false => Ok(()),
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
            sealed: false,
        };
        fresh
            .log
            .append(&mut self.disk, &record::notes(&fresh.notes))?;
        let mut packer: Option<Packer> = None;
        for index in 0..self.segments[at].entries.len() {
            let entry = self.segments[at].entries[index];
            if entry.gone {
                continue;
            }
            let line = match self.line(at, index) {
                Ok(line) => line,
                Err(error) if is_damage(&error) => {
                    judge(Fate::Damaged(&entry));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let _handling = self.handle(at, index)?;
            if !keep(&entry) {
                judge(Fate::Dropped(&entry, line));
                continue;
            }
            let packed = packer.get_or_insert_with(Packer::new).pack(&line);
            fresh.put(&mut self.disk, &entry.head, &packed)?;
        }
        lost.extend(losses());
        for (id, gap) in lost {
            fresh.log.append(&mut self.disk, &record::lost(id, &gap))?;
            fresh.lost.push((id, gap));
        }
        fresh.dirty = false;
        if self.syncs {
            fresh.log.sync(&mut self.disk)?;
        }
        Ok(fresh)
    }
}
