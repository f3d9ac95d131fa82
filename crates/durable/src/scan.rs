//! Reading a log from end to end, damaged or not.

use std::io;

use super::disk::Disk;
use super::record::{Head, FIRST_MAX, HEAD, RECORD_MAX};

/// The findings of opening a log.
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

/// The findings of a look through a log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) opened: Opened,
    /// Where the last whole record ends.
    pub(super) end: u64,
    /// The sequence of the next record; 0 if there is none.
    pub(super) next: u64,
    /// The salt of all heads of the file, if one was found.
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
    let mut scan = Scan::default();
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
        // No sum overflows: a sequence is below half of what its type holds.
        let follows = match is_first {
            true => head.sequence <= FIRST_MAX,
            false => (scan.next..=scan.next + room).contains(&head.sequence),
        };
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
    /// The number of `bytes` that are the file's.
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::super::record::{encode, SEQUENCE_MAX};
    use super::super::{Directory, Log};

    /// Sequences near all that could overflow, and others.
    fn sequence() -> impl Strategy<Value = u64> {
        let near = prop::sample::select(vec![0, SEQUENCE_MAX - (1 << 32), SEQUENCE_MAX, u64::MAX]);
        prop_oneof![
            (near, 0..3_u64).prop_map(|(near, off)| near.saturating_sub(off)),
            0..9_u64,
            any::<u64>(),
        ]
    }

    proptest! {
        #[test]
        fn a_log_with_any_sequences_takes_records_and_keeps_them(
            sequences in prop::collection::vec((sequence(), 0..40_usize), 0..8),
        ) {
            let tmp = tempfile::tempdir().unwrap();
            let dir = tmp.path().join("logs");
            let mut disk = Directory::open(&dir).unwrap();
            let mut bytes = Vec::new();
            for (sequence, length) in sequences {
                encode(7, sequence, &vec![b'x'; length], &mut bytes);
            }
            fs::write(dir.join("log"), bytes).unwrap();
            fs::set_permissions(dir.join("log"), fs::Permissions::from_mode(0o600)).unwrap();
            let (mut log, _) = Log::open(&mut disk, "log", &mut |_, _| {}).unwrap();
            log.append(&mut disk, b"ours").unwrap();
            let mut last = Vec::new();
            let read = &mut |_, payload: &[u8]| last = payload.to_vec();
            Log::open(&mut disk, "log", read).unwrap();
            prop_assert_eq!(last, b"ours");
        }
    }
}
