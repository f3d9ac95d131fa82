//! The spool itself: reports in, bounded, on disk before anything else happens to them.

use std::collections::VecDeque;
use std::io;

use super::batch::Taken;
use super::gap::{Gap, Gaps, Reason};
use super::segment::{self, Name, ReportId, Segment};
use super::{Facts, SpoolError, Stamp};
use crate::durable::{Directory, Disk};

/// A segment takes no more lines once it holds this many bytes.
const SEAL_AT: u64 = 64 << 10;

/// Bytes of reports kept in memory while the disk does not take them. The newest report is kept
/// even if it alone is larger.
pub const PENDING_MAX: u64 = 256 << 10;

/// What a declared gap adds to a line at most, in bytes, with every number at its longest.
const GAP_ROOM: u64 = 256;

/// Makes a report's line, without its end, for the identity it is given.
///
/// It is called again with a larger stamp if room has to be made for the line.
pub type Builder<'a> = dyn Fn(&Stamp<'_>) -> Vec<u8> + Send + 'a;

/// A report with its identity that is not on disk yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) seq: u64,
    line: Vec<u8>,
    gaps: Gaps,
}

/// A bounded queue of report lines in files, which a kill at any point leaves whole.
#[derive(Debug)]
pub struct Spool<D = Directory> {
    pub(super) disk: D,
    pub(super) boot_id: String,
    pub(super) max: u64,
    /// One report in each segment.
    pub(super) apart: bool,
    /// Oldest first, those being dropped among them. The last is the tail, of this boot, to which
    /// lines are appended.
    pub(super) segments: VecDeque<Segment>,
    pub(super) next_ordinal: u64,
    /// Seq of the next report, counting those in `pending`.
    pub(super) next_seq: u64,
    pub(super) pending: VecDeque<Pending>,
    /// Lost, and declared by no line yet.
    pub(super) owed: Gaps,
    pub(super) taken: Option<Taken>,
    pub(super) batches: u64,
    pub(super) dropped: u64,
    pub(super) last_error: Option<String>,
}

impl<D: Disk> Spool<D> {
    /// Keeps a report: on disk, or in memory while the disk fails (see [`Facts::last_error`]).
    ///
    /// # Errors
    ///
    /// A line that is empty or has an end of line in it, or one that is larger than the spool.
    pub fn append(&mut self, build: &Builder<'_>) -> Result<(), SpoolError> {
        self.flush();
        let line = self.line(build, &self.owed)?;
        let needed = line.len() as u64 + GAP_ROOM;
        if needed > self.max {
            self.lose(Gap {
                from: segment::created_at(&line),
                to: segment::created_at(&line),
                count: 1,
                reason: Reason::Full,
            });
            return Err(SpoolError::TooLarge {
                len: line.len() as u64,
                max: self.max,
            });
        }
        let gaps = self.make_room(needed);
        let line = if gaps == self.owed {
            line
        } else {
            self.line(build, &gaps)?
        };
        self.owed = Gaps::default();
        let seq = self.next_seq;
        self.next_seq += 1;
        self.pending.push_back(Pending { seq, line, gaps });
        self.flush();
        self.trim_pending();
        Ok(())
    }

    /// What there is to tell of the spool.
    pub fn facts(&self) -> Facts {
        let kept = || self.kept().filter(|segment| segment.reports > 0);
        let oldest = kept().next().map(|segment| segment.from);
        let oldest = oldest.or_else(|| Some(segment::created_at(&self.pending.front()?.line)));
        Facts {
            reports: kept().map(|segment| segment.reports).sum::<u64>() + self.pending.len() as u64,
            bytes: self.bytes(),
            oldest: oldest.flatten(),
            dropped: self.dropped,
            last_error: self.last_error.clone(),
        }
    }

