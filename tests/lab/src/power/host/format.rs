//! Empty media.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::flash::{NAND, NOR};
use super::volume::Image;
use crate::power::Kind;

/// Bytes of the disk with a file system.
pub const EXT4: u64 = 32 << 20;
pub const F2FS: u64 = 64 << 20;

/// The bytes of a medium.
#[derive(Debug, Clone)]
pub enum Medium {
    Disk(Image),
    Flash(Arc<Vec<u8>>),
}

impl Medium {
    /// Writes it to a file.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        match self {
            Medium::Disk(image) => image.save(path),
            Medium::Flash(bytes) => fs::write(path, &**bytes),
        }
    }
}

/// A volume, as large as the flash is.
const UBI: &str = "\
[data]
mode=ubi
vol_id=0
vol_type=dynamic
vol_name=data
vol_size=8MiB
vol_flags=autoresize
";

/// Makes an empty medium of each kind, with the programs that `find` finds.
///
/// # Errors
///
/// A program that fails or is not there.
pub fn all(work: &Path, find: &dyn Fn(&str) -> PathBuf) -> io::Result<BTreeMap<Kind, Medium>> {
    let run = |name: &str, args: &[&str]| -> io::Result<()> {
        let output = Command::new(find(name)).args(args).output()?;
        match output.status.success() {
            true => Ok(()),
            false => Err(io::Error::other(format!(
                "{name}: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            ))),
        }
    };
    let disk = |name: &str, bytes: u64, args: &[&str]| -> io::Result<Medium> {
        let path = work.join(name);
        File::create(&path)?.set_len(bytes)?;
        let shown = path.display().to_string();
        run(name, &[args, &[&shown]].concat())?;
        let image = Image::of(&fs::read(&path)?);
        fs::remove_file(&path)?;
        Ok(Medium::Disk(image))
    };
    let ext4 = disk("mkfs.ext4", EXT4, &["-q", "-F", "-b", "4096"])?;
    let f2fs = disk("mkfs.f2fs", F2FS, &["-q"])?;
    let (config, image) = (work.join("ubi.cfg"), work.join("ubi.img"));
    fs::write(&config, UBI)?;
    let [config, image] = [config, image].map(|path| path.display().to_string());
    run(
        "ubinize",
        &["-o", &image, "-m", "2048", "-p", "128KiB", &config],
    )?;
    let mut ubi = fs::read(&image)?;
    ubi.resize(NAND.len, 0xff);
    Ok([
        (Kind::Ext4, ext4),
        (Kind::F2fs, f2fs),
        (Kind::Jffs2, Medium::Flash(Arc::new(vec![0xff; NOR.len]))),
        (Kind::Ubifs, Medium::Flash(Arc::new(ubi))),
    ]
    .into())
}
