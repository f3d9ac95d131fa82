//! Moving to another directory, with everything that waits.

use std::io;

use super::segment::{self, Name, ReportId, Segment};
use super::store::Spool;
use crate::durable::Disk;

impl<D: Disk> Spool<D> {
    /// Moves all reports of `other` into this spool, behind what it holds, and counts on where `other`
    /// stood, which holds nothing then. Both are of the same boot.
    ///
    /// # Errors
    ///
    /// What `other` holds cannot be copied: it stays as it was, and this spool is to be given up.
    pub(super) fn take_over(&mut self, other: &mut Spool<D>) -> io::Result<()> {
        other.flush();
        match self.copy_from(other) {
            Ok(copies) => {
                self.count_on(other, copies);
                Ok(())
            }
            Err((made, error)) => {
                for name in made {
                    // Files of a spool that is given up: what stays is harmless.
                    let _ = self.disk.remove(&name.to_string());
                }
                Err(error)
            }
        }
    }

    /// Copies every segment with reports, and makes the tail that says how far the count is. An error
    /// comes with the files that were made.
    fn copy_from(&mut self, other: &mut Spool<D>) -> Result<Vec<Segment>, (Vec<Name>, io::Error)> {
        let mut copies: Vec<Segment> = Vec::new();
        let first_waiting = other.pending.front().map(|waiting| waiting.seq);
        let tail = Segment::empty(Name {
            ordinal: 0,
            first: ReportId {
                boot_id: self.boot_id.clone(),
                seq: first_waiting.unwrap_or(other.next_seq).max(self.next_seq),
            },
            dropped_by: None,
        });
        let full = other.segments.iter().filter(|s| s.reports > 0 && !s.done);
        let all: Vec<Segment> = full.cloned().chain([tail]).collect();
        for mut segment in all {
            let copied = self.copy(&mut other.disk, &mut segment);
            copies.push(segment);
            if let Err(error) = copied {
                let made = copies.into_iter().map(|copy| copy.name);
                return Err((made.collect(), error));
            }
        }
        Ok(copies)
    }

    /// Copies one segment under the next ordinal; a segment without reports has no file to copy.
    fn copy(&mut self, from: &mut D, segment: &mut Segment) -> io::Result<()> {
        let mut lines = match segment.reports {
            0 => Vec::new(),
            _ => segment::read(from, &segment.name.to_string())?,
        };
        // What lies behind is half a line.
        lines.truncate(segment.bytes as usize);
        segment.name.ordinal = self.next_ordinal;
        segment.torn = false;
        self.next_ordinal += 1;
        let file = segment.name.to_string();
        self.disk.create(&file)?;
        if !lines.is_empty() && self.disk.append(&file, &lines)? < lines.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// The copies are what holds from here on.
    fn count_on(&mut self, other: &mut Spool<D>, copies: Vec<Segment>) {
        let empty = self.segments.back().filter(|tail| tail.reports == 0);
        let empty = empty.map(|tail| tail.name.clone());
        self.segments.extend(copies);
        if let Some(empty) = empty {
            self.remove(&empty);
        }
        self.next_seq = self.next_seq.max(other.next_seq);
        self.pending = std::mem::take(&mut other.pending);
        self.owed.extend(std::mem::take(&mut other.owed).into_vec());
        self.dropped = self.dropped.saturating_add(other.dropped);
        // Ids of batches that were given out before name nothing here.
        self.taken = None;
        self.batches = self.batches.max(other.batches);
        let names: Vec<Name> = other.segments.iter().map(|s| s.name.clone()).collect();
        names.iter().for_each(|name| other.remove(name));
    }
}
