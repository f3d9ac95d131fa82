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

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

/// F2FS_SUPER_MAGIC
const F2FS: u32 = 0xf2f5_2010;

/// OVERLAYFS_SUPER_MAGIC
const OVERLAY: u32 = 0x794c_7630;

/// True on F2FS, and on an overlay that may have one below.
pub(super) fn is_needed(directory: &OwnedFd) -> io::Result<bool> {
    // The type is signed or not and has 4 or 8 bytes, as the processor wants it.
    let kind = rustix::fs::fstatfs(directory)?.f_type as u32;
    Ok(needs(kind, &|| fs::read_to_string("/proc/mounts").ok()))
}

/// True for a file system of this type on a device with these lines of /proc/mounts, if they can be read.
fn needs(kind: u32, mounts: &dyn Fn() -> Option<String>) -> bool {
    match kind {
        F2FS => true,
        // An overlay does not tell. A checkpoint in vain costs less than a lost record.
        OVERLAY => mounts().is_none_or(|mounts| has_f2fs(&mounts)),
        _ => false,
    }
}

/// True if one of the lines of /proc/mounts is of F2FS.
fn has_f2fs(mounts: &str) -> bool {
    let mut lines = mounts.lines();
    lines.any(|line| line.split(' ').nth(2) == Some("f2fs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f2fs_needs_one_and_an_overlay_that_may_have_f2fs_below() {
        let without = || Some("/dev/root / ext4 rw 0 0\n".to_owned());
        assert!(needs(F2FS, &without));
        assert!(needs(OVERLAY, &|| None));
        assert!(needs(OVERLAY, &|| Some(
            "/dev/loop0 /overlay f2fs rw 0 0".into()
        )));
        assert!(!needs(OVERLAY, &without));
        let ubifs = 0x2405_1905;
        assert!(!needs(ubifs, &|| Some("/dev/sda1 /mnt f2fs rw 0 0".into())));
    }

    #[test]
    fn f2fs_below_an_overlay_is_seen() {
        let openwrt = "/dev/root /rom squashfs ro,relatime 0 0\n\
             /dev/loop0 /overlay f2fs rw,lazytime,noatime 0 0\n\
             overlayfs:/overlay / overlay rw,noatime,lowerdir=/,upperdir=/overlay/upper 0 0\n";
        assert!(has_f2fs(openwrt));
        assert!(!has_f2fs(&openwrt.replace("/overlay f2fs", "/f2fs ext4")));
    }
}
