//! A device as far as a package's scripts see it: a root of its own.

use std::fs::{self, Permissions};
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The stand-ins of what OpenWrt has.
const STAND_INS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../package/device");

/// Busybox as Debian has it; without its libraries, for a root that has none.
pub(crate) const BUSYBOX: &str = "/bin/busybox";

/// Directories that are there before a package is installed.
const DIRECTORIES: [&str; 7] = [
    "bin",
    "dev",
    "etc/config",
    "etc/init.d",
    "etc/rc.d",
    "tmp",
    "usr/lib/opkg/info",
];

/// A root with a shell, the stand-ins, and no package of ours.
pub(crate) struct Device {
    root: TempDir,
}

impl Device {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let device = Device { root };
        for dir in DIRECTORIES {
            fs::create_dir_all(device.path(dir)).unwrap();
        }
        fs::copy(BUSYBOX, device.path("bin/busybox"))
            .unwrap_or_else(|error| panic!("{BUSYBOX}: {error}; install Debian's busybox-static"));
        symlink("busybox", device.path("bin/sh")).unwrap();
        device.sh("/bin/busybox --install -s /bin");
        copy_tree(Path::new(STAND_INS), device.root.path());
        device.write("dev/null", "");
        device
    }

    /// Where a path of the device is on this machine.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A file's text; None if it is not there.
    pub(crate) fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok()
    }

    /// Permissions of a file or directory.
    pub(crate) fn mode(&self, path: &str) -> u32 {
        let meta = fs::metadata(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        meta.permissions().mode() & 0o7777
    }

    /// Runs a command line, which has to succeed; what it printed.
    pub(crate) fn sh(&self, command: &str) -> String {
        let output = self.try_sh(command, &[]);
        assert!(output.status.success(), "{command}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command line with these variables in its environment.
    pub(crate) fn try_sh(&self, command: &str, environment: &[(&str, &str)]) -> Output {
        Command::new("chroot")
            .arg(self.root.path())
            .args(["/bin/sh", "-c", command])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(environment.iter().copied())
            .output()
            .unwrap()
    }

    /// The calls to procd since the last look, one a line.
    pub(crate) fn procd(&self) -> Vec<String> {
        let told = self.read("tmp/procd").unwrap_or_default();
        self.write("tmp/procd", "");
        told.lines().map(str::to_owned).collect()
    }

    /// Every path below a directory with its mode and bytes, to compare.
    pub(crate) fn snapshot(&self, dir: &str) -> Vec<(PathBuf, u32, Vec<u8>)> {
        let mut found = Vec::new();
        let mut open = vec![self.path(dir)];
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                let meta = fs::symlink_metadata(&path).unwrap();
                let bytes = match meta.is_file() {
                    true => fs::read(&path).unwrap(),
                    false => Vec::new(),
                };
                if meta.is_dir() {
                    open.push(path.clone());
                }
                found.push((path, meta.permissions().mode(), bytes));
            }
        }
        found.sort();
        found
    }
}

fn copy_tree(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let from = entry.unwrap().path();
        let to = to.join(from.file_name().unwrap());
        if from.is_dir() {
            fs::create_dir_all(&to).unwrap();
            copy_tree(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

/// Writes a file with these permissions.
pub(crate) fn write_with_mode(path: &Path, bytes: &[u8], mode: u32) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}
