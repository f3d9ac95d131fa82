//! The first file system of the machine, as the kernel unpacks it to memory.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::flash;
use super::kernel::Kernel;

/// Of Debian's kernel. The checksums and zstd are asked for by name while a file system is mounted.
const MODULES: [&str; 13] = [
    "virtio_pci",
    "virtio_blk",
    "virtio_console",
    "crc32c_generic",
    "crc32_generic",
    "zstd",
    "ext4",
    "f2fs",
    "jffs2",
    "ubifs",
    "loop",
    "squashfs",
    "overlay",
];

/// An archive in the format "newc", see the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
#[derive(Debug, Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    directories: BTreeSet<PathBuf>,
}

impl Archive {
    fn add(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let words = [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            content.len() as u32,
            0,
            0,
            0,
            0,
            name.len() as u32 + 1,
            0,
        ];
        self.bytes.extend(b"070701");
        let words = words.map(|word| format!("{word:08x}"));
        self.bytes.extend(words.concat().as_bytes());
        self.bytes.extend(name.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn directory(&mut self, path: &Path) {
        if path.as_os_str().is_empty() || !self.directories.insert(path.to_owned()) {
            return;
        }
        if let Some(parent) = path.parent() {
            self.directory(parent);
        }
        self.add(&path.to_string_lossy(), 0o040_755, &[]);
    }

    fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        let path = Path::new(path.trim_start_matches('/'));
        if let Some(parent) = path.parent() {
            self.directory(parent);
        }
        self.add(&path.to_string_lossy(), 0o100_000 | mode, content);
    }

    fn end(mut self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, &[]);
        self.bytes
    }
}

/// The files that go in.
#[derive(Debug)]
pub struct Contents<'a> {
    pub kernel: &'a Kernel,
    /// The module that is flash.
    pub flash: &'a Path,
    /// Programs of mtd-utils.
    pub ubi: [PathBuf; 2],
    /// A squashfs to lie below overlays.
    pub rom: &'a Path,
}

impl Contents<'_> {
    /// Makes the archive, with this program in it; `work` is a directory for what is needed on the way.
    ///
    /// # Errors
    ///
    /// A file that is not there.
    pub fn archive(&self, work: &Path) -> io::Result<Vec<u8>> {
        let mut archive = Archive::default();
        for path in ["proc", "sys", "dev", "tmp", "mnt", "rom"] {
            archive.directory(Path::new(path));
        }
        archive.file("init", 0o755, include_bytes!("../init.sh"));
        archive.file("bin/busybox", 0o755, &fs::read("/bin/busybox")?);
        let program = work.join("program");
        let strip = Command::new("strip")
            .arg("-o")
            .arg(&program)
            .arg(std::env::current_exe()?)
            .status()?;
        if !strip.success() {
            return Err(io::Error::other("strip failed"));
        }
        let mut libraries = BTreeSet::new();
        let programs = [
            (&program, "socketman-power"),
            (&self.ubi[0], "ubiattach"),
            (&self.ubi[1], "ubidetach"),
        ];
        for (path, name) in programs {
            archive.file(&format!("bin/{name}"), 0o755, &fs::read(path)?);
            libraries.extend(needed(path)?);
        }
        for path in libraries {
            archive.file(&path, 0o755, &fs::read(&path)?);
        }
        let mut modules = self.kernel.modules(&MODULES)?;
        modules.push(self.flash.to_owned());
        for (at, path) in modules.iter().enumerate() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            archive.file(
                &format!("lib/modules/{at:02}-{name}"),
                0o644,
                &fs::read(path)?,
            );
        }
        archive.file("etc/flash", 0o644, flash::parameters().as_bytes());
        archive.file("rom.squashfs", 0o644, &fs::read(self.rom)?);
        Ok(archive.end())
    }
}

/// Paths of the libraries of a program, its loader among them.
fn needed(program: &Path) -> io::Result<Vec<String>> {
    let output = Command::new("ldd").arg(program).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let paths = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        words.find(|word| word.starts_with('/')).map(str::to_owned)
    });
    Ok(paths.collect())
}
