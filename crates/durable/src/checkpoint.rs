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

use std::os::fd::OwnedFd;

use super::mounts::{Mount, Mounts};

/// True on F2FS, on an overlay that may have one below, and where nobody says what it is: a checkpoint in vain costs less than
/// a lost record.
pub(super) fn is_needed(directory: &OwnedFd) -> bool {
    let mounts = Mounts::read();
    mounts.map_or(true, |mounts| needs(&mounts, mounts.of(directory)))
}

fn needs(mounts: &Mounts, mount: Option<Mount<'_>>) -> bool {
    match mount.map(|mount| mount.kind) {
        Some(b"f2fs") | None => true,
        // The upper directory it tells of may have been moved since.
        Some(b"overlay") => mounts.all().any(|mount| mount.kind == b"f2fs"),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::mounts::tests::router;
    use super::*;

    #[test]
    fn f2fs_needs_one_and_an_overlay_that_may_have_f2fs_below() {
        let needed = |disk: &str, on: &str| {
            let mounts = router(disk);
            let mount = mounts.all().find(|mount| mount.kind == on.as_bytes());
            assert!(mount.is_some(), "{on}");
            needs(&mounts, mount)
        };
        assert!(needed("f2fs", "f2fs") && needed("f2fs", "overlay"));
        assert!(!needed("f2fs", "tmpfs") && !needed("f2fs", "squashfs"));
        assert!(!needed("jffs2", "jffs2") && !needed("jffs2", "overlay"));
    }

    #[test]
    fn one_that_is_not_listed_may_need_it() {
        assert!(needs(&router("jffs2"), None));
        // The kernel's own mount of pipes is in no list.
        let (pipe, _writer) = std::io::pipe().unwrap();
        assert!(is_needed(&pipe.into()));
    }

    #[test]
    fn memory_is_known() {
        let shm = std::fs::File::open("/dev/shm").unwrap();
        assert!(!is_needed(&shm.into()));
    }
}
