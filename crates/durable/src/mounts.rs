//! Mounts, as the kernel tells of them.
//!
//! Of an open file it tells through which mount it was reached (`/proc/self/fdinfo`), and of a mount its type
//! (`/proc/self/mountinfo`). Paths are not compared: a mount may be covered by another one above it, or have been moved. `statfs`,
//! which would tell the type too, has another shape on 32-bit MIPS than rustix believes, and the kernel refuses it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// All mounts of this process.
#[derive(Debug)]
pub(super) struct Mounts(Vec<u8>);

/// A mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mount<'a> {
    id: &'a [u8],
    /// Type of the file system.
    pub(super) kind: &'a [u8],
    options: &'a [u8],
}

impl Mounts {
    pub(super) fn read() -> io::Result<Self> {
        fs::read("/proc/self/mountinfo").map(Mounts)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Mount<'_>> {
        self.0.split(|byte| *byte == b'\n').filter_map(Mount::read)
    }

    /// The mount through which `file` was opened; `None` if it is not listed.
    pub(super) fn of(&self, file: impl AsFd) -> Option<Mount<'_>> {
        let info = format!("/proc/self/fdinfo/{}", file.as_fd().as_raw_fd());
        let info = fs::read_to_string(info).ok()?;
        self.with_id(info.lines().find_map(|line| line.strip_prefix("mnt_id:"))?)
    }

    /// The mount that holds the directory `path`.
    pub(super) fn at(&self, path: &Path) -> Option<Mount<'_>> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        self.of(rustix::fs::open(path, flags, Mode::empty()).ok()?)
    }

    fn with_id(&self, id: &str) -> Option<Mount<'_>> {
        let id = id.trim().as_bytes();
        self.all().find(|mount| mount.id == id)
    }
}

impl<'a> Mount<'a> {
    /// Reads `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS FIELD… - TYPE SOURCE OPTIONS`.
    fn read(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let id = fields.next()?;
        fields.find(|field| field == b"-")?;
        Some(Mount {
            id,
            kind: fields.next()?,
            options: fields.nth(1)?,
        })
    }

    /// The directory that takes what is written to an overlay.
    pub(super) fn upper(&self) -> Option<PathBuf> {
        let is_overlay = self.kind == b"overlay";
        let mut options = self.options.split(|byte| *byte == b',');
        let upper = options.find_map(|option| option.strip_prefix(b"upperdir="));
        upper
            .filter(|_| is_overlay)
            .map(|upper| OsString::from_vec(unescaped(upper)).into())
    }
}

/// Bytes as they were before the kernel wrote some as `\` and three octal digits.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        let (byte, behind) = match rest {
            [b'\\', high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', behind @ ..] => {
                let digits = [high, middle, low].map(|digit| digit - b'0');
                (digits[0] << 6 | digits[1] << 3 | digits[2], behind)
            }
            _ => (first, behind),
        };
        bytes.push(byte);
        rest = behind;
    }
    bytes
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A router with an overlay on `disk`, with names that the kernel escapes, and with one that is not UTF-8.
    pub(crate) fn router(disk: &str) -> Mounts {
        let mut text = format!(
            "15 1 254:0 / /rom ro,relatime - squashfs /dev/root ro\n\
             19 1 7:0 / /overlay rw,noatime - {disk} /dev/loop0 rw\n\
             20 1 0:17 / / rw shared:1 master:2 - overlay overlayfs:/overlay rw,lowerdir=/,upperdir=/overlay/upper\n\
             21 20 0:18 / /tmp rw,nosuid - tmpfs tmpfs rw\n\
             22 21 8:1 / /tmp/usb\\040disk rw - ext4 /dev/sda1 rw\n\
             23 20 0:19 / /mnt rw - overlay overlay rw,upperdir=/a\\040b\\054\\134c,workdir=/w\n"
        )
        .into_bytes();
        text.extend(b"24 20 0:20 / /mnt/Gr\xfcn rw - cifs //nas/Gr\xfcn rw\n");
        Mounts(text)
    }

    #[test]
    fn a_mount_is_found_by_its_number() {
        let mounts = router("jffs2");
        let kind = |id| mounts.with_id(id).map(|mount| mount.kind);
        assert_eq!(kind("\t19"), Some(&b"jffs2"[..]));
        assert_eq!(kind("\t22"), Some(&b"ext4"[..]));
        assert_eq!(kind("\t24"), Some(&b"cifs"[..]));
        assert_eq!(kind("\t2"), None);
        assert_eq!(mounts.all().count(), 7);
    }

    #[test]
    fn an_overlay_names_its_upper_directory() {
        let mounts = router("jffs2");
        let upper = |id| mounts.with_id(id).and_then(|mount| mount.upper());
        assert_eq!(upper("20"), Some("/overlay/upper".into()));
        assert_eq!(upper("21"), None);
        assert_eq!(upper("23"), Some("/a b,\\c".into()));
    }

    #[test]
    fn rubbish_is_no_mount() {
        for text in ["", "garbage", "1 2 3 4 / -", "1 2 3 4 / - overlay", "- - -"] {
            assert_eq!(Mounts(text.into()).all().next(), None, "{text}");
        }
        assert_eq!(unescaped(b"\\04\\400\\"), b"\\04\\400\\");
    }

    #[test]
    fn the_mounts_of_this_computer_are_told_apart() {
        let mounts = Mounts::read().unwrap();
        let kind = |path: &str| mounts.at(Path::new(path)).map(|mount| mount.kind);
        assert_eq!(kind("/proc"), Some(&b"proc"[..]));
        assert_eq!(kind("/proc/self"), Some(&b"proc"[..]));
        assert_eq!(kind("/sys"), Some(&b"sysfs"[..]));
        assert_eq!(kind("/dev/shm"), Some(&b"tmpfs"[..]));
        assert_eq!(kind("/does/not/exist"), None);
    }
}
