//! /etc/config: a directory that is not ours alone.
//!
//! Its files have any owner and any mode, so that both are kept when one is put back. What
//! is not a regular file is seen and left alone.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use durable::{Directory, Disk};
use rustix::fs::{FileType, Gid, Mode, OFlags, Uid};

/// Mode bits and owner of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// A directory whose files have owners and modes.
pub trait Folder: Disk {
    /// Mode and owner of a file; `None` for what is not a regular file.
    fn access(&mut self, name: &str) -> io::Result<Option<Access>>;

    /// Makes an empty file with this mode and owner; fails if there is one of that name.
    fn create_as(&mut self, name: &str, access: Access) -> io::Result<()>;
}

/// Opens the real one, which has to be there.
pub fn open(path: &Path) -> io::Result<Directory> {
    Directory::of_others(path)
}

impl Folder for Directory {
    fn access(&mut self, name: &str) -> io::Result<Option<Access>> {
        let stat = self.stat(name)?;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        Ok(is_file.then(|| Access {
            mode: Mode::from_raw_mode(stat.st_mode).bits() & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
        }))
    }

    fn create_as(&mut self, name: &str, access: Access) -> io::Result<()> {
        let file = self.file(name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?;
        let made = file.metadata()?;
        if (made.uid(), made.gid()) != (access.uid, access.gid) {
            let (owner, group) = (Uid::from_raw(access.uid), Gid::from_raw(access.gid));
            rustix::fs::fchown(file.as_fd(), Some(owner), Some(group))?;
        }
        rustix::fs::fchmod(file.as_fd(), Mode::from_raw_mode(access.mode))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{symlink, PermissionsExt};

    use super::*;

    #[test]
    fn files_have_modes_and_other_things_are_told_from_them() {
        let tmp = tempfile::tempdir().unwrap();
        let mut dir = open(tmp.path()).unwrap();
        fs::write(tmp.path().join("network"), "x").unwrap();
        fs::set_permissions(
            tmp.path().join("network"),
            fs::Permissions::from_mode(0o640),
        )
        .unwrap();
        fs::create_dir(tmp.path().join("dir")).unwrap();
        symlink("network", tmp.path().join("link")).unwrap();
        let access = dir.access("network").unwrap().unwrap();
        assert_eq!(access.mode, 0o640);
        assert_eq!(dir.access("dir").unwrap(), None);
        assert_eq!(dir.access("link").unwrap(), None);
        let missing = dir.access("missing").unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        dir.create_as("copy", access).unwrap();
        assert_eq!(dir.access("copy").unwrap(), Some(access));
        let again = dir.create_as("copy", access).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    }
}
