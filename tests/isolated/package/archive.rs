//! A gzipped tar, as packages are made of: read strictly.

use std::io::Read;

use flate2::read::MultiGzDecoder;

const BLOCK: usize = 512;

/// A file or directory of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As it stands there: `./etc/config/`.
    pub(crate) path: String,
    /// Permissions alone.
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    /// Seconds since the epoch.
    pub(crate) mtime: u64,
    pub(crate) is_dir: bool,
    pub(crate) bytes: Vec<u8>,
}

/// The bytes of a gzip.
pub(crate) fn unzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut out).unwrap();
    out
}

/// The entries of a GNU tar, in their order. Panics on anything but files and directories.
pub(crate) fn entries(tar: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut rest = tar;
    loop {
        let (header, after) = rest.split_at(BLOCK);
        if header.iter().all(|byte| *byte == 0) {
            assert!(after.iter().all(|byte| *byte == 0), "the end is the end");
            return entries;
        }
        assert_eq!(&header[257..265], b"ustar  \0", "the format is GNU's");
        check_sum(header);
        let names = [text(&header[265..297]), text(&header[297..329])];
        assert_eq!(names, ["", ""], "owners are numbers");
        let size = usize::try_from(octal(&header[124..136])).unwrap();
        entries.push(Entry {
            path: text(&header[..100]).to_owned(),
            mode: u32::try_from(octal(&header[100..108])).unwrap(),
            owner: (
                u32::try_from(octal(&header[108..116])).unwrap(),
                u32::try_from(octal(&header[116..124])).unwrap(),
            ),
            mtime: octal(&header[136..148]),
            is_dir: match header[156] {
                b'0' => false,
                b'5' => true,
                kind => panic!("an entry of type {}", char::from(kind)),
            },
            bytes: after[..size].to_owned(),
        });
        rest = &after[size.next_multiple_of(BLOCK)..];
    }
}

fn check_sum(header: &[u8]) {
    let blank = |at: usize| (148..156).contains(&at);
    let sum: u64 = header
        .iter()
        .enumerate()
        .map(|(at, byte)| if blank(at) { 32 } else { u64::from(*byte) })
        .sum();
    assert_eq!(sum, octal(&header[148..156]));
}

fn text(field: &[u8]) -> &str {
    let end = field.iter().position(|byte| *byte == 0);
    std::str::from_utf8(&field[..end.unwrap_or(field.len())]).unwrap()
}

fn octal(field: &[u8]) -> u64 {
    u64::from_str_radix(text(field).trim(), 8).unwrap()
}
