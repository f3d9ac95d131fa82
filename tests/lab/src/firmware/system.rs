//! The system on the router's flash: its release, the agent, what its package manager knows, and what an upgrade
//! keeps of the settings.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::image::{Image, Release};
use super::package::{Package, Version};

/// The agent that runs.
pub const AGENT: &str = "usr/sbin/socketman";

/// The agent of the image, below the overlay.
pub const ROM_AGENT: &str = "rom/usr/sbin/socketman";

/// Packages that opkg takes for installed.
const STATUS: &str = "usr/lib/opkg/status";

/// The package as it is built: the files that an upgrade keeps stand there.
const MAKEFILE: &str = include_str!("../../../../Makefile");

const APK: &str = include_str!("../../device/apk");

/// Files that an upgrade of OpenWrt keeps by itself, as far as the lab has them.
const KEPT: &str = "/etc/config/\n";

/// Folders that are not on the flash or belong to the hardware.
const ELSEWHERE: [&str; 5] = ["tmp", "var", "proc", "sys", "etc"];

/// The package manager of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    Opkg,
    Apk,
}

/// The flash of the router whose files are below a root.
#[derive(Debug, Clone)]
pub struct System {
    root: PathBuf,
    /// The agent that images bring.
    agent: Version,
    manager: Manager,
}

