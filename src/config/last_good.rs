//! Last good copies of the settings files, for the day a power cut or an editor leaves half a file, or
//! a person leaves a value that cannot be used in an option that guards.
//!
//! They lie in the state directory, in which only we write. A copy names the file it was made of, stands
//! in for no other, and goes when that file is gone:
//!
//! ```text
//! LENGTH SPACE PATH NEWLINE BYTES      LENGTH = bytes of PATH, decimal
//! ```

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use durable::{read_whole, replace, Directory, Disk};
use thiserror::Error;

use super::json::MAX_FILE;

/// Name of the copy of config.json in the state directory.
pub const JSON: &str = "config.json";

/// Name of the copy of the UCI package.
pub const UCI: &str = "config.uci";

/// Longest path of a file that is copied, bytes.
const PATH_MAX: usize = 4096;

/// Largest copy, bytes: path, file, and what stands between.
const COPY_MAX: u64 = MAX_FILE + PATH_MAX as u64 + 16;

/// Why no copy could be written.
#[derive(Debug, Error)]
#[error("no copy of {name} can be kept: {error}")]
pub struct KeepError {
    name: &'static str,
    error: io::Error,
}

/// A settings file as it was when every option in it that guards could be used. Holds secrets.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Copy {
    /// The file it was made of.
    pub(super) of: PathBuf,
    pub(super) bytes: Arc<[u8]>,
}

impl Copy {
    fn encode(&self) -> Vec<u8> {
        let path = self.of.as_os_str().as_bytes();
        let mut bytes = format!("{} ", path.len()).into_bytes();
        bytes.extend_from_slice(path);
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.bytes);
        bytes
    }

    /// None if `bytes` are no copy, such as one of a version that did not name its file.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let space = bytes.iter().take(5).position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
        let rest = &bytes[space + 1..];
        let (path, rest) = rest.split_at_checked(length)?;
        Some(Copy {
            of: OsStr::from_bytes(path).into(),
            bytes: rest.strip_prefix(b"\n")?.into(),
        })
    }
}

/// Where the last good copy of one file is looked for.
pub(super) struct Kept<'a> {
    /// The copy that the running agent remembers; it serves where none can be written.
    pub(super) remembered: Option<&'a Copy>,
    pub(super) state_dir: &'a Path,
    pub(super) name: &'static str,
    pub(super) of: &'a Path,
}

impl Kept<'_> {
    /// The last good copy of this file and of no other.
    pub(super) fn copy(&self) -> Option<Copy> {
        let is_ours = |copy: &Copy| copy.of == self.of;
        let remembered = self.remembered.filter(|copy| is_ours(copy)).cloned();
        remembered.or_else(|| read(self.state_dir, self.name).filter(is_ours))
    }

    /// The last good copy after the file was read as `bytes`: these, if everything that guards
    /// `is_usable`.
    pub(super) fn next(&self, bytes: Vec<u8>, is_usable: bool) -> Option<Copy> {
        match is_usable {
            false => self.copy(),
            true => Some(Copy {
                of: self.of.to_owned(),
                bytes: bytes.into(),
            }),
        }
    }
}

/// The copy `name` in `state_dir`, if there is one. Makes no directory for that.
fn read(state_dir: &Path, name: &str) -> Option<Copy> {
    if !state_dir.join(name).exists() {
        return None;
    }
    match Directory::open(state_dir).and_then(|mut dir| read_whole(&mut dir, name, COPY_MAX)) {
        Ok(bytes) => Copy::decode(&bytes),
        Err(error) => {
            log::warn!("{}/{name}: {error}; it is not used", state_dir.display());
            None
        }
    }
}

/// Makes `copy` the copy `name` in `state_dir`, whole or not at all. Nothing is written if it is there
/// already: flash wears.
pub(super) fn keep(state_dir: &Path, name: &'static str, copy: &Copy) -> Result<(), KeepError> {
    let write = || {
        let mut dir = Directory::open(state_dir)?;
        let bytes = copy.encode();
        // A copy that cannot be read is replaced.
        if read_whole(&mut dir, name, COPY_MAX).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        if copy.of.as_os_str().len() > PATH_MAX {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        replace(&mut dir, name, &bytes)
    };
    write().map_err(|error| KeepError { name, error })
}

/// The file that the copy `name` in `state_dir` was made of, if that file is gone. The copy of a
/// version that did not name its file counts as one whose file is gone.
pub fn orphan(state_dir: &Path, name: &str) -> Option<PathBuf> {
    let path = state_dir.join(name);
    if !path.exists() {
        return None;
    }
    let of = match read(state_dir, name) {
        Some(copy) => copy.of,
        None => return Some(path),
    };
    let is_gone = of
        .metadata()
        .is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
    is_gone.then_some(of)
}

/// Removes the copy `name` in `state_dir`.
pub fn forget(state_dir: &Path, name: &str) -> io::Result<()> {
    let mut dir = Directory::open(state_dir)?;
    dir.remove(name)?;
    dir.sync_names()
}
