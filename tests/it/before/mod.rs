//! Files that an earlier version wrote, in tests/data/before: read, and written again byte for byte.
//!
//! The agent of 29 November 2026 wrote them, when spool and durable files were still parts of the agent. It lived through
//! the same scripts (`live` in each file here), which have no clock and no chance in them. A format that changes makes
//! these tests fail: devices in the field have the old files. They are not to be rewritten; a new format gets files of
//! its own beside them.

mod boot;
mod guard;
mod jobs;
mod spool;
mod upgrade;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use durable::HEAD;

/// The files of the earlier version.
fn kept(name: &str) -> PathBuf {
    crate::project().join("tests/data/before").join(name)
}

/// Every file below `dir` by its path.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut left = vec![dir.to_path_buf()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => left.push(path),
                false => {
                    let name = path.strip_prefix(dir).unwrap().to_path_buf();
                    all.insert(name, fs::read(&path).unwrap());
                }
            }
        }
    }
    all
}

/// Puts a copy of the files `name` into `dir`, with the modes that a device gives them.
fn lay(name: &str, dir: &Path) {
    for (file, bytes) in files(&kept(name)) {
        let to = dir.join(file);
        let parent = to.parent().unwrap();
        fs::create_dir_all(parent).unwrap();
        fs::write(&to, bytes).unwrap();
        fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
        for above in parent
            .ancestors()
            .take_while(|above| above.starts_with(dir))
        {
            fs::set_permissions(above, fs::Permissions::from_mode(0o700)).unwrap();
        }
    }
}

/// The logs without their salts, which are drawn by chance, and without the checksums of the heads that have them.
fn unsalted(mut files: BTreeMap<PathBuf, Vec<u8>>) -> BTreeMap<PathBuf, Vec<u8>> {
    for (file, bytes) in &mut files {
        let name = file.file_name().and_then(OsStr::to_str).unwrap();
        let is_log = name.ends_with(".reports") || matches!(name, "jobs" | "ids");
        let mut rest = &mut bytes[..];
        while is_log && !rest.is_empty() {
            let (head, behind) = rest.split_at_mut(HEAD);
            let length = u32::from_le_bytes(*head.first_chunk().unwrap());
            head[12..16].fill(0);
            head[20..].fill(0);
            rest = &mut behind[length as usize..];
        }
    }
    files
}

/// `dir` has exactly the files `name`, but for the salts of logs.
fn assert_same(dir: &Path, name: &str) {
    let now = unsalted(files(dir));
    let before = unsalted(files(&kept(name)));
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&now), names(&before), "{name}");
    for (file, bytes) in &before {
        let differs = now[file].iter().zip(bytes).position(|(a, b)| a != b);
        assert!(
            now[file] == *bytes,
            "{name}/{} is {} bytes and was {}, and differs at {differs:?}",
            file.display(),
            now[file].len(),
            bytes.len()
        );
    }
}
