//! The medium that a directory lies on.

use std::fs;
use std::path::Path;

/// True if files of the directory `path` survive a power cut. OpenWrt's root is an overlay; until the flash
/// is ready, and in failsafe mode, its upper directory is in RAM. False if it cannot be found out.
pub(in crate::jobs) fn is_persistent(path: &Path) -> bool {
    kind_below(path).is_some_and(|kind| kind != "overlay" && !is_memory(&kind))
}

/// True if the directory `path` is in RAM for certain: no call has to wait for its medium.
pub(super) fn is_in_ram(path: &Path) -> bool {
    kind_below(path).is_some_and(|kind| is_memory(&kind))
}

fn is_memory(kind: &str) -> bool {
    matches!(kind, "tmpfs" | "ramfs" | "rootfs")
}

/// The type of the file system that takes what is written to the directory `path`.
fn kind_below(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mount = Mount::of(&mounts, &path)?;
    let below = match mount.upper() {
        Some(upper) => Mount::of(&mounts, upper)?,
        None => mount,
    };
    Some(below.kind.to_owned())
}

/// A line of /proc/self/mountinfo. `statfs`, which would tell the type too, has another shape on 32-bit MIPS than rustix
/// believes, and the kernel refuses it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Mount<'a> {
    point: &'a Path,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split(' ');
        Some(Mount {
            point: Path::new(before.split(' ').nth(4)?),
            kind: after.next()?,
            options: after.nth(1)?,
        })
    }

    /// The one that holds `path`.
    fn of(mounts: &'a str, path: &Path) -> Option<Self> {
        let holding = mounts.lines().filter_map(Mount::read);
        let holding = holding.filter(|mount| path.starts_with(mount.point));
        // The last of those mounted on the same point covers the others.
        holding.max_by_key(|mount| mount.point.as_os_str().len())
    }

    /// The directory that takes what is written to an overlay.
    fn upper(&self) -> Option<&'a Path> {
        let mut options = self.options.split(',').filter(|_| self.kind == "overlay");
        options.find_map(|option| option.strip_prefix("upperdir=").map(Path::new))
    }
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
    fn what_is_written_to_an_overlay_lies_where_its_upper_directory_does() {
        let root = Mount::of(MOUNTS, Path::new("/etc/socketman/state")).unwrap();
        assert_eq!(root.upper(), Some(Path::new("/overlay/upper")));
        assert_eq!(
            Mount::of(MOUNTS, root.upper().unwrap()).unwrap().kind,
            "jffs2"
        );
        let tmp = Mount::of(MOUNTS, Path::new("/tmp/x")).unwrap();
        assert_eq!((tmp.kind, tmp.upper()), ("tmpfs", None));
        for mounts in ["", "garbage\n - \n1 2 3 4 / - overlay"] {
            assert_eq!(Mount::of(mounts, Path::new("/etc")), None);
        }
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
