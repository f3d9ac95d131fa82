//! The device and the firmware that a journal belongs to.

use std::path::Path;

use crate::identity;
use crate::process::file::read_small;
use crate::process::file::under;

/// Where the release names itself.
const RELEASE: &str = "/etc/openwrt_release";

/// Where the boot loader's name of the board is.
const BOARD: &str = "/tmp/sysinfo/board_name";

/// Largest of these files, bytes.
const FILE_MAX: u64 = 4096;

/// Most addresses of the hardware that are written down.
const MACS_MAX: usize = 32;

/// Boot, release, board and hardware; empty where the device does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The kernel's id of the boot.
    pub boot: String,
    pub revision: String,
    pub board: String,
    /// Permanent addresses.
    pub macs: Vec<String>,
}

impl Place {
    /// The device below `root`, in the boot that the kernel names `boot`.
    pub fn look(root: &Path, boot: &str) -> Self {
        let read = |path| {
            let bytes = read_small(&under(root, Path::new(path)), FILE_MAX);
            bytes.map_or(String::new(), |bytes| {
                String::from_utf8_lossy(&bytes).into_owned()
            })
        };
        let release = read(RELEASE);
        let mut lines = release.lines();
        let revision = lines.find_map(|line| line.strip_prefix("DISTRIB_REVISION="));
        let macs = identity::hardware_macs(root);
        Place {
            boot: boot.to_owned(),
            revision: revision
                .unwrap_or_default()
                .trim_matches(['\'', '"'])
                .to_owned(),
            board: read(BOARD).trim().to_owned(),
            macs: macs
                .iter()
                .take(MACS_MAX)
                .map(ToString::to_string)
                .collect(),
        }
    }

    /// Is it another release, another board or another piece of hardware than `other`? A card may be missing
    /// for a while, so that one address in common is enough.
    pub fn is_other_firmware(&self, other: &Place) -> bool {
        let is_known = !self.macs.is_empty() && !other.macs.is_empty();
        let has_moved = is_known && !self.macs.iter().any(|mac| other.macs.contains(mac));
        self.revision != other.revision || self.board != other.board || has_moved
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn release_board_and_hardware_tell_one_firmware_from_another() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("etc")).unwrap();
        fs::create_dir_all(at("tmp/sysinfo")).unwrap();
        let release = "DISTRIB_ID='OpenWrt'\nDISTRIB_REVISION='r28739-d9340319c6'\n";
        fs::write(at("etc/openwrt_release"), release).unwrap();
        fs::write(at("tmp/sysinfo/board_name"), "glinet,gl-mt300n-v2\n").unwrap();
        let place = Place::look(root.path(), "boot-1");
        assert_eq!(place.revision, "r28739-d9340319c6");
        assert_eq!(place.board, "glinet,gl-mt300n-v2");
        let again = Place::look(root.path(), "boot-2");
        assert!(!again.is_other_firmware(&place));
        let with = |macs: &[&str]| Place {
            macs: macs.iter().map(|mac| (*mac).to_owned()).collect(),
            ..place.clone()
        };
        assert!(!with(&["a", "b"]).is_other_firmware(&with(&["b"])));
        assert!(with(&["a"]).is_other_firmware(&with(&["b"])));
        assert!(!with(&[]).is_other_firmware(&with(&["b"])));
        fs::write(at("tmp/sysinfo/board_name"), "other\n").unwrap();
        assert!(Place::look(root.path(), "boot-2").is_other_firmware(&place));
        fs::write(at("etc/openwrt_release"), "").unwrap();
        assert!(Place::look(root.path(), "boot-2").is_other_firmware(&place));
    }
}
