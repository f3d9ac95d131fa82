//! pstore: what the kernel wrote down when it died, where a later one can read it.
//!
//! ```text
//! /sys/fs/pstore/dmesg-ramoops-0     Panic#2 Part1 \n the last lines of the kernel's log
//!                console-ramoops-0   everything on the console, up to the last moment
//! ```
//!
//! A record begins with its reason, a count and a part; part 1 holds the newest lines. Kernels may write
//! records for orderly ends too (`Restart#1 Part1`): these are no panics. Records are left where they are.

use std::fs;
use std::path::Path;

use ring::digest::{digest, SHA256};

use crate::process::file::read_up_to;
use crate::process::file::under;

const PSTORE: &str = "/sys/fs/pstore";

/// Files that are looked at.
const FILES: usize = 64;

/// Bytes of a file that are read.
const READ: u64 = 64 << 10;

/// First words of records that are not about a death.
const ORDERLY: [&str; 5] = ["Restart#", "Shutdown#", "Halt#", "Poweroff#", "Emergency#"];

/// The kernel's record of a panic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Tells it from every other.
    pub(super) hash: String,
    /// Text of the record; none if it is packed in a way that only the kernel knows.
    pub(super) text: Option<String>,
    /// The last words are those of the record with the highest rank.
    pub(super) rank: (u32, i64),
}

/// The panics that pstore holds, and the last words on the console.
pub(super) fn look(root: &Path) -> (Vec<Record>, Option<String>) {
    let (mut panics, mut console) = (Vec::new(), None);
    let Ok(found) = fs::read_dir(under(root, Path::new(PSTORE))) else {
        return (panics, console);
    };
    let mut names: Vec<_> = found
        .take(16 * FILES)
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| name.starts_with("dmesg-") || name.starts_with("console-"))
        .collect();
    crate::sorted::sort(&mut names);
    names.truncate(FILES);
    for name in names {
        let path = under(root, Path::new(PSTORE)).join(&name);
        let Ok((bytes, _more)) = read_up_to(&path, READ) else {
            continue;
        };
        let is_packed = name.ends_with(".z");
        if name.starts_with("console-") {
            console = (!is_packed).then(|| words(&bytes)).or(console);
        } else {
            panics.extend(record(&bytes, is_packed));
        }
    }
    (panics, console)
}

/// The record in a file of pstore, if it is about a panic.
fn record(bytes: &[u8], is_packed: bool) -> Option<Record> {
    let hash = digest(&SHA256, bytes);
    let hash = hash.as_ref().iter().take(8);
    let hash = hash.map(|byte| format!("{byte:02x}")).collect();
    if is_packed {
        let (text, rank) = (None, (0, 0));
        return Some(Record { hash, text, rank });
    }
    let text = words(bytes);
    let (head, lines) = text.split_once('\n').unwrap_or((&text, ""));
    if ORDERLY.iter().any(|word| head.starts_with(word)) {
        return None;
    }
    let (rank, text) = match rank(head) {
        Some(rank) => (rank, lines.to_owned()),
        None => ((0, 0), text),
    };
    let text = Some(text).filter(|text| !text.trim().is_empty());
    Some(Record { hash, text, rank })
}

/// The count and the part of a head such as `Panic#2 Part1`; of the parts the first is the newest.
fn rank(head: &str) -> Option<(u32, i64)> {
    let (reason, part) = head.trim_end().split_once(" Part")?;
    let (_, count) = reason.rsplit_once('#')?;
    let part: u32 = part.parse().ok()?;
    Some((count.parse().ok()?, -i64::from(part)))
}

fn words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    // The rest of a record that is not full is zeros.
    text.trim_end_matches('\0').to_owned()
}
