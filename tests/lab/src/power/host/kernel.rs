//! Debian's kernel, as it boots soonest: not packed.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The kernel and its modules below a root that packages were unpacked to.
#[derive(Debug, Clone)]
pub struct Kernel {
    packed: PathBuf,
    modules: PathBuf,
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

impl Kernel {
    /// Finds the newest kernel below `root`.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn find(root: &Path) -> io::Result<Self> {
        let boot = fs::read_dir(root.join("boot"))?;
        let names = boot.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut releases: Vec<String> = names
            .filter_map(|name| Some(name.strip_prefix("vmlinuz-")?.to_owned()))
            .collect();
        releases.sort();
        let release = releases.pop().ok_or(io::ErrorKind::NotFound)?;
        Ok(Kernel {
            packed: root.join(format!("boot/vmlinuz-{release}")),
            modules: root.join("lib/modules").join(release),
        })
    }

    /// Unpacks the kernel to `out`; see the kernel's Documentation/arch/x86/boot.rst for the header.
    ///
    /// # Errors
    ///
    /// A kernel that is not packed with xz.
    pub fn unpack(&self, out: &Path) -> io::Result<()> {
        let image = fs::read(&self.packed)?;
        let word = |at: usize| {
            let bytes = image.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_le_bytes(bytes) as usize)
        };
        let payload = || {
            let setup = (usize::from(*image.get(0x1f1)?) + 1) * 512;
            let begin = setup + word(0x248)?;
            // The last four bytes are the length of what was packed.
            image.get(begin..begin + word(0x24c)? - 4)
        };
        let payload = payload().ok_or_else(|| invalid("is no kernel"))?.to_vec();
        let mut xz = Command::new("xz")
            .args(["-dc", "--single-stream"])
            .stdin(Stdio::piped())
            .stdout(fs::File::create(out)?)
            .spawn()?;
        let mut input = xz.stdin.take().ok_or_else(|| invalid("xz has no input"))?;
        input.write_all(&payload)?;
        drop(input);
        match xz.wait()?.success() {
            true => Ok(()),
            false => Err(invalid("the kernel is not packed with xz")),
        }
    }

    /// The files of modules and all they need, in the order in which they can be loaded.
    ///
    /// # Errors
    ///
    /// depmod has not run, or there is no such module.
    pub fn modules(&self, names: &[&str]) -> io::Result<Vec<PathBuf>> {
        let all = fs::read_to_string(self.modules.join("modules.dep"))?;
        let mut order: Vec<PathBuf> = Vec::new();
        for name in names {
            let file = format!("/{name}.ko");
            let line = all.lines().find_map(|line| {
                let (module, needs) = line.split_once(':')?;
                module.ends_with(&file).then_some((module, needs))
            });
            let (module, needs) = line.ok_or_else(|| invalid(&format!("no module {name}")))?;
            // The one needed first stands last.
            for path in needs.split_whitespace().rev().chain([module]) {
                let path = self.modules.join(path);
                if !order.contains(&path) {
                    order.push(path);
                }
            }
        }
        Ok(order)
    }
}
