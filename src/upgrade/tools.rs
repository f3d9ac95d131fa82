//! The programs of the device that do the work: sysupgrade, opkg, apk.
//!
//! They are looked for where jobs look, below the root of the device, and run with that root's directories first in
//! `PATH`. A program gets a process group of its own and goes on if the agent ends. These functions wait: they are for
//! threads and processes that nobody waits for.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{kill_process_group, Pid, Signal};

use super::record::tail;
use crate::jobs::PATH;
use crate::process::file::under;

/// Between two looks for the end of a program.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Output that is kept of a program, bytes.
const OUTPUT_MAX: u64 = 4096;

/// The end of a program.
#[derive(Debug)]
pub(super) struct Ended {
    /// The reason if it failed.
    pub(super) error: Option<String>,
    /// The end of what it said.
    pub(super) output: String,
}

/// The program `name` of the device below `root`.
pub(super) fn find(root: &Path, name: &str) -> Option<PathBuf> {
    let places = PATH.split(':').map(|place| under(root, Path::new(place)));
    let mut found = places.map(|place| place.join(name));
    found.find(|path| {
        let meta = fs::metadata(path).ok();
        meta.is_some_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    })
}

/// Runs `name` with `arguments`, for `within` at most; its output goes to the file `log` meanwhile.
pub(super) fn run(
    root: &Path,
    log: &Path,
    name: &str,
    arguments: &[&str],
    within: Duration,
) -> Ended {
    let ran = started(root, log, name, arguments, within);
    let output = File::open(log).and_then(|mut file| end_of(&mut file));
    Ended {
        error: ran.err().map(|error| format!("{name}: {error}")),
        // What was not written was not said.
        output: output.unwrap_or_default(),
    }
}

fn started(
    root: &Path,
    log: &Path,
    name: &str,
    arguments: &[&str],
    within: Duration,
) -> Result<(), String> {
    let program = find(root, name).ok_or("not found on this device")?;
    let text = |error: std::io::Error| error.to_string();
    let output = File::create(log).map_err(text)?;
    let errors = output.try_clone().map_err(text)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", path(root))
        .env("HOME", "/root")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .process_group(0);
    let mut child = command.spawn().map_err(text)?;
    let ends = Instant::now() + within;
    loop {
        match child.try_wait().map_err(text)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(status.to_string()),
            None if Instant::now() < ends => sleep(LOOK_AGAIN),
            None => break,
        }
    }
    if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
        // It may have ended just now.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
    Err(format!("not done within {} s", within.as_secs()))
}

/// `PATH` for a device below `root`.
fn path(root: &Path) -> String {
    if root == Path::new("/") {
        return PATH.to_owned();
    }
    let below = PATH.split(':').map(|place| under(root, Path::new(place)));
    let below: Vec<String> = below.map(|place| place.display().to_string()).collect();
    format!("{}:{PATH}", below.join(":"))
}

fn end_of(file: &mut File) -> std::io::Result<String> {
    let len = file.metadata()?.len();
    file.seek(SeekFrom::Start(len.saturating_sub(OUTPUT_MAX)))?;
    let mut bytes = Vec::new();
    file.take(OUTPUT_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(tail(&text, OUTPUT_MAX as usize).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(script: &str) -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("usr/bin");
        fs::create_dir_all(&dir).unwrap();
        let file = dir.join("opkg");
        fs::write(&file, script).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let log = root.path().join("log");
        (root, log)
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_program_of_the_device_runs_with_the_places_of_its_root_first() {
        let (root, log) = device("#!/bin/sh\necho \"$1 $PATH\"; echo bad >&2\n");
        let ended = run(root.path(), &log, "opkg", &["install"], LONG);
        assert_eq!(ended.error, None);
        let first = format!("install {}/usr/sbin:", root.path().display());
        assert!(ended.output.starts_with(&first), "{}", ended.output);
        assert!(ended.output.ends_with(":/bin\nbad\n"), "{}", ended.output);
        assert_eq!(path(Path::new("/")), PATH);
    }

    #[test]
    fn a_program_that_fails_is_late_or_is_not_there_is_told() {
        let (root, log) = device("#!/bin/sh\necho no; exit 7\n");
        let ended = run(root.path(), &log, "opkg", &[], LONG);
        assert_eq!(ended.error.as_deref(), Some("opkg: exit status: 7"));
        assert_eq!(ended.output, "no\n");
        let ended = run(root.path(), &log, "sh", &[], LONG);
        assert_eq!(ended.error.as_deref(), Some("sh: not found on this device"));
        let (root, log) = device("#!/bin/sh\nsleep 100 & wait\n");
        let ended = run(root.path(), &log, "opkg", &[], Duration::from_millis(50));
        assert_eq!(ended.error.as_deref(), Some("opkg: not done within 0 s"));
    }

    #[test]
    fn of_much_output_the_end_is_kept() {
        let (root, log) = device("#!/bin/sh\nyes é | head -c 100000; echo end\n");
        let ended = run(root.path(), &log, "opkg", &[], LONG);
        assert!(ended.output.len() <= 4096 && ended.output.ends_with("end\n"));
    }
}
