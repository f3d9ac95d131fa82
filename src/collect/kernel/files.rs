//! Files below the root directory, read bounded and without ever waiting for somebody to write.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use log::debug;

use super::netlink;
use crate::collect::join::hosts::{Hint, MAX_NEIGHBOURS};
use crate::collect::sources::dhcp::leases::Leases;
use crate::process::file::under;
use crate::process::file::{read_up_to, KernelFile};

/// Largest of the kernel's small files that is read whole.
const SMALL: u64 = 64 << 10;

/// Bytes of a table with a line for each station that are looked at.
const MAX_TABLE: u64 = 1 << 20;

/// Bytes of one of the kernel's tables that are looked at: some 100,000 routes.
const MAX_LINES_BYTES: u64 = 16 << 20;

/// Bytes of a line of such a table.
const MAX_LINE: u64 = 1024;

/// Files of /proc that stay open: as many as a collection reads, and two more.
const KEPT_OPEN: usize = 8;

/// Open files by their paths.
type Open = Vec<(String, Arc<File>)>;

/// The tree that holds `/proc`, `/sys`, `/etc` and `/tmp`.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    root: PathBuf,
    /// Looked up once.
    is_this_machine: OnceLock<bool>,
    /// The files of /proc that were read: they are asked for at every collection.
    open: Arc<Mutex<Open>>,
}

impl Files {
    pub(crate) fn below(root: &Path) -> Self {
        Files {
            root: root.into(),
            is_this_machine: OnceLock::new(),
            open: Arc::default(),
        }
    }

    /// The first `limit` bytes of a file, and whether there are more. `path` is relative.
    ///
    /// # Errors
    ///
    /// As of open and read; what is neither a regular file nor the kernel's is an invalid input.
    pub(crate) fn read(&self, path: &str, limit: u64) -> io::Result<(Vec<u8>, bool)> {
        match ["proc/", "sys/"].iter().any(|of| path.starts_with(of)) {
            true => self.kernel(path)?.read_up_to(limit),
            false => read_up_to(&self.root.join(path), limit),
        }
    }

    /// A file of the kernel, opened if it is not open yet.
    fn kernel(&self, path: &str) -> io::Result<KernelFile> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let known = open.iter().find(|(of, _)| of == path);
        let file = match known {
            Some((_, file)) => Arc::clone(file),
            None => KernelFile::open(&self.root.join(path))?,
        };
        if known.is_none() && path.starts_with("proc/") && open.len() < KEPT_OPEN {
            open.push((path.to_owned(), Arc::clone(&file)));
        }
        Ok(KernelFile::again(file))
    }

    /// A small file as text without the white space and NULs around it; `None` if it cannot be
    /// read or is empty.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        let (bytes, _) = self.read(path, SMALL).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Calls `line` for each line of a table of the kernel, which may be long: of 65,000 routes no more is
    /// kept than a line. False if it cannot be read to its end.
    pub(crate) fn lines(&self, path: &str, line: &mut dyn FnMut(&str)) -> bool {
        let Ok(file) = self.kernel(path) else {
            return false;
        };
        let mut table = BufReader::with_capacity(16 << 10, file.take(MAX_LINES_BYTES));
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            match table.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes) {
                Ok(0) => return table.get_ref().limit() > 0,
                Ok(_) => line(String::from_utf8_lossy(&bytes).trim_end()),
                Err(error) => {
                    debug!("{path}: {error}");
                    return false;
                }
            }
        }
    }

    /// True if there is something at `path`.
    pub(crate) fn exists(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// Leases of dnsmasq, by its lease file at `path`, which is absolute; `now` in seconds
    /// since the epoch.
    pub(crate) fn leases(&self, path: &Path, now: u64) -> Option<Leases> {
        let read = read_up_to(&under(&self.root, path), MAX_TABLE);
        let (bytes, more) = read
            .inspect_err(|error| debug!("{}: {error}", path.display()))
            .ok()?;
        let mut leases = Leases::of_file(&bytes, now);
        // Their number is unknown.
        leases.left_out += usize::from(more);
        Some(leases)
    }

    /// The kernel's neighbours, those of IPv6 as far as the tree is this machine's own: they are in no
    /// file. Tells `missing` of those that did not fit.
    pub(crate) fn neighbours(&self, missing: &mut Vec<String>) -> Vec<Hint> {
        let read = self.read("proc/net/arp", MAX_TABLE);
        let (table, more) = read.unwrap_or_default();
        let (mut neighbours, beyond) = Hint::read_neighbours(&String::from_utf8_lossy(&table));
        // The number of those in the rest of the file is unknown.
        let mut beyond = beyond + usize::from(more);
        if self.is_this_machine() {
            match netlink::neighbours() {
                Ok(found) => {
                    let (found, more) = Hint::of_neighbours(found);
                    neighbours.extend(found);
                    beyond += more;
                }
                Err(error) => debug!("neighbours of IPv6: {error}"),
            }
        }
        if beyond > 0 {
            missing.push(format!("{beyond} neighbours beyond {MAX_NEIGHBOURS}"));
        }
        neighbours
    }

    /// True if the tree is that of the running kernel and its network, which may be asked then.
    pub(crate) fn is_this_machine(&self) -> bool {
        let network = |root: &Path| {
            let space = fs::metadata(root.join("proc/self/ns/net")).ok()?;
            Some((space.dev(), space.ino()))
        };
        let machine = Path::new("/");
        self.root == machine
            || *self.is_this_machine.get_or_init(|| {
                network(&self.root).is_some_and(|ours| network(machine) == Some(ours))
            })
    }

    /// A small file that holds one number.
    pub(crate) fn number<N: std::str::FromStr>(&self, path: &str) -> Option<N> {
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
