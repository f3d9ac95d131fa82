//! The files of /etc/config as they were before a command, in one file of ours.
//!
//! ```text
//! file MODE UID GID LENGTH NAME LF BYTES      LENGTH and owner decimal, MODE octal
//! other NAME LF                               no regular file: seen, and left alone
//! ```
//!
//! The journal holds the digest of the whole, so that damage is noticed.

#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::io;

use durable::read_whole;

use super::files::Files;
use super::folder::{Access, Folder};
use super::picture::{counts, Digest, Picture};

/// All files together, bytes.
pub const BYTES_MAX: u64 = 1 << 20;

/// Files, each with a name.
const FILES_MAX: usize = 1024;

/// The snapshot as a file, bytes: the files, and a line for each.
pub(super) const ENCODED_MAX: u64 = BYTES_MAX + (FILES_MAX as u64) * 320;

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    #[error("the settings in /etc/config are larger than 1 MiB: too much to be undone")]
    TooLarge,
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A file as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    pub access: Access,
    pub bytes: Vec<u8>,
}

/// The files by name; `None` is what is not a regular file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot(pub Files<Option<Saved>>);

impl Snapshot {
    /// Reads all files of `folder`.
    pub fn take(folder: &mut dyn Folder) -> Result<Self, TakeError> {
        let mut files = Files::default();
        let mut left = BYTES_MAX;
        for name in folder.list()?.into_iter().filter(|name| counts(name)) {
            let read = |folder: &mut dyn Folder| -> io::Result<Option<Saved>> {
                let Some(access) = folder.access(&name)? else {
                    return Ok(None);
                };
                let bytes = read_whole(folder, &name, left)?;
                Ok(Some(Saved { access, bytes }))
            };
            match read(folder) {
                Ok(saved) => {
                    left -= saved.as_ref().map_or(0, |saved| saved.bytes.len() as u64);
                    files.insert(name, saved);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                    return Err(TakeError::TooLarge)
                }
                Err(error) => return Err(error.into()),
            }
            if files.len() > FILES_MAX {
                return Err(TakeError::TooLarge);
            }
        }
        Ok(Snapshot(files))
    }

    pub fn picture(&self) -> Picture {
        let print = |saved: &Saved| (saved.access, Digest::of(&saved.bytes));
        let files = self.0.iter();
        files
            .map(|(name, saved)| (name.clone(), saved.as_ref().map(print)))
            .collect()
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, saved) in self.0.iter() {
            let mut line = String::new();
            let written = match saved {
                None => writeln!(line, "other {name}"),
                Some(Saved { access, bytes }) => {
                    let Access { mode, uid, gid } = access;
                    writeln!(line, "file {mode:o} {uid} {gid} {} {name}", bytes.len())
                }
            };
            written.expect("a String takes everything");
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(saved.as_ref().map_or(&[], |saved| &saved.bytes));
        }
        bytes
    }

    /// `None` if `bytes` are no snapshot.
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut files = Files::default();
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n')?;
            let line = std::str::from_utf8(&bytes[..end]).ok()?;
            bytes = &bytes[end + 1..];
            let (kind, rest) = line.split_once(' ')?;
            if kind == "other" {
                files.insert(rest.to_owned(), None);
                continue;
            }
            let mut words = rest.splitn(5, ' ');
            let access = read_access(&mut words)?;
            let length: usize = words.next()?.parse().ok()?;
            let name = words.next().filter(|_| kind == "file")?;
            let (content, behind) = bytes.split_at_checked(length)?;
            bytes = behind;
            let bytes = content.to_vec();
            files.insert(name.to_owned(), Some(Saved { access, bytes }));
        }
        Some(Snapshot(files))
    }
}

/// The words `MODE UID GID`.
pub(super) fn read_access<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Access> {
    Some(Access {
        mode: u32::from_str_radix(words.next()?, 8).ok()? & 0o7777,
        uid: words.next()?.parse().ok()?,
        gid: words.next()?.parse().ok()?,
    })
}