impl System {
    /// Puts the agent, its package and the lists of what is kept on a router that has none of them.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn install(root: &Path, agent: &Path, manager: Manager) -> io::Result<Self> {
        let system = System {
            root: root.to_owned(),
            agent: Version::of(agent),
            manager,
        };
        system.fill(true)?;
        Ok(system)
    }

    /// The version that its images bring.
    pub fn version(&self) -> &Version {
        &self.agent
    }

    /// The file that is started as the agent, if it is there.
    pub fn program(&self) -> Option<PathBuf> {
        let path = self.root.join(AGENT);
        path.is_file().then_some(path)
    }

    /// The version of the agent that the package manager has installed.
    pub fn installed(&self) -> Option<String> {
        let path = match self.manager {
            Manager::Opkg => self.root.join(STATUS),
            Manager::Apk => self.info().join("socketman.control"),
        };
        let control = fs::read_to_string(path).ok()?;
        let version = control
            .lines()
            .find_map(|line| line.strip_prefix("Version: "));
        version.map(str::to_owned)
    }

    /// The version that is installed, if its program is that of the images or was made in `dir` by
    /// [`Version::later`]; else that of the images.
    pub fn running(&self, dir: &Path) -> Version {
        let installed = self.installed().unwrap_or_default();
        let number = installed.split("-r").next().unwrap_or_default();
        let program = dir.join(format!("socketman-{number}"));
        match program.is_file() {
            true => Version {
                number: number.to_owned(),
                program,
            },
            false => self.agent.clone(),
        }
    }

    /// Takes the agent out of the image that runs: what is installed of it lies in the overlay alone.
    ///
    /// # Errors
    ///
    /// The file cannot be removed.
    pub fn take_out_of_rom(&self) -> io::Result<()> {
        fs::remove_file(self.root.join(ROM_AGENT))
    }

    /// Writes an image over the system. `settings` is an archive of the files that are kept.
    ///
    /// # Errors
    ///
    /// A file cannot be written, or the archive cannot be read.
    pub fn flash(&self, image: &Image, settings: Option<&Path>) -> io::Result<()> {
        let settings = settings.map(fs::read).transpose()?;
        let board = fs::read(self.root.join("etc/board.json")).ok();
        for entry in self.root.read_dir()? {
            let entry = entry?;
            let name = entry.file_name();
            if !ELSEWHERE.iter().any(|elsewhere| *elsewhere == name) {
                remove(&entry.path())?;
            }
        }
        // A file system of its own, perhaps.
        for entry in self.root.join("etc").read_dir()? {
            remove(&entry?.path())?;
        }
        if let Some(board) = board {
            self.write("etc/board.json", &board, 0o644)?;
        }
        self.name_release(&image.release)?;
        self.fill(image.agent)?;
        if let Some(settings) = settings {
            let archive = self.root.join("tmp/kept.tgz");
            fs::write(&archive, settings)?;
            let mut unpack = Command::new("tar");
            unpack.arg("xzf").arg(&archive).arg("-C").arg(&self.root);
            let unpacked = unpack.status()?;
            if !unpacked.success() {
                return Err(io::Error::other(format!("tar: {unpacked}")));
            }
        }
        Ok(())
    }

    /// The files of a fresh system.
    fn fill(&self, with_agent: bool) -> io::Result<()> {
        self.write("lib/upgrade/keep.d/base-files", KEPT.as_bytes(), 0o644)?;
        if self.manager == Manager::Apk {
            self.write("usr/bin/apk", APK.as_bytes(), 0o755)?;
        }
        if !with_agent {
            return Ok(());
        }
        self.write("lib/upgrade/keep.d/socketman", kept().as_bytes(), 0o644)?;
        let package = Package::of(self.agent.clone());
        let info = self.info();
        let path = |name: &str| info.join(format!("socketman.{name}"));
        let control = package.control_file();
        self.write(path("control"), control.as_bytes(), 0o644)?;
        if self.manager == Manager::Opkg {
            self.write(STATUS, control.as_bytes(), 0o644)?;
        }
        for (name, script) in Package::scripts() {
            self.write(path(name), script.as_bytes(), 0o755)?;
        }
        for path in [AGENT, ROM_AGENT] {
            let path = self.root.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            copy(&self.agent.program, &path)?;
        }
        Ok(())
    }

    fn info(&self) -> PathBuf {
        self.root.join(match self.manager {
            Manager::Opkg => "usr/lib/opkg/info",
            Manager::Apk => "lib/apk/packages",
        })
    }

    fn name_release(&self, release: &Release) -> io::Result<()> {
        let Release { version, revision } = release;
        let text = format!(
            "DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='{version}'\nDISTRIB_REVISION='{revision}'\n\
             DISTRIB_TARGET='mediatek/filogic'\nDISTRIB_ARCH='aarch64_cortex-a53'\n\
             DISTRIB_DESCRIPTION='OpenWrt {version} {revision}'\nDISTRIB_TAINTS=''\n"
        );
        self.write("etc/openwrt_release", text.as_bytes(), 0o644)?;
        let text = format!("{revision}\n");
        self.write("etc/openwrt_version", text.as_bytes(), 0o644)?;
        let text = format!(
            "NAME=\"OpenWrt\"\nVERSION=\"{version}\"\nID=\"openwrt\"\nID_LIKE=\"lede openwrt\"\n\
             PRETTY_NAME=\"OpenWrt {version}\"\nVERSION_ID=\"{version}\"\nBUILD_ID=\"{revision}\"\n\
             OPENWRT_BOARD=\"mediatek/filogic\"\nOPENWRT_ARCH=\"aarch64_cortex-a53\"\n\
             OPENWRT_RELEASE=\"OpenWrt {version} {revision}\"\n"
        );
        self.write("etc/os-release", text.as_bytes(), 0o644)
    }

    fn write(&self, path: impl AsRef<Path>, bytes: &[u8], mode: u32) -> io::Result<()> {
        let path = self.root.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, bytes)?;
        fs::set_permissions(&path, Permissions::from_mode(mode))
    }
}

/// Copies a program. Where that is more than another name, another process does it: one that a thread of this
/// process starts meanwhile would have the copy open for writing for a moment, and nobody could run it.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    let copied = Command::new("cp").arg(from).arg(to).status()?;
    match copied.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!("cp: {copied}"))),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match path.symlink_metadata()?.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    }
}

/// Paths that the package has an upgrade keep: settings that it does not ship as files.
fn kept() -> String {
    let block = MAKEFILE.split("define Package/socketman/conffiles\n");
    let block = block.last().and_then(|rest| rest.split("endef").next());
    let lines = block.unwrap_or_default().lines();
    lines
        .filter(|line| *line != "/etc/config/socketman")
        .map(|line| format!("{line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upgrade_keeps_what_the_package_lists() {
        assert_eq!(
            kept(),
            "/etc/socketman/config.json\n/etc/socketman/state/keep/\n"
        );
    }
}
