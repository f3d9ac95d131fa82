//! Files below the root directory, read bounded and without ever waiting for somebody to write.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Largest of the kernel's small files that is read whole.
const SMALL: u64 = 64 << 10;

/// The tree that holds `/proc`, `/sys`, `/etc` and `/tmp`.
#[derive(Debug, Clone)]
pub(super) struct Files {
    root: PathBuf,
}

impl Files {
    pub(super) fn below(root: &Path) -> Self {
        Files { root: root.into() }
    }

    /// The first `limit` bytes of a regular file, and whether there are more. `path` is relative.
    ///
    /// # Errors
    ///
    /// As of open and read; what is no regular file is an invalid input.
    pub(super) fn read(&self, path: &str, limit: u64) -> io::Result<(Vec<u8>, bool)> {
        // Without NONBLOCK the open of a FIFO would wait for its writer.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let file: File = rustix::fs::open(self.root.join(path), flags, Mode::empty())?.into();
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ));
        }
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes)?;
        let more = bytes.len() as u64 > limit;
        bytes.truncate(limit as usize);
        Ok((bytes, more))
    }

    /// A small file as text without the white space and NULs around it; `None` if it cannot be
    /// read or is empty.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let (bytes, _) = self.read(path, SMALL).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A small file that holds one number.
    pub(super) fn number<N: std::str::FromStr>(&self, path: &str) -> Option<N> {
        self.text(path)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifo_and_a_directory_are_refused_without_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::below(dir.path());
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.path().join("fifo"),
            rustix::fs::FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .unwrap();
        for path in ["fifo", "."] {
            let refused = files.read(path, 10).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{path}");
        }
        assert_eq!(
            files.read("none", 10).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn a_large_file_is_read_up_to_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f"), b" 123\0\n").unwrap();
        let files = Files::below(dir.path());
        assert_eq!(files.read("f", 3).unwrap(), (b" 12".to_vec(), true));
        assert_eq!(files.read("f", 6).unwrap(), (b" 123\0\n".to_vec(), false));
        assert_eq!(files.number::<u32>("f"), Some(123));
    }
}
