//! /etc/config: a directory that is not ours alone.
//!
//! Its files belong to whoever made them and have any mode, so that both are kept when one is put back. What
//! is not a regular file is seen and left alone.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use crate::durable::Disk;

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

/// The real one.
#[derive(Debug, Clone)]
pub struct ConfigDir(Arc<OwnedFd>);

impl ConfigDir {
    /// Opens the directory `path`, which has to be there.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(ConfigDir(Arc::new(fd)))
    }

    /// Opens a regular file without following links and without waiting.
    fn file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&*self.0, name, flags, Mode::RUSR | Mode::WUSR)?;
        let file = File::from(fd);
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(Errno::LOOP.into()),
        }
    }
}

impl Disk for ConfigDir {
    fn list(&mut self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&*self.0)? {
            // A name that is not text belongs to no package.
            if let Ok(name) = entry?.file_name().to_str() {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    fn size(&mut self, name: &str) -> io::Result<u64> {
        Ok(self.file(name, OFlags::RDONLY)?.metadata()?.len())
    }

    fn read(&mut self, name: &str, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let file = self.file(name, OFlags::RDONLY)?;
        let mut len = 0;
        while len < buf.len() {
            match file.read_at(&mut buf[len..], offset.saturating_add(len as u64)) {
                Ok(0) => break,
                Ok(more) => len += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(len)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        self.file(name, flags).map(drop)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize> {
        use io::Write;
        self.file(name, OFlags::WRONLY | OFlags::APPEND)?
            .write(bytes)
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        self.file(name, OFlags::WRONLY)?.set_len(len)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&*self.0, from, &*self.0, to)?)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&*self.0, name, AtFlags::empty())?)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        // Mode and owner have to survive too.
        self.file(name, OFlags::RDONLY)?.sync_all()
    }

    fn sync_names(&mut self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&*self.0)?)
    }
}

impl Folder for ConfigDir {
    fn access(&mut self, name: &str) -> io::Result<Option<Access>> {
        let found = match self.file(name, OFlags::RDONLY) {
            Ok(file) => file.metadata()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
            // A link, a FIFO without a reader, a directory, a socket.
            Err(error) if is_other(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(Access {
            mode: found.mode() & 0o7777,
            uid: found.uid(),
            gid: found.gid(),
        }))
    }

    fn create_as(&mut self, name: &str, access: Access) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let file = self.file(name, flags)?;
        let made = file.metadata()?;
        if (made.uid(), made.gid()) != (access.uid, access.gid) {
            let (owner, group) = (Uid::from_raw(access.uid), Gid::from_raw(access.gid));
            rustix::fs::fchown(file.as_fd(), Some(owner), Some(group))?;
        }
        rustix::fs::fchmod(file.as_fd(), Mode::from_raw_mode(access.mode))?;
        Ok(())
    }
}

fn is_other(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::LOOP | Errno::ISDIR | Errno::NXIO))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{symlink, PermissionsExt};

    use super::*;

    #[test]
    fn files_have_modes_and_other_things_are_told_from_them() {
        let tmp = tempfile::tempdir().unwrap();
        let mut dir = ConfigDir::open(tmp.path()).unwrap();
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
