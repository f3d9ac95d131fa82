//! The medium that a directory lies on.

use std::path::Path;

use super::mounts::Mounts;

/// The medium that takes what is written to a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// It forgets when the power goes, and no call waits for it.
    Memory,
    /// It remembers, and may be slow.
    Disk,
}

impl Medium {
    /// The medium of the directory `path`, that of its upper directory if it is on an overlay; `None` if that cannot be found out.
    ///
    /// OpenWrt's root is an overlay. Until the flash is ready, and in failsafe mode, its upper directory is in memory.
    pub fn of(path: &Path) -> Option<Self> {
        let mounts = Mounts::read().ok()?;
        let mut mount = mounts.at(path)?;
        if let Some(upper) = mount.upper() {
            mount = mounts.at(&upper)?;
        }
        match mount.kind {
            b"tmpfs" | b"ramfs" | b"rootfs" | b"devtmpfs" => Some(Medium::Memory),
            // An overlay that is read only, or lies on another one.
            b"overlay" => None,
            _ => Some(Medium::Disk),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_no_disk() {
        let of = |path: &str| Medium::of(Path::new(path));
        assert_eq!(of("/dev/shm"), Some(Medium::Memory));
        assert_eq!(of("/proc"), Some(Medium::Disk));
        assert_eq!(of("/does/not/exist"), None);
    }
}
