//! One file of the spool: its name, and what a look at its bytes tells.
//!
//! A segment holds whole lines whose `seq` rises by one, all of one boot. Its name is
//!
//! ```text
//! <ordinal, 16 digits>.<boot id>.<seq of the first line, 16 digits>.ndjson
//! ```
//!
//! and, while it is being dropped, `.dropped-by.<boot id>.<seq>` behind that: the file goes once the
//! report that declares its loss is written, and comes back if it never was.

use std::{fmt, io};

use serde::Deserialize;

use super::gap::{Gap, Reason};
use crate::durable::{self, Disk};

/// Ordinals and sequence numbers above this are not ours: one more would not fit the name.
const NUMBER_MAX: u64 = 999_999_999_999_999;

/// No segment comes near this size; a longer file is not read into memory.
const FILE_MAX: u64 = 16 << 20;

/// The longest boot id a name can hold.
const BOOT_ID_MAX: usize = 64;

/// A report, named for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReportId {
    pub(crate) boot_id: String,
    pub(crate) seq: u64,
}

/// The name of a segment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) ordinal: u64,
    pub(crate) first: ReportId,
    /// The report that declares this segment dropped.
    pub(crate) dropped_by: Option<ReportId>,
}

/// A boot id that can stand in a file name: letters, digits and `-`.
pub(crate) fn is_boot_id(text: &str) -> bool {
    (1..=BOOT_ID_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn number(text: &str) -> Option<u64> {
    let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit());
    let value = digits.then(|| text.parse().ok()).flatten()?;
    (value <= NUMBER_MAX).then_some(value)
}

fn report_id(boot_id: &str, seq: &str) -> Option<ReportId> {
    is_boot_id(boot_id).then_some(())?;
    Some(ReportId {
        boot_id: boot_id.to_owned(),
        seq: number(seq)?,
    })
}

impl Name {
    /// Reads a file name; `None` if it is not one of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split('.').collect();
        let (own, dropped_by) = match fields.as_slice() {
            [own @ .., "dropped-by", boot_id, seq] => (own, Some(report_id(boot_id, seq)?)),
            own => (own, None),
        };
        let &[ordinal, boot_id, seq, "ndjson"] = own else {
            return None;
        };
        Some(Name {
            ordinal: number(ordinal)?,
            first: report_id(boot_id, seq)?,
            dropped_by,
        })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReportId { boot_id, seq } = &self.first;
        write!(f, "{:016}.{boot_id}.{seq:016}.ndjson", self.ordinal)?;
        match &self.dropped_by {
            Some(ReportId { boot_id, seq }) => write!(f, ".dropped-by.{boot_id}.{seq:016}"),
            None => Ok(()),
        }
    }
}

/// What the spool knows of a segment without reading it again.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) name: Name,
    pub(crate) reports: u64,
    /// Length of the whole lines; what lies behind it in the file is half a line.
    pub(crate) bytes: u64,
    /// `created_at` of the first line.
    pub(crate) from: Option<u64>,
    /// `created_at` of the last line.
    pub(crate) to: Option<u64>,
    /// There is half a line behind `bytes` that could not be cut off yet.
    pub(crate) torn: bool,
    /// Nobody needs it any more; its file could not be removed yet.
    pub(crate) done: bool,
}

impl Segment {
    pub(crate) fn empty(name: Name) -> Self {
        Segment {
            name,
            reports: 0,
            bytes: 0,
            from: None,
            to: None,
            torn: false,
            done: false,
        }
    }

    /// Looks through the bytes of a file.
    pub(crate) fn scan(name: Name, content: &[u8]) -> Self {
        let end = content
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(0, |i| i + 1);
        let mut segment = Segment::empty(name);
        let mut lines = whole_lines(&content[..end]);
        if let Some(first) = lines.next() {
            let last = whole_lines(&content[..end]).next_back().unwrap_or(first);
            segment.from = created_at(first);
            segment.to = created_at(last);
            segment.reports = 1 + lines.count() as u64;
        }
        segment.bytes = end as u64;
        segment.torn = end < content.len();
        segment
    }

    /// It is part of the queue: neither being dropped nor done with.
    pub(crate) fn is_kept(&self) -> bool {
        self.name.dropped_by.is_none() && !self.done
    }

