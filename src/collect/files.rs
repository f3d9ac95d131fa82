//! Files below the root directory, read bounded and without ever waiting for somebody to write.

use std::io;
use std::path::{Path, PathBuf};

use crate::file::read_up_to;

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
        read_up_to(&self.root.join(path), limit)
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
    fn white_space_and_nuls_around_a_text_are_none_of_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f"), b" 123\0\n").unwrap();
        std::fs::write(dir.path().join("empty"), b" \0\n").unwrap();
        let files = Files::below(dir.path());
        assert_eq!(files.text("f").as_deref(), Some("123"));
        assert_eq!(files.number::<u32>("f"), Some(123));
        assert_eq!(files.text("empty"), None);
        assert_eq!(files.text("none"), None);
    }
}
