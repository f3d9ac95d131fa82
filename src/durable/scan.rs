//! Reading a log from end to end, whatever became of it.

use std::io;

use super::disk::Disk;
use super::record::{Head, HEAD, RECORD_MAX};

/// What opening a log found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Opened {
    /// Whole records.
    pub records: u64,
    /// Records missing between two that are there, exactly. What is missing before the first or
    /// behind the last cannot be counted: only `damaged` and `cut` tell of it.
    pub lost: u64,
    /// Bytes before the last whole record that are damaged.
    pub damaged: u64,
    /// Bytes behind the last whole record, which are cut off: after a kill or a power cut half a
    /// record, usually.
    pub cut: u64,
}

/// What a look through a log found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) opened: Opened,
    /// Where the last whole record ends.
    pub(super) end: u64,
    /// The sequence of the next record.
    pub(super) next: u64,
    /// What all heads of the file have, if one was found.
    pub(super) salt: Option<u32>,
}

/// Shows every whole record of `name` to `visit`, in order, holding one record in memory.
///
/// Where bytes are damaged, the next whole record is searched for that has the salt of the file (that
/// of its first head, or of the first that is found) and whose sequence can follow: higher than the
/// last, and by no more than there is room for in between.
///
/// # Errors
///
/// A file that is not there or cannot be read.
pub(super) fn scan(
    disk: &mut dyn Disk,
    name: &str,
    visit: &mut dyn FnMut(u64, &[u8]),
) -> io::Result<Scan> {
    let size = disk.size(name)?;
    let mut window = Window::new(size);
    let mut scan = Scan {
        next: 1,
        ..Scan::default()
    };
    let mut is_first = true;
    let mut at = 0;
    while let Some(head) = window.show(disk, name, at, HEAD)? {
        let is_ours = |head: &Head| scan.salt.is_none_or(|salt| salt == head.salt);
        let head = match head {
            // No mark stands here, and of zeros there may be so many that their checksums take long.
            [0, 0, 0, 0, ..] if at > 0 => None,
            head => Head::decode(head).filter(is_ours),
        };
        let Some(head) = head else {
            at += 1;
            continue;
        };
        scan.salt = Some(head.salt);
        let end = at + (HEAD + head.length) as u64;
        let Some(record) = window.show(disk, name, at, HEAD + head.length)? else {
            // Its payload is torn; what there is of it reaches to the end of the file.
            break;
        };
        let payload = &record[HEAD..];
        let room = (at - scan.end) / (HEAD as u64 + 1);
        let follows = is_first || (scan.next..=scan.next + room).contains(&head.sequence);
        if head.fits(payload) && follows {
            if !is_first {
                scan.opened.lost += head.sequence - scan.next;
            }
            if head.length > 0 {
                scan.opened.records += 1;
                visit(head.sequence, payload);
            }
            is_first = false;
            scan.opened.damaged += at - scan.end;
            scan.end = end;
            scan.next = head.sequence + 1;
        }
        at = end;
    }
    scan.opened.cut = size - scan.end;
    Ok(scan)
}

/// The part of a file that is in memory.
struct Window {
    bytes: Vec<u8>,
    /// Where in the file `bytes` begin.
    start: u64,
    /// How many of `bytes` are the file's.
    len: usize,
}

impl Window {
    fn new(size: u64) -> Self {
        Window {
            bytes: vec![0; size.min(RECORD_MAX as u64) as usize],
            start: 0,
            len: 0,
        }
    }

    /// `len` bytes of the file from `at` on; `None` if it ends before. `at` never goes back.
    fn show(
        &mut self,
        disk: &mut dyn Disk,
        name: &str,
        at: u64,
        len: usize,
    ) -> io::Result<Option<&[u8]>> {
        if len > self.bytes.len() {
            return Ok(None);
        }
        if at + len as u64 > self.start + self.len as u64 {
            let skip = ((at - self.start) as usize).min(self.len);
            self.bytes.copy_within(skip..self.len, 0);
            self.len -= skip;
            self.start = at;
            let from = at + self.len as u64;
            self.len += disk.read(name, from, &mut self.bytes[self.len..])?;
        }
        let skip = (at - self.start) as usize;
        Ok(self.bytes[..self.len].get(skip..skip + len))
    }
}