    /// The seq that follows the last line.
    pub(crate) fn next_seq(&self) -> u64 {
        self.name.first.seq + self.reports
    }

    /// What is missing without it.
    pub(crate) fn gap(&self, reason: Reason) -> Gap {
        Gap {
            from: self.from,
            to: self.to,
            count: self.reports,
            reason,
        }
    }

    /// Counts a line that was appended.
    pub(crate) fn count(&mut self, line: &[u8]) {
        let at = created_at(line);
        if self.reports == 0 {
            self.from = at;
        }
        self.to = at;
        self.reports += 1;
        self.bytes += line.len() as u64;
    }
}

/// All bytes of a segment's file.
pub(crate) fn read(disk: &mut impl Disk, name: &str) -> io::Result<Vec<u8>> {
    durable::read_whole(disk, name, FILE_MAX)
}

/// The lines of a segment's bytes, without their ends.
fn whole_lines(content: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    content
        .split_inclusive(|&b| b == b'\n')
        .map(|line| &line[..line.len() - 1])
}

/// All the spool ever reads of a report.
#[derive(Deserialize)]
struct Line {
    device: Option<Device>,
    #[serde(default)]
    gaps: Vec<Gap>,
}

#[derive(Deserialize)]
struct Device {
    created_at: Option<u64>,
}

/// `device.created_at` of a report; `None` if it has none or is not JSON.
pub(crate) fn created_at(line: &[u8]) -> Option<u64> {
    let line: Line = serde_json::from_slice(line).ok()?;
    line.device?.created_at
}

/// The gaps that the lines of a segment declare, and that are lost if the segment is.
pub(crate) fn declared(content: &[u8]) -> impl Iterator<Item = Gap> + '_ {
    whole_lines(content)
        .filter_map(|line| serde_json::from_slice::<Line>(line).ok())
        .flat_map(|line| line.gaps)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "0000000000000012.6f1c-0a.0000000000000345.ndjson";

    #[test]
    fn a_name_reads_back_as_it_was_written() {
        for text in [
            NAME.to_owned(),
            format!("{NAME}.dropped-by.77-b.0000000000000400"),
        ] {
            assert_eq!(Name::parse(&text).unwrap().to_string(), text);
        }
        let name = Name::parse(NAME).unwrap();
        assert_eq!((name.ordinal, name.first.seq), (12, 345));
        assert_eq!(name.first.boot_id, "6f1c-0a");
    }

    #[test]
    fn names_that_are_not_ours_are_refused() {
        for text in [
            "",
            "notes.txt",
            "12.6f1c.345.ndjson",
            "0000000000000012..0000000000000345.ndjson",
            "0000000000000012.6f1c.0000000000000345.ndjson~",
            "0000000000000012.6f_1c.0000000000000345.ndjson",
            "+000000000000012.6f1c.0000000000000345.ndjson",
            "9999999999999999.6f1c.0000000000000345.ndjson",
            "0000000000000012.6f1c.0000000000000345.ndjson.dropped-by.6f1c",
        ] {
            assert!(Name::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_scan_counts_whole_lines_and_sees_the_half_one() {
        let name = Name::parse(NAME).unwrap();
        let content =
            b"{\"device\":{\"created_at\":5}}\nnot json\n{\"device\":{\"created_at\":9}}\n{\"dev";
        let segment = Segment::scan(name.clone(), content);
        assert_eq!((segment.reports, segment.next_seq()), (3, 348));
        assert_eq!((segment.from, segment.to), (Some(5), Some(9)));
        assert_eq!(segment.bytes as usize, content.len() - 5);
        assert!(segment.torn);

        let nothing = Segment::scan(name, b"");
        assert_eq!((nothing.reports, nothing.torn), (0, false));
    }

    #[test]
    fn a_gap_declared_in_a_segment_is_found_again() {
        let gap = Gap {
            from: Some(1),
            to: Some(2),
            count: 3,
            reason: Reason::Full,
        };
        let line = serde_json::json!({ "gaps": [gap] });
        let content = format!("{{}}\n{line}\n");
        assert_eq!(declared(content.as_bytes()).collect::<Vec<_>>(), [gap]);
    }
}
