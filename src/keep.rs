//! The part of `state_dir` that outlives an upgrade of the system: its directory `keep`, which the package names to
//! sysupgrade and so to every backup.
//!
//! Files there may come back at any time as older copies, also on another device: none of them may make the
//! device do anything.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use durable::Directory;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

/// Its name.
const NAME: &str = "keep";

/// The bits of a directory that others may look into and not write.
const READERS: Mode = Mode::RGRP
    .union(Mode::XGRP)
    .union(Mode::ROTH)
    .union(Mode::XOTH);

/// Its path.
pub fn path(state_dir: &Path) -> PathBuf {
    state_dir.join(NAME)
}

/// Opens it, and makes it if it is not there.
///
/// # Errors
///
/// The errors of [`Directory::open`].
pub fn open(state_dir: &Path) -> io::Result<Directory> {
    Directory::open(&path(state_dir))
}

/// Takes from others the right to look into `state_dir` and its directory keep, where a backup has made them. Its archive
/// holds files alone, so that the directories come back with mode 0755, which [`Directory::open`] refuses.
///
/// Only a directory of ours is changed that has something in it, and nothing but what is ours alone: one of the system, named
/// as `state_dir` by mistake, stays as it is.
pub fn close(state_dir: &Path) {
    for path in [path(state_dir), state_dir.to_path_buf()] {
        // The next user of the file reports an error.
        if close_one(&path).is_ok_and(|is_closed| is_closed) {
            log::info!("{}: mode 0700 again, as before the backup", path.display());
        }
    }
}

/// True if the directory was open to readers, and is closed now.
fn close_one(path: &Path) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::open(path, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&dir)?;
    let others = mode(&stat) & (Mode::RWXG | Mode::RWXO);
    if !is_ours(&stat) || others.is_empty() || !READERS.contains(others) || !is_private(&dir)? {
        return Ok(false);
    }
    rustix::fs::fchmod(&dir, Mode::RWXU)?;
    Ok(true)
}

/// True if the directory has something in it, and nothing but what is ours alone.
fn is_private(dir: &OwnedFd) -> io::Result<bool> {
    let mut is_empty = true;
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        is_empty = false;
        let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        let is_closed = !mode(&stat).intersects(Mode::RWXG | Mode::RWXO);
        let is_expected = is_file || name.to_bytes() == NAME.as_bytes();
        if !is_ours(&stat) || !is_closed || !is_expected {
            return Ok(false);
        }
    }
    Ok(!is_empty)
}

fn is_ours(stat: &Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw()
}

fn mode(stat: &Stat) -> Mode {
    Mode::from_raw_mode(stat.st_mode)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{symlink, PermissionsExt};

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    /// A `state_dir` as tar makes it of an archive that holds keep/ids alone.
    fn restored(below: &Path) -> PathBuf {
        let state = below.join("state");
        let keep = path(&state);
        fs::create_dir_all(&keep).unwrap();
        fs::write(keep.join("ids"), "x").unwrap();
        chmod(&keep.join("ids"), 0o600);
        chmod(&keep, 0o755);
        chmod(&state, 0o755);
        state
    }

    #[test]
    fn directories_that_a_backup_made_are_ours_alone_again() {
        let tmp = tempfile::tempdir().unwrap();
        let state = restored(tmp.path());
        assert!(Directory::open(&state).is_err() && open(&state).is_err());
        close(&state);
        assert_eq!((mode_of(&state), mode_of(&path(&state))), (0o700, 0o700));
        Directory::open(&state).unwrap();
        open(&state).unwrap();
    }

    #[test]
    fn a_directory_with_anything_that_others_may_open_stays_as_it_is() {
        type Change = fn(&Path);
        let changes: [(&str, Change); 6] = [
            ("a file that others may read", |state| {
                fs::write(state.join("passwd"), "x").unwrap();
                chmod(&state.join("passwd"), 0o644);
            }),
            ("a directory", |state| {
                fs::create_dir(state.join("config")).unwrap();
                chmod(&state.join("config"), 0o700);
            }),
            ("a link", |state| symlink("x", state.join("link")).unwrap()),
            ("keep that others may write", |state| {
                chmod(&path(state), 0o777);
            }),
            ("others may write it", |state| chmod(state, 0o777)),
            ("nothing in it", |state| {
                fs::remove_dir_all(path(state)).unwrap();
            }),
        ];
        for (what, change) in changes {
            let tmp = tempfile::tempdir().unwrap();
            let state = restored(tmp.path());
            change(&state);
            let before = mode_of(&state);
            close(&state);
            assert_eq!(mode_of(&state), before, "{what}");
        }
        close(Path::new("/does/not/exist"));
    }
}
