//! The `state_dir` of the agent before this one.
//!
//! A job may give the agent another `state_dir`, and restart the agent or the device. The journal of its trial lies in
//! the old directory then, and so does the ledger unless the agent had moved it. So each agent notes where it has its
//! state in a directory that no setting moves.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use durable::{read_whole, replace, Directory, Disk};

/// The note. It does not exist while the state is in its place.
const FILE: &str = "state_dir";

/// Longest path, bytes.
const PATH_LEN_MAX: u64 = 4096;

/// The directory that the agent before noted in `home`, if it is another one than `state_dir` and still there.
pub(super) fn other_than(state_dir: &Path, home: &Path) -> Option<PathBuf> {
    if !home.exists() {
        return None;
    }
    let noted = Directory::open(home).and_then(|mut dir| noted(&mut dir));
    let noted = noted.unwrap_or_else(|error| {
        log::warn!("{}/{FILE}: {error}", home.display());
        None
    });
    let before = noted.unwrap_or_else(|| home.to_owned());
    (before != state_dir && before.is_absolute() && before.is_dir()).then_some(before)
}

/// Notes in `home` that this agent has its state in `state_dir`.
pub(super) fn note(state_dir: &Path, home: &Path) {
    let write = || -> io::Result<()> {
        let is_home = state_dir == home;
        if is_home && !home.join(FILE).exists() {
            return Ok(());
        }
        let mut dir = Directory::open(home)?;
        if is_home {
            dir.remove(FILE)?;
            return dir.sync_names();
        }
        match noted(&mut dir) {
            Ok(Some(noted)) if noted == state_dir => Ok(()),
            _ => replace(&mut dir, FILE, state_dir.as_os_str().as_bytes()),
        }
    };
    if let Err(error) = write() {
        log::warn!("{}/{FILE}: {error}", home.display());
    }
}

fn noted(dir: &mut Directory) -> io::Result<Option<PathBuf>> {
    match read_whole(dir, FILE, PATH_LEN_MAX) {
        Ok(bytes) => Ok(Some(PathBuf::from(OsStr::from_bytes(&bytes)))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_directory_before_is_the_noted_one_or_the_one_that_no_setting_moves() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let (home, moved, next) = (at("home"), at("moved"), at("next"));
        assert_eq!(other_than(&home, &home), None);
        note(&home, &home);
        assert!(!home.exists(), "nothing to note");
        for dir in [&home, &moved, &next] {
            Directory::open(dir).unwrap();
        }
        assert_eq!(other_than(&home, &home), None);
        assert_eq!(other_than(&moved, &home), Some(home.clone()));
        note(&moved, &home);
        assert_eq!(other_than(&moved, &home), None);
        assert_eq!(other_than(&next, &home), Some(moved.clone()));
        assert_eq!(other_than(&home, &home), Some(moved.clone()));
        note(&home, &home);
        assert_eq!(other_than(&home, &home), None);
        note(&moved, &home);
        fs::remove_dir(&moved).unwrap();
        assert_eq!(other_than(&next, &home), None, "it is gone");
        for text in ["relative", "", "/does\0not"] {
            fs::write(home.join(FILE), text).unwrap();
            assert_eq!(other_than(&next, &home), None, "{text:?}");
        }
    }
}
