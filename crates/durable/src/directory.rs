//! A directory that is ours alone.

#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::checkpoint;
use super::disk::Disk;

/// Flags of every directory that is opened.
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Flags of every file that is opened. A FIFO in the place of one must not hold us up.
const FILE: OFlags = OFlags::NOFOLLOW
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

/// A directory of ours with flat files of ours: mode 0700 and 0600, reached without following links.
/// Clones share the directory.
#[derive(Debug, Clone)]
pub struct Directory {
    fd: Arc<OwnedFd>,
    path: PathBuf,
    files: Files,
    needs_checkpoint: bool,
}

/// The files that are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Files {
    /// Ours alone.
    Ours,
    /// Root's or ours, which others may read.
    System,
    /// Anybody's, with any mode.
    Anybodys,
}

impl Directory {
    /// Opens `path`, which is made with mode 0700 if it is not there, its parents too.
    ///
    /// # Errors
    ///
    /// Refused are a link, another owner than us, any access for group or others, and a parent in
    /// which somebody else could swap the directory: one that is neither root's nor ours, or that
    /// others may write without the sticky bit.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(refused("is not a path of a directory"));
        };
        make(parent)?;
        // Links on the way to the parent are the system's own: /var is one on OpenWrt.
        let parent = rustix::fs::open(parent, DIRECTORY, Mode::empty())?;
        check_parent(&rustix::fs::fstat(&parent)?)?;
        match rustix::fs::mkdirat(&parent, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = DIRECTORY.union(OFlags::NOFOLLOW);
        let fd = rustix::fs::openat(&parent, name, flags, Mode::empty());
        let fd = fd.map_err(|error| match error {
            // Linux says ENOTDIR for a link that may not be followed to a directory.
            Errno::NOTDIR | Errno::LOOP => refused("is a link or not a directory"),
            error => error.into(),
        })?;
        check_own(&rustix::fs::fstat(&fd)?, "is open to others: chmod 700 it")?;
        Ok(Directory::new(fd, path, Files::Ours))
    }

    /// Opens `path`, a directory of the system in which a file of ours lies among others, such as /etc; made with
    /// mode 0700 if it is not there. Links to it are followed. New files have mode 0600; those that are there may be
    /// root's, and readable for others.
    ///
    /// # Errors
    ///
    /// Refused is a directory that is neither root's nor ours, or that others may write without the sticky bit.
    pub fn of_system(path: &Path) -> io::Result<Self> {
        make(path)?;
        let fd = rustix::fs::open(path, DIRECTORY, Mode::empty())?;
        check_parent(&rustix::fs::fstat(&fd)?)?;
        Ok(Directory::new(fd, path, Files::System))
    }

    /// Opens `path`, a directory that is there, such as /etc/config, in which files are anybody's and have any mode. Links
    /// to it are followed. A sync covers mode and owner of a file too.
    ///
    /// # Errors
    ///
    /// A directory that is not there or cannot be opened.
    pub fn of_others(path: &Path) -> io::Result<Self> {
        let fd = rustix::fs::open(path, DIRECTORY, Mode::empty())?;
        Ok(Directory::new(fd, path, Files::Anybodys))
    }

    fn new(fd: OwnedFd, path: &Path, files: Files) -> Self {
        Directory {
            needs_checkpoint: checkpoint::is_needed(&fd),
            fd: Arc::new(fd),
            path: path.to_path_buf(),
            files,
        }
    }

    /// The path it was opened with.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file, with mode 0600 if `flags` say that it is made. Never waits.
    ///
    /// # Errors
    ///
    /// Refused is what is not a regular file of ours, or what others may open.
    pub fn file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let mode = Mode::RUSR.union(Mode::WUSR);
        let fd = rustix::fs::openat(&*self.fd, name, flags.union(FILE), mode);
        let fd = fd.map_err(|error| match error {
            Errno::LOOP => refused("is a link"),
            Errno::ISDIR => refused("is a directory"),
            error => error.into(),
        })?;
        self.check(&rustix::fs::fstat(&fd)?)?;
        Ok(File::from(fd))
    }

    /// Refuses what is no regular file of those that are opened here.
    fn check(&self, stat: &Stat) -> io::Result<()> {
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(refused("is not a regular file"));
        }
        match self.files {
            Files::Ours => check_own(stat, "is open to others: chmod 600 it"),
            Files::System => check_settings(stat),
            Files::Anybodys => Ok(()),
        }
    }

    /// Looks at what has this name, a link itself included.
    ///
    /// # Errors
    ///
    /// Nothing has the name, or the directory cannot be read.
    pub fn stat(&self, name: &str) -> io::Result<Stat> {
        Ok(rustix::fs::statat(
            &*self.fd,
            name,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }
}

impl Disk for Directory {
    fn list(&mut self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&*self.fd)? {
            match entry?.file_name().to_str() {
                Ok("." | "..") => {}
                Ok(name) => names.push(name.to_owned()),
                // A name that is not text is nothing that anybody here asks for.
                Err(_) => {}
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
        let new = OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL);
        self.file(name, new)?;
        Ok(())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize> {
        self.file(name, OFlags::WRONLY.union(OFlags::APPEND))?
            .write(bytes)
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        self.file(name, OFlags::WRONLY)?.set_len(len)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&*self.fd, from, &*self.fd, to)?)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&*self.fd, name, AtFlags::empty())?)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let file = self.file(name, OFlags::RDONLY)?;
        match self.files {
            Files::Anybodys => file.sync_all()?,
            Files::Ours | Files::System => file.sync_data()?,
        }
        if self.needs_checkpoint {
            self.sync_names()?;
        }
        Ok(())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&*self.fd)?)
    }
}

/// An error with a reason of our own.
fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

fn make(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(path);
    made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            refused("is below something that is not a directory")
        }
        _ => error,
    })
}

/// The user of this process, who stays the same.
fn own_uid() -> u32 {
    static OWN: OnceLock<u32> = OnceLock::new();
    *OWN.get_or_init(|| rustix::process::geteuid().as_raw())
}

fn check_parent(stat: &Stat) -> io::Result<()> {
    let mode = Mode::from_raw_mode(stat.st_mode);
    if stat.st_uid != 0 && stat.st_uid != own_uid() {
        return Err(refused("is in a directory of another user"));
    }
    if mode.intersects(Mode::WGRP | Mode::WOTH) && !mode.contains(Mode::SVTX) {
        return Err(refused("is in a directory that others may write"));
    }
    Ok(())
}

fn check_own(stat: &Stat, open: &'static str) -> io::Result<()> {
    if stat.st_uid != own_uid() {
        return Err(refused("belongs to another user"));
    }
    if Mode::from_raw_mode(stat.st_mode).intersects(Mode::RWXG | Mode::RWXO) {
        return Err(refused(open));
    }
    Ok(())
}

fn check_settings(stat: &Stat) -> io::Result<()> {
    if stat.st_uid != 0 && stat.st_uid != own_uid() {
        return Err(refused("belongs to another user"));
    }
    if Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
        return Err(refused("can be written by others: chmod 600 it"));
    }
    Ok(())
}
