//! The version that ran last on this device.

use std::io;
use std::path::Path;

use durable::{read_whole, replace, Directory};

const FILE: &str = "version";

/// Longest file that is read, bytes.
const FILE_MAX: u64 = 256;

/// Is this the first start of this version? It is remembered in `dir`; where that cannot be, no start is
/// the first.
pub(super) fn is_new(dir: &Path) -> bool {
    let version = concat!(env!("CARGO_PKG_VERSION"), "\n");
    let remember = || -> io::Result<bool> {
        let mut dir = Directory::open(dir)?;
        if read_whole(&mut dir, FILE, FILE_MAX).is_ok_and(|last| last == version.as_bytes()) {
            return Ok(false);
        }
        replace(&mut dir, FILE, version.as_bytes())?;
        Ok(true)
    };
    remember().unwrap_or_else(|error| {
        log::warn!("{}/{FILE}: {error}", dir.display());
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_of_a_version_is_the_first_once() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("state");
        assert!(is_new(&dir));
        assert!(!is_new(&dir));
        std::fs::write(dir.join(FILE), "0.0.1\n").unwrap();
        assert!(is_new(&dir));
        assert!(!is_new(&dir));
    }

    #[test]
    fn where_nothing_can_be_remembered_no_start_is_the_first() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("state");
        std::fs::write(&dir, "in the way").unwrap();
        assert!(!is_new(&dir));
    }
}
