//! Checkpoints of F2FS, without which a synced file may be lost to two power cuts.
//!
//! A sync of a file writes its node behind the last checkpoint, and the next mount finds it there: it rolls forward. Then
//! it writes the nodes it has found, from the same place on, and only after them a checkpoint of its own. If the power
//! goes in between, the next mount finds what was overwritten, and files are what they were at the checkpoint before the
//! sync. A sync of a directory writes a checkpoint of everything, and a mount that finds nothing behind it writes nothing.
//!
//! ```text
//!  checkpoint │ node, synced │ node, synced          power cut
//!  checkpoint │ node         │ node, synced          mount, power cut: the first is lost
//! ```

//!
//! The type of a file system is what `/proc/self/mountinfo` calls it, by the device of the directory: `statfs` has another
//! shape on 32-bit MIPS than rustix believes, and the kernel refuses it.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{fstat, major, minor};

/// True on F2FS, on an overlay that may have one below, and where nobody says what it is: a checkpoint in vain costs less than
/// a lost record.
pub(super) fn is_needed(directory: &OwnedFd) -> io::Result<bool> {
    let device = fstat(directory)?.st_dev;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok();
    let device = (major(device), minor(device));
    Ok(mounts.is_none_or(|mounts| needs(&mounts, device)))
}

/// True for a file system on the device with this major and minor number, by the lines of /proc/self/mountinfo.
fn needs(mounts: &str, (major, minor): (u32, u32)) -> bool {
    let device = format!("{major}:{minor}");
    let kinds = || mounts.lines().filter_map(kind);
    let kind = kinds().find_map(|(of, kind)| (of == device).then_some(kind));
    match kind {
        Some("f2fs") | None => true,
        // An overlay does not tell.
        Some("overlay") => kinds().any(|(_, kind)| kind == "f2fs"),
        Some(_) => false,
    }
}

/// The device of a line, and the type of the file system on it.
fn kind(line: &str) -> Option<(&str, &str)> {
    let (mount, on) = line.split_once(" - ")?;
    Some((mount.split(' ').nth(2)?, on.split(' ').next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENWRT: &str = "\
15 1 254:0 / /rom ro,relatime - squashfs /dev/root ro
19 1 7:0 / /overlay rw,noatime - f2fs /dev/loop0 rw
20 1 0:17 / / rw,noatime - overlay overlayfs:/overlay rw,lowerdir=/,upperdir=/overlay/upper,workdir=/overlay/work
21 20 0:18 / /tmp rw,nosuid - tmpfs tmpfs rw";

    #[test]
    fn f2fs_needs_one_and_an_overlay_that_may_have_f2fs_below() {
        assert!(needs(OPENWRT, (7, 0)));
        assert!(needs(OPENWRT, (0, 17)));
        assert!(!needs(OPENWRT, (0, 18)) && !needs(OPENWRT, (254, 0)));
        let without = OPENWRT.replace("- f2fs", "- jffs2");
        assert!(!needs(&without, (7, 0)) && !needs(&without, (0, 17)));
    }

    #[test]
    fn one_that_is_not_listed_may_need_it() {
        for mounts in ["", "garbage", OPENWRT] {
            assert!(needs(mounts, (9, 9)));
        }
    }

    #[test]
    fn memory_is_known() {
        let shm = fs::File::open("/dev/shm").unwrap();
        assert!(!is_needed(&shm.into()).unwrap());
    }
}
