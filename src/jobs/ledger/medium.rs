//! The medium that a directory lies on.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::statfs;

/// `f_type` of file systems in RAM, and of one that lies on others (linux/magic.h).
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;
const OVERLAYFS: u64 = 0x794c_7630;

/// True if files of the directory `path` survive a power cut. OpenWrt's root is an overlay; until the flash
/// is ready, and in failsafe mode, its upper directory is in RAM. False if it cannot be found out.
pub(in crate::jobs) fn is_persistent(path: &Path) -> bool {
    kind_below(path).is_some_and(|kind| !matches!(kind, TMPFS | RAMFS | OVERLAYFS))
}

/// True if the directory `path` is in RAM for certain: no call has to wait for its medium.
pub(super) fn is_in_ram(path: &Path) -> bool {
    kind_below(path).is_some_and(|kind| matches!(kind, TMPFS | RAMFS))
}

/// The type of the file system that takes what is written to the directory `path`.
fn kind_below(path: &Path) -> Option<u64> {
    let kind = kind(path)?;
    if kind != OVERLAYFS {
        return Some(kind);
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    self::kind(&upper(&mounts, path)?)
}

/// The type of the file system, as 32 bits: its width and sign differ between processors.
fn kind(path: &Path) -> Option<u64> {
    let kind = statfs(path).ok()?.f_type;
    Some(kind as u64 & 0xffff_ffff)
}

/// The upper directory of the overlay that holds `path`, of the lines of /proc/self/mountinfo.
fn upper(mounts: &str, path: &Path) -> Option<PathBuf> {
    let overlays = mounts.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let point = Path::new(before.split(' ').nth(4)?);
        let mut after = after.split(' ');
        let options = (after.next()? == "overlay").then(|| after.nth(1))??;
        let upper = options
            .split(',')
            .find_map(|option| option.strip_prefix("upperdir="))?;
        path.starts_with(point)
            .then(|| (point.as_os_str().len(), PathBuf::from(upper)))
    });
    // The last of those mounted on the same point covers the others.
    overlays.max_by_key(|(len, _)| *len).map(|(_, upper)| upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
15 1 0:14 / /rom ro,relatime - squashfs /dev/root ro
19 1 0:16 / /overlay rw,noatime - jffs2 /dev/mtdblock6 rw
20 1 0:17 / / rw,noatime - overlay overlayfs:/overlay rw,lowerdir=/,upperdir=/overlay/upper,workdir=/overlay/work
21 20 0:18 / /tmp rw,nosuid - tmpfs tmpfs rw";

    #[test]
    fn the_upper_directory_is_that_of_the_overlay_that_holds_the_path() {
        let found = upper(MOUNTS, Path::new("/etc/socketman/state"));
        assert_eq!(found.as_deref(), Some(Path::new("/overlay/upper")));
        assert_eq!(
            upper("garbage\n - \n1 2 3 4 5 - overlay", Path::new("/etc")),
            None
        );
        assert_eq!(upper("", Path::new("/etc")), None);
    }

    #[test]
    fn memory_is_no_disk() {
        let shm = Path::new("/dev/shm");
        assert!(!is_persistent(shm) && is_in_ram(shm));
        let nothing = Path::new("/does/not/exist");
        assert!(!is_persistent(nothing) && !is_in_ram(nothing));
        let proc = Path::new("/proc");
        assert!(!is_in_ram(proc));
    }
}
