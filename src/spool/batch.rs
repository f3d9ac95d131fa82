//! Reports out: oldest first, and gone only when somebody says that they arrived.

use std::io;

use bytes::Bytes;

use super::gap::Reason;
use super::segment::{self, Name, Segment};
use super::store::Spool;
use crate::durable::Disk;

/// Names a batch to [`Spool::delivered`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchId(u64);

/// Reports to send together.
#[derive(Debug, Clone)]
pub struct Batch {
    pub id: BatchId,
    /// Whole lines: NDJSON.
    pub lines: Bytes,
    /// How many lines.
    pub reports: u64,
}

/// The segments of the batch that is on its way.
#[derive(Debug)]
pub(super) struct Taken {
    id: BatchId,
    names: Vec<Name>,
}

impl Taken {
    pub(super) fn holds(&self, name: &Name) -> bool {
        self.names.contains(name)
    }
}

impl<D: Disk> Spool<D> {
    /// The oldest reports, up to `max_bytes` but at least one segment; `None` if there are none.
    ///
    /// The same reports come again until they are [`Spool::delivered`]; a batch that was given out
    /// before is void then. A segment that cannot be read holds back what lies behind it, one that
    /// has vanished or lost bytes is declared lost.
    pub fn next_batch(&mut self, max_bytes: u64) -> Option<Batch> {
        self.taken = None;
        self.flush();
        let mut lines = Vec::new();
        let mut names = Vec::new();
        let mut reports = 0;
        while let Some(name) =
            self.next_to_take(&names, max_bytes.saturating_sub(lines.len() as u64))
        {
            match self.read(&name) {
                Ok(Some(content)) => {
                    lines.extend_from_slice(&content);
                    reports += self.segment(&name).map_or(0, |segment| segment.reports);
                    names.push(name);
                }
                Ok(None) => self.declare_damaged(&name),
                Err(error) => {
                    self.failed("read", &name, &error);
                    break;
                }
            }
        }
        if names.is_empty() {
            return None;
        }
        self.batches += 1;
        let id = BatchId(self.batches);
        self.taken = Some(Taken { id, names });
        Some(Batch {
            id,
            lines: lines.into(),
            reports,
        })
    }

    /// The batch arrived: its reports are deleted. A batch that is not the last given out is
    /// ignored.
    pub fn delivered(&mut self, id: BatchId) {
        let Some(taken) = self.taken.take_if(|taken| taken.id == id) else {
            return;
        };
        // What was dropped meanwhile has another name by now, and is declared already.
        taken.names.iter().for_each(|name| {
            if self.segment(name).is_some() {
                self.remove(name);
            }
        });
        self.flush();
    }

    /// The batch did not arrive: its reports stay and are no longer spared when room is made.
    pub fn kept_back(&mut self, id: BatchId) {
        self.taken.take_if(|taken| taken.id == id);
    }

    /// The batch did not arrive and will not be sent again: the next report declares its reports
    /// lost. If the agent is killed before there is one, they are in the queue again.
    pub fn given_up(&mut self, id: BatchId) {
        let Some(taken) = self.taken.take_if(|taken| taken.id == id) else {
            return;
        };
        for name in taken.names {
            // What was dropped meanwhile is declared already.
            if self.segment(&name).is_none() {
                continue;
            }
            match self.mark_dropped(&name, Reason::Unsent) {
                Ok(lost) => self.owed.extend(lost),
                Err(error) => self.failed("drop", &name, &error),
            }
        }
    }

    fn segment(&self, name: &Name) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.name == *name)
    }

    /// The oldest segment with reports that is not in `names` and no larger than `room`, which does
    /// not bind the first. If it is the tail it is sealed for that.
    fn next_to_take(&mut self, names: &[Name], room: u64) -> Option<Name> {
        let next = self
            .kept()
            .find(|segment| segment.reports > 0 && !names.contains(&segment.name))
            .filter(|segment| names.is_empty() || segment.bytes <= room)?;
        let (name, next_seq) = (next.name.clone(), next.next_seq());
        if self.segments.back().is_some_and(|tail| tail.name == name) {
            if let Err((name, error)) = self.roll(next_seq) {
                self.failed("create", &name, &error);
                return None;
            }
        }
        Some(name)
    }

    /// The whole lines of a segment; `None` if it is not what it was.
    fn read(&mut self, name: &Name) -> io::Result<Option<Vec<u8>>> {
        let len = self.segment(name).map_or(0, |segment| segment.bytes) as usize;
        match segment::read(&mut self.disk, &name.to_string()) {
            Ok(mut lines) if lines.len() >= len => {
                lines.truncate(len);
                Ok(Some(lines))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn declare_damaged(&mut self, name: &Name) {
        let Some(segment) = self.segment(name) else {
            return;
        };
        log::error!("spool: segment {name} was changed by somebody else and is given up");
        let gap = segment.gap(Reason::Damaged);
        self.lose(gap);
        self.segments.retain(|segment| segment.name != *name);
    }
}
