//! Directories and files that are ours, and what is refused.

use std::os::unix::fs::{symlink, PermissionsExt};

use super::super::replace;
use super::*;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn refusal(path: &Path) -> String {
    Directory::open(path).unwrap_err().to_string()
}

#[test]
fn directories_and_files_are_made_for_us_alone() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("a/spool");
    let mut dir = Directory::open(&path).unwrap();
    dir.file("one", OFlags::WRONLY | OFlags::CREATE).unwrap();
    replace(&mut dir, "two", b"2").unwrap();
    for (path, expected) in [("a", 0o700), ("a/spool", 0o700), ("a/spool/one", 0o600)] {
        assert_eq!(mode(&tmp.path().join(path)), expected, "{path}");
    }
    assert_eq!(mode(&path.join("two")), 0o600);
    let mut names = dir.list().unwrap();
    names.sort();
    assert_eq!(names, ["one", "two"]);
}

#[test]
fn where_a_checkpoint_is_needed_a_sync_of_a_file_syncs_its_directory() {
    let tmp = tempfile::tempdir().unwrap();
    let mut dir = Directory::open(&tmp.path().join("own")).unwrap();
    replace(&mut dir, "value", b"1").unwrap();
    // Files can be opened below this descriptor, and it cannot be synced.
    let fd = rustix::fs::open(dir.path(), OFlags::PATH, Mode::empty());
    dir.fd = Arc::new(fd.unwrap());
    for needed in [false, true] {
        dir.needs_checkpoint = needed;
        assert_eq!(dir.sync("value").is_err(), needed);
    }
}

#[test]
fn a_directory_that_others_control_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let own = tmp.path().join("own");
    Directory::open(&own).unwrap();
    let link = tmp.path().join("link");
    symlink(&own, &link).unwrap();
    assert_eq!(refusal(&link), "is a link or not a directory");
    let file = tmp.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(refusal(&file), "is a link or not a directory");
    assert_eq!(
        refusal(&file.join("x")),
        "is below something that is not a directory"
    );
    chmod(&own, 0o755);
    assert_eq!(refusal(&own), "is open to others: chmod 700 it");
    chmod(&own, 0o777);
    let below = own.join("x");
    assert_eq!(refusal(&below), "is in a directory that others may write");
    chmod(&own, 0o1777);
    Directory::open(&below).unwrap();
    assert_eq!(refusal(Path::new("/")), "is not a path of a directory");
}

#[test]
fn in_a_directory_of_the_system_others_may_read_and_not_write() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("etc");
    let mut dir = Directory::of_system(&path).unwrap();
    assert_eq!(mode(&path), 0o700);
    chmod(&path, 0o755);
    let file = path.join("config.json");
    fs::write(&file, "old").unwrap();
    chmod(&file, 0o644);
    assert_eq!(dir.size("config.json").unwrap(), 3);
    replace(&mut dir, "config.json", b"new").unwrap();
    assert_eq!(mode(&file), 0o600);
    chmod(&file, 0o622);
    let error = dir.size("config.json").unwrap_err().to_string();
    assert_eq!(error, "can be written by others: chmod 600 it");
    chmod(&path, 0o777);
    let error = Directory::of_system(&path).unwrap_err().to_string();
    assert_eq!(error, "is in a directory that others may write");
}

#[test]
fn links_fifos_directories_and_open_files_are_refused_without_waiting() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = Directory::open(&tmp.path().join("own")).unwrap();
    let victim = tmp.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, dir.path().join("link")).unwrap();
    rustix::fs::mkfifoat(&*dir.fd, "fifo", Mode::RWXU).unwrap();
    fs::create_dir(dir.path().join("directory")).unwrap();
    fs::write(dir.path().join("open"), "").unwrap();
    chmod(&dir.path().join("open"), 0o644);
    for (name, why) in [
        ("link", "is a link"),
        ("fifo", "is not a regular file"),
        ("directory", "is a directory"),
        ("open", "is open to others: chmod 600 it"),
    ] {
        for flags in [OFlags::RDWR, OFlags::RDWR | OFlags::CREATE] {
            let error = dir.file(name, flags).unwrap_err();
            assert_eq!(error.to_string(), why, "{name}");
        }
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    // Without a writer it holds up whoever opens it for reading alone.
    let error = dir.file("fifo", OFlags::RDONLY).unwrap_err();
    assert_eq!(error.to_string(), "is not a regular file");
    let file = dir.file("new", OFlags::RDWR | OFlags::CREATE).unwrap();
    let flags = rustix::io::fcntl_getfd(&file).unwrap();
    assert_eq!(flags, rustix::io::FdFlags::CLOEXEC, "no job inherits it");
}
