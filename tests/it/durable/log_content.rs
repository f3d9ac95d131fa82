//! The records that a log has, and those that it may have.

use std::io;

use durable::{Disk, Log, Opened, HEAD};

/// The file of the log.
pub(crate) const NAME: &str = "log";

pub(crate) type Record = (u64, Vec<u8>);

/// The content of a file that is, was or will be the log.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub(crate) records: Vec<Record>,
    /// Where each of them ends.
    pub(crate) ends: Vec<u64>,
    /// The number of records that must survive.
    pub(crate) certain: usize,
    /// The sequence of the first, counted by the mark.
    pub(crate) base: u64,
    /// The file itself has to survive.
    pub(crate) is_certain: bool,
    /// Records and bytes that a power cut took from the middle.
    pub(crate) holes: Holes,
}

/// Records lost and bytes damaged.
pub(crate) type Holes = (u64, u64);

impl Content {
    pub(crate) fn next(&self) -> u64 {
        let last = self.records.last();
        last.map_or(self.base, |(sequence, _)| sequence + 1)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.ends.last().copied().unwrap_or(HEAD as u64)
    }

    /// The records whose bytes in `left` are those they had in `image`, and where they end.
    pub(crate) fn whole_in<'a>(&'a self, left: &[u8], image: &[u8]) -> (Vec<&'a Record>, Vec<u64>) {
        let records = self.records.iter().zip(&self.ends);
        let whole = records.filter(|((_, payload), end)| {
            let range = **end as usize - HEAD - payload.len()..**end as usize;
            left.get(range.clone())
                .is_some_and(|bytes| Some(bytes) == image.get(range))
        });
        whole.map(|(record, end)| (record, *end)).unzip()
    }

    /// True if `found` is what a log has to find in the file `left` if this was written to it, as
    /// `image`: exactly the records whose bytes are there, among them all that are certain, and how
    /// much is missing.
    pub(crate) fn explains(&self, found: &Found, left: &[u8], image: &[u8]) -> bool {
        let (whole, ends) = self.whole_in(left, image);
        let next = found.log.next_sequence();
        let (counts_on, lost, end) = match (whole.first(), whole.last(), ends.last()) {
            (Some((first, _)), Some((last, _)), Some(end)) => {
                let between = last - first + 1 - whole.len() as u64;
                let lost = [between, between + first - self.base];
                (next == last + 1, lost.contains(&found.opened.lost), *end)
            }
            _ => {
                let unknown = next == 1 && !self.is_certain;
                let (counts_on, end) = match found.log.size() {
                    0 => (unknown, 0),
                    _ => (next == self.base, HEAD as u64),
                };
                (counts_on, found.opened.lost == 0, end)
            }
        };
        let bytes = whole.iter().map(|(_, payload)| HEAD + payload.len());
        let unknown = end - bytes.sum::<usize>() as u64;
        let damaged = [unknown, unknown.saturating_sub(HEAD as u64)];
        found.records.iter().eq(whole)
            && found.records.starts_with(&self.records[..self.certain])
            && counts_on
            && lost
            && found.log.size() == end
            && damaged.contains(&found.opened.damaged)
    }
}

/// The result of opening a log.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) log: Log,
    pub(crate) opened: Opened,
    pub(crate) records: Vec<Record>,
}

impl Found {
    pub(crate) fn holes(&self) -> Holes {
        (self.opened.lost, self.opened.damaged)
    }
}

/// Opens the log on `disk`.
pub(crate) fn open(disk: &mut dyn Disk) -> io::Result<Found> {
    let mut records = Vec::new();
    let (log, opened) = Log::open(disk, NAME, &mut |sequence, payload| {
        records.push((sequence, payload.to_vec()));
    })?;
    assert_eq!(opened.records, records.len() as u64);
    Ok(Found {
        log,
        opened,
        records,
    })
}