    /// The queue, oldest first.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(|segment| segment.is_kept())
    }

    fn pending_bytes(&self) -> u64 {
        self.pending.iter().map(|p| p.line.len() as u64).sum()
    }

    fn bytes(&self) -> u64 {
        self.kept().map(|segment| segment.bytes).sum::<u64>() + self.pending_bytes()
    }

    /// Small spools have small segments, so that making room never costs most of the queue.
    fn seal_at(&self) -> u64 {
        match self.apart {
            true => 1,
            false => SEAL_AT.min(self.max / 8),
        }
    }

    fn line(&self, build: &Builder<'_>, gaps: &Gaps) -> Result<Vec<u8>, SpoolError> {
        let mut line = build(&Stamp {
            boot_id: &self.boot_id,
            seq: self.next_seq,
            gaps: gaps.as_slice(),
        });
        if line.is_empty() || line.contains(&b'\n') {
            return Err(SpoolError::NotALine);
        }
        line.push(b'\n');
        Ok(line)
    }

    /// Counts reports as lost and declares them in the next line.
    pub(super) fn lose(&mut self, gap: Gap) {
        self.dropped = self.dropped.saturating_add(gap.count);
        self.owed.add(gap);
    }

    /// Marks old segments as dropped by the next report until `needed` bytes fit. Returns what that
    /// report has to declare: what was owed, what goes now, and what had been declared in it.
    ///
    /// A batch on its way to the server is spared as long as anything else can go.
    fn make_room(&mut self, needed: u64) -> Gaps {
        let mut gaps = self.owed.clone();
        while self.bytes() + needed > self.max {
            let in_flight = |s: &&Segment| self.taken.as_ref().is_some_and(|t| t.holds(&s.name));
            let full = self.kept().filter(|segment| segment.reports > 0);
            let victim = full
                .min_by_key(in_flight)
                .map(|segment| segment.name.clone());
            let Some(name) = victim else { break };
            match self.mark_dropped(&name, Reason::Full) {
                Ok(lost) => gaps.extend(lost),
                Err(error) => {
                    self.failed("drop", &name, &error);
                    break;
                }
            }
        }
        gaps
    }

    pub(super) fn mark_dropped(&mut self, name: &Name, reason: Reason) -> io::Result<Vec<Gap>> {
        let content = segment::read(&mut self.disk, &name.to_string())?;
        let marked = Name {
            dropped_by: Some(ReportId {
                boot_id: self.boot_id.clone(),
                seq: self.next_seq,
            }),
            ..name.clone()
        };
        self.disk.rename(&name.to_string(), &marked.to_string())?;
        let mut lost: Vec<Gap> = segment::declared(&content).collect();
        if let Some(segment) = self.segments.iter_mut().find(|s| s.name == *name) {
            segment.name = marked;
            self.dropped = self.dropped.saturating_add(segment.reports);
            lost.push(segment.gap(reason));
        }
        Ok(lost)
    }

    /// Writes what waits in memory, in order, until the disk refuses.
    pub(super) fn flush(&mut self) {
        while let Some(next) = self.pending.pop_front() {
            if let Err((name, error)) = self.write(&next) {
                self.failed("append to", &name, &error);
                self.pending.push_front(next);
                return;
            }
            self.last_error = None;
            self.remove_dropped(next.seq);
        }
    }

    fn write(&mut self, next: &Pending) -> Result<(), (Name, io::Error)> {
        let sealed = self.segments.back().is_none_or(|tail| {
            let follows = tail.next_seq() == next.seq && tail.name.first.boot_id == self.boot_id;
            let open = tail.is_kept() && tail.bytes < self.seal_at();
            !(follows && open) || tail.torn && tail.reports > 0
        });
        if sealed {
            self.roll(next.seq)?;
        }
        let Some(tail) = self.segments.back_mut() else {
            return Ok(());
        };
        let file = tail.name.to_string();
        let failed = |error| (tail.name.clone(), error);
        if tail.torn {
            self.disk.truncate(&file, tail.bytes).map_err(failed)?;
        }
        let written = self.disk.append(&file, &next.line);
        if matches!(written, Ok(len) if len == next.line.len()) {
            tail.torn = false;
            tail.count(&next.line);
            return Ok(());
        }
        // Half a line must not stand before the next one.
        tail.torn = self.disk.truncate(&file, tail.bytes).is_err();
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        Err(failed(written.err().unwrap_or_else(full)))
    }

    /// Seals the tail: a new, empty one takes its place, and an empty one goes.
    pub(super) fn roll(&mut self, seq: u64) -> Result<(), (Name, io::Error)> {
        let name = Name {
            ordinal: self.next_ordinal,
            first: ReportId {
                boot_id: self.boot_id.clone(),
                seq,
            },
            dropped_by: None,
        };
        if let Err(error) = self.disk.create(&name.to_string()) {
            return Err((name, error));
        }
        self.next_ordinal += 1;
        let old = self.segments.back().map(|tail| tail.name.clone());
        let was_empty = self.segments.back().is_some_and(|tail| tail.reports == 0);
        self.segments.push_back(Segment::empty(name));
        if let Some(old) = old.filter(|_| was_empty) {
            self.remove(&old);
        }
        Ok(())
    }

    /// Removes the segments whose loss is declared by report `seq` of this boot or one before it,
    /// and what could not be removed before.
    fn remove_dropped(&mut self, seq: u64) {
        let declared = |s: &&Segment| s.name.dropped_by.as_ref().is_some_and(|by| by.seq <= seq);
        let gone = self.segments.iter().filter(|s| s.done || declared(s));
        let names: Vec<Name> = gone.map(|s| s.name.clone()).collect();
        names.iter().for_each(|name| self.remove(name));
    }

    /// Removes a segment that nobody needs any more; a file that cannot be removed now is removed
    /// later, and comes back only with a restart.
    pub(super) fn remove(&mut self, name: &Name) {
        match self.disk.remove(&name.to_string()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                self.failed("remove", name, &error);
                if let Some(segment) = self.segments.iter_mut().find(|s| s.name == *name) {
                    segment.done = true;
                }
            }
            _ => self.segments.retain(|segment| segment.name != *name),
        }
    }

    /// Holds the memory queue to its bound. What a dropped line declared is owed again.
    fn trim_pending(&mut self) {
        while self.pending.len() > 1 && self.pending_bytes() > PENDING_MAX {
            let Some(oldest) = self.pending.pop_front() else {
                return;
            };
            let at = segment::created_at(&oldest.line);
            self.owed.extend(oldest.gaps.into_vec());
            self.lose(Gap {
                from: at,
                to: at,
                count: 1,
                reason: Reason::Full,
            });
        }
    }

    pub(super) fn failed(&mut self, what: &str, name: &Name, error: &io::Error) {
        let text = format!("cannot {what} segment {name}: {error}");
        if self.last_error.as_deref() != Some(&text) {
            log::error!("spool: {text}");
        }
        self.last_error = Some(text);
    }
}
