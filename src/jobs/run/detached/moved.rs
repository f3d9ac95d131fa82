//! The files of a job that began under another `state_dir`.
//!
//! They stay where its supervisor writes them. In the new `state_dir` a note is in their place, `elsewhere`, which
//! holds the path of their directory:
//!
//! ```text
//!  NEW/detached/NAME/elsewhere ──► OLD/detached/NAME/{job,stdout,stderr,end}
//! ```
//!
//! However often `state_dir` changes, a note names the files themselves, never another note.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use durable::{read_whole, replace, Directory};

use super::{path, remove, DETACHED_DIR, JOB};

const ELSEWHERE: &str = "elsewhere";

/// Longest path, bytes.
const PATH_MAX: u64 = 4096;

/// Leaves a note in the state directory `new` of a job that `old` knows; it survives a power cut. A job that has not
/// begun yet still begins where `old` would have had it.
pub(in crate::jobs) fn follow(old: &Path, new: &Path, name: &str) -> io::Result<()> {
    // The note is read in another directory.
    let files = std::path::absolute(place(old, name))?;
    let (before, here) = (path(old, name), std::path::absolute(path(new, name))?);
    if files != here {
        let mut directory = Directory::open(&here)?;
        replace(&mut directory, ELSEWHERE, files.as_os_str().as_bytes())?;
    }
    match files == std::path::absolute(&before)? {
        true => Ok(()),
        // A note, which nobody reads any more.
        false => remove(&before),
    }
}

/// The directory with the files of a job.
pub(super) fn place(state_dir: &Path, name: &str) -> PathBuf {
    let here = path(state_dir, name);
    match read(&here, name) {
        Ok(there) => there,
        Err(error) => {
            // Nothing is there yet, or the files are.
            if error.kind() != ErrorKind::NotFound {
                log::warn!("{}/{ELSEWHERE}: {error}", here.display());
            }
            here
        }
    }
}

fn read(here: &Path, name: &str) -> io::Result<PathBuf> {
    if here.join(JOB).try_exists()? || !here.join(ELSEWHERE).try_exists()? {
        return Err(ErrorKind::NotFound.into());
    }
    let path = read_whole(&mut Directory::open(here)?, ELSEWHERE, PATH_MAX)?;
    let path = PathBuf::from(OsString::from_vec(path));
    match path.is_absolute() && path.ends_with(Path::new(DETACHED_DIR).join(name)) {
        true => Ok(path),
        false => Err(ErrorKind::InvalidData.into()),
    }
}
