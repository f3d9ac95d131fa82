//! The few file calls the spool needs, and the real directory behind them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

/// No segment comes near this size; a longer file is not read into memory.
const FILE_MAX: u64 = 16 << 20;

/// A file, read whole.
#[derive(Debug)]
pub struct Content {
    pub bytes: Vec<u8>,
    pub modified: SystemTime,
}

/// Files of one flat directory. Every call is complete or fails; none follows links.
pub trait Disk {
    /// The names of all files there.
    fn list(&mut self) -> io::Result<Vec<String>>;
    fn read(&mut self, name: &str) -> io::Result<Content>;
    /// Makes an empty file; fails if there is one of that name.
    fn create(&mut self, name: &str) -> io::Result<()>;
    /// Appends with one write; returns how much of `bytes` was taken.
    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize>;
    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()>;
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&mut self, name: &str) -> io::Result<()>;
}

/// A directory that is ours alone.
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
    path: PathBuf,
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
        let dir = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = rustix::fs::open(parent, dir, Mode::empty())?;
        check_parent(&rustix::fs::fstat(&parent)?)?;
        match rustix::fs::mkdirat(&parent, name, Mode::RWXU) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let fd = rustix::fs::openat(&parent, name, dir | OFlags::NOFOLLOW, Mode::empty()).map_err(
            |error| match error {
                rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP => {
                    refused("is a link or not a directory")
                }
                error => error.into(),
            },
        )?;
        check_own(&rustix::fs::fstat(&fd)?)?;
        let path = path.to_path_buf();
        Ok(Directory { fd, path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A regular file of ours; O_NONBLOCK keeps a FIFO from holding us up.
    fn file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)?;
        let stat = rustix::fs::fstat(&fd)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(refused("is not a regular file"));
        }
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(refused("belongs to another user"));
        }
        Ok(File::from(fd))
    }
}

impl Disk for Directory {
    fn list(&mut self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy();
            if name != "." && name != ".." {
                names.push(name.into_owned());
            }
        }
        Ok(names)
    }

    fn read(&mut self, name: &str) -> io::Result<Content> {
        let file = self.file(name, OFlags::RDONLY)?;
        let metadata = file.metadata()?;
        if metadata.len() > FILE_MAX {
            return Err(refused("is larger than any segment"));
        }
        let mut bytes = Vec::with_capacity(metadata.len() as usize);
        file.take(FILE_MAX).read_to_end(&mut bytes)?;
        let modified = metadata.modified()?;
        Ok(Content { bytes, modified })
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.file(name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?;
        Ok(())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize> {
        self.file(name, OFlags::WRONLY | OFlags::APPEND)?
            .write(bytes)
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        self.file(name, OFlags::WRONLY)?.set_len(len)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, from, &self.fd, to)?)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.fd, name, AtFlags::empty())?)
    }
}

fn make(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

fn check_parent(stat: &Stat) -> io::Result<()> {
    let mode = Mode::from_raw_mode(stat.st_mode);
    if stat.st_uid != 0 && stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(refused("is in a directory of another user"));
    }
    if mode.intersects(Mode::WGRP | Mode::WOTH) && !mode.contains(Mode::SVTX) {
        return Err(refused("is in a directory that others may write"));
    }
    Ok(())
}

fn check_own(stat: &Stat) -> io::Result<()> {
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(refused("belongs to another user"));
    }
    if Mode::from_raw_mode(stat.st_mode).intersects(Mode::RWXG | Mode::RWXO) {
        return Err(refused("is open to others: chmod 700 it"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{symlink, PermissionsExt};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn directory_and_files_are_ours_alone() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("a/spool");
        let mut dir = Directory::open(&path).unwrap();
        dir.create("one").unwrap();
        assert_eq!(dir.append("one", b"x").unwrap(), 1);
        assert_eq!((mode(&path), mode(&path.join("one"))), (0o700, 0o600));
        assert_eq!(dir.list().unwrap(), ["one"]);
        assert_eq!(
            dir.create("one").unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
    }

    #[test]
    fn links_open_directories_and_fifos_are_refused() {
        let tmp = tempfile::tempdir().unwrap();
        let real = tmp.path().join("real");
        let mut dir = Directory::open(&real).unwrap();
        let link = tmp.path().join("link");
        symlink(&real, &link).unwrap();
        let error = Directory::open(&link).unwrap_err().to_string();
        assert!(error.contains("link"), "{error}");

        fs::write(tmp.path().join("secret"), "x").unwrap();
        symlink(tmp.path().join("secret"), real.join("inner")).unwrap();
        assert!(dir.read("inner").is_err());
        assert!(dir.append("inner", b"y").is_err());

        rustix::fs::mkfifoat(&dir.fd, "fifo", Mode::RWXU).unwrap();
        assert!(dir.read("fifo").is_err());
        assert!(dir.append("fifo", b"y").is_err());

        fs::set_permissions(&real, fs::Permissions::from_mode(0o755)).unwrap();
        let error = Directory::open(&real).unwrap_err().to_string();
        assert!(error.contains("chmod 700"), "{error}");

        let loose = tmp.path().join("loose");
        fs::create_dir(&loose).unwrap();
        fs::set_permissions(&loose, fs::Permissions::from_mode(0o777)).unwrap();
        let error = Directory::open(&loose.join("x")).unwrap_err().to_string();
        assert!(error.contains("others may write"), "{error}");
    }
}
