use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use durable::Directory;
use tempfile::TempDir;

use super::*;
use crate::guard::folder;

fn desk(dir: &Path) -> Desk {
    let conflict = dir.join("conflict");
    let conflicts =
        move || -> io::Result<Box<dyn Disk>> { Ok(Box::new(Directory::open(&conflict)?)) };
    let own = Directory::open(&dir.join("guard")).unwrap();
    let config = folder::open(&dir.join("config")).unwrap();
    Desk::new(
        Box::new(own),
        Box::new(config),
        Box::new(conflicts),
        loosely(),
    )
}

#[test]
fn a_file_is_a_conflict_if_somebody_changed_it_after_the_command() {
    let dir = TempDir::new().unwrap();
    let config = dir.path().join("config");
    fs::create_dir(&config).unwrap();
    let write = |name: &str, text: &str| fs::write(config.join(name), text).unwrap();
    let changed = ["dhcp", "network"];
    for name in changed {
        write(name, "before");
    }
    let mut desk = desk(dir.path());
    let mut journal = Journal::armed("63f7f2ef43cc92ee".into(), "job-1".into());
    desk.arm(&mut journal).unwrap();
    for name in changed {
        write(name, "by the command");
    }
    desk.ended(&mut journal, None).unwrap();
    write("network", "by somebody");
    let undone = desk.undo(&mut journal).unwrap();
    assert_eq!(undone.files, changed);
    assert_eq!(
        (&undone.conflicts[..], &undone.failed[..]),
        (&["network".to_owned()][..], &[][..])
    );
    for name in changed {
        assert_eq!(fs::read_to_string(config.join(name)).unwrap(), "before");
    }
    let kept = fs::read_dir(dir.path().join("conflict")).unwrap();
    let kept: Vec<_> = kept
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert_eq!(kept, ["by somebody"]);
}

#[test]
fn our_package_is_put_back_only_when_what_it_loosens_is_held() {
    let dir = TempDir::new().unwrap();
    let config = dir.path().join("config");
    fs::create_dir(&config).unwrap();
    let write = |name: &str, text: &str| fs::write(config.join(name), text).unwrap();
    let read = |name: &str| fs::read_to_string(config.join(name)).unwrap();
    let changed = ["network", PACKAGE];
    for name in changed {
        write(name, "before");
    }
    let holds = Arc::new(AtomicBool::new(false));
    let mut desk = desk(dir.path());
    let is_held = Arc::clone(&holds);
    desk.hold = Arc::new(move |bytes| {
        assert_eq!(bytes, Some(&b"before"[..]));
        match is_held.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err(io::Error::other("read-only")),
        }
    });
    let mut journal = Journal::armed("63f7f2ef43cc92ee".into(), "job-1".into());
    desk.arm(&mut journal).unwrap();
    for name in changed {
        write(name, "by the command");
    }
    desk.ended(&mut journal, None).unwrap();
    let undone = desk.undo(&mut journal).unwrap();
    assert_eq!(undone.files, ["network"]);
    assert_eq!(undone.failed, [format!("{PACKAGE}: read-only")]);
    assert_eq!(read("network"), "before");
    assert_eq!(read(PACKAGE), "by the command");
    holds.store(true, Ordering::Relaxed);
    assert_eq!(desk.undo(&mut journal).unwrap().failed, [""; 0]);
    assert_eq!((journal.phase, &*read(PACKAGE)), (Phase::Undone, "before"));
}
