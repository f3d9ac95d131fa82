//! Reading a log from end to end, whatever became of it.

use std::io;

use super::disk::Disk;
use super::record::{Head, HEAD, RECORD_MAX};

/// What a look through a log found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// Whole records.
    pub(super) records: u64,
    /// Sequences missing between two of them.
    pub(super) lost: u64,
    /// Bytes before the last whole record that are none.
    pub(super) damaged: u64,
    /// Where the last whole record ends.
    pub(super) end: u64,
    /// Bytes in the file.
    pub(super) size: u64,
    /// The sequence of the next record.
    pub(super) next: u64,
}

/// Shows every whole record of `name` to `visit`, in order, holding one record in memory.
///
/// Where bytes are damaged, the next whole record is searched for whose sequence can follow: higher
/// than the last, and by no more than there is room for in between.
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
        size,
        next: 1,
        ..Scan::default()
    };
    let mut is_first = true;
    let mut at = 0;
    while let Some(head) = window.show(disk, name, at, HEAD)? {
        let Some(head) = Head::decode(head).filter(|head| head.length > 0 || at == 0) else {
            at += 1;
            continue;
        };
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
                scan.lost += head.sequence - scan.next;
            }
            if head.length > 0 {
                scan.records += 1;
                visit(head.sequence, payload);
            }
            is_first = false;
            scan.damaged += at - scan.end;
            scan.end = end;
            scan.next = head.sequence + 1;
        }
        at = end;
    }
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
