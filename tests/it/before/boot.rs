//! The memory of boots and reboots.

use std::path::Path;

use durable::Directory;
use socketman::boot::{Book, Cause, Change, Now, Why};

use super::{assert_same, lay};

const RELEASE: &str = "24.10.1 r28739-d9340319c6";

fn open(dir: &Path, boot: &str, uptime: u64) -> Book<Directory> {
    let disk = Directory::open(dir).unwrap();
    Book::open(disk, Now { boot, uptime }).unwrap()
}

fn live(dir: &Path) {
    let at = |uptime| Now {
        boot: "boot-1",
        uptime,
    };
    let mut book = open(dir, "boot-1", 60);
    let told = Change::Told {
        cause: Cause::Panic,
        release: Some(RELEASE.into()),
        panics: vec!["5d41402abc4b2a76".into(), "b9719d911017c592".into()],
    };
    book.change(told, at(100)).unwrap();
    book.change(Change::Logged, at(400)).unwrap();
    book.change(Change::Reboot(Why::Recovery), at(4_000))
        .unwrap();
    let mut book = open(dir, "boot-2", 30);
    let at = |uptime| Now {
        boot: "boot-2",
        uptime,
    };
    let told = Change::Told {
        cause: Cause::Recovery,
        release: None,
        panics: Vec::new(),
    };
    book.change(told, at(90)).unwrap();
    let job = "move to VLAN 7".to_owned();
    book.change(Change::Reboot(Why::Guard { job }), at(500))
        .unwrap();
}

#[test]
fn the_memory_of_the_version_before_counts_on() {
    let tmp = tempfile::tempdir().unwrap();
    lay("boot", tmp.path());
    let mut book = open(tmp.path(), "boot-3", 20);
    let memory = book.memory().clone();
    let told = memory.told.unwrap();
    assert_eq!(
        (told.boot.as_str(), told.cause),
        ("boot-2", Cause::Recovery)
    );
    assert_eq!(memory.release.as_deref(), Some(RELEASE));
    assert_eq!(memory.panics, ["5d41402abc4b2a76", "b9719d911017c592"]);
    let asked = memory.asked.unwrap();
    let job = "move to VLAN 7".to_owned();
    assert_eq!(
        (asked.boot.as_str(), asked.why),
        ("boot-2", Why::Guard { job })
    );
    // Kept at 400 s of the first boot: 3,600 s of it came after, and 470 s of the second.
    assert_eq!(memory.logged, Some(3_600 + 470));

    // Two reboots count, so that a third is the last; and recovery has had the one of this outage.
    let now = Now {
        boot: "boot-3",
        uptime: 40,
    };
    assert!(book.change(Change::Reboot(Why::Recovery), now).is_err());
    let again = |job: &str| Change::Reboot(Why::Guard { job: job.into() });
    book.change(again("third"), now).unwrap();
    let mut book = open(tmp.path(), "boot-4", 20);
    let now = Now {
        boot: "boot-4",
        uptime: 40,
    };
    assert!(book.change(again("fourth"), now).is_err());
}

#[test]
fn the_memory_is_written_as_the_version_before_wrote_it() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("boot");
    live(&dir);
    assert_same(&dir, "boot");
}
