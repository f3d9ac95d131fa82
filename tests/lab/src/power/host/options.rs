//! Options of `socketman-power cut`, and its preparations before the first machine starts.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::format::{self, Medium};
use super::image::Contents;
use super::kernel::Kernel;
use super::machine::Parts;
use crate::power::Kind;

/// Options of the cuts.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Where packages of Debian were unpacked to: the kernel, and programs that the system does not have
    #[arg(long)]
    pub root: PathBuf,
    /// The module of the kernel that is flash
    #[arg(long)]
    pub flash: PathBuf,
    /// A squashfs to lie below overlays
    #[arg(long)]
    pub rom: PathBuf,
    /// Directory for what is made on the way, consoles and failures
    #[arg(long)]
    pub work: PathBuf,
    /// Go on for so many minutes
    #[arg(long)]
    pub minutes: Option<u64>,
    /// Repeat the decisions of a run
    #[arg(long)]
    pub seed: Option<u64>,
    /// Cut only this file system
    #[arg(long)]
    pub only: Option<Kind>,
    /// Cut the power once more in every round, while a machine starts on what the cut has left
    #[arg(long)]
    pub twice: bool,
    /// Mount options of the only file system
    #[arg(long, requires = "only")]
    pub mount: Option<String>,
}

impl Options {
    /// The file systems that are cut.
    pub fn kinds(&self) -> Vec<Kind> {
        self.only.map_or(Kind::ALL.to_vec(), |kind| vec![kind])
    }

    /// A program of the system, or of the packages.
    fn find(&self, name: &str) -> PathBuf {
        let folders = ["usr/bin", "usr/sbin", "bin", "sbin"];
        let places = [self.root.as_path(), Path::new("/")];
        let mut paths = places
            .iter()
            .flat_map(|place| folders.map(|folder| place.join(folder).join(name)));
        paths
            .find(|path| path.is_file())
            .unwrap_or_else(|| name.into())
    }

    /// Makes everything but the machines.
    ///
    /// # Errors
    ///
    /// A program or a file that is not there.
    pub fn prepare(&self) -> io::Result<(Parts, BTreeMap<Kind, Medium>)> {
        fs::create_dir_all(&self.work)?;
        let kernel = Kernel::find(&self.root)?;
        let unpacked = self.work.join("vmlinux");
        kernel.unpack(&unpacked)?;
        let contents = Contents {
            kernel: &kernel,
            flash: &self.flash,
            ubi: ["ubiattach", "ubidetach"].map(|name| self.find(name)),
            rom: &self.rom,
        };
        let initrd = self.work.join("initrd");
        fs::write(&initrd, contents.archive(&self.work)?)?;
        let firmware = ["usr/share/seabios", "usr/share/qemu"];
        let places = [self.root.as_path(), Path::new("/")];
        let firmware = places
            .iter()
            .flat_map(|place| firmware.map(|folder| place.join(folder)))
            .filter(|path| path.is_dir())
            .collect();
        let parts = Parts {
            qemu: self.find("qemu-system-x86_64"),
            firmware,
            kernel: unpacked,
            initrd,
            logs: self.work.clone(),
        };
        let empty = format::all(&self.work, &|name| self.find(name))?;
        Ok((parts, empty))
    }
}
