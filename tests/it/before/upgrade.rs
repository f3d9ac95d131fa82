//! Upgrades under way: a package, an image, and the new agent's word that it lives.

use std::path::Path;

use durable::Directory;
use socketman::upgrade::record::{Packages, Phase, Record};
use socketman::upgrade::store::{read, read_alive, write, write_alive, Alive, KEPT, RECORD};

use super::{assert_same, lay};

fn records() -> [(&'static str, Record); 2] {
    let image = Record {
        phase: Phase::Flashing,
        key: "63f7f2ef43cc92ee".into(),
        id: "to 24.10.2".into(),
        boot: "6f1c0d2e-aaaa-4bbb-8ccc-1234567890ab".into(),
        macs: vec!["94:83:C4:A1:B2:10".into()],
        wanted: Some("24.10.2".into()),
        before: "24.10.1 r28597-0425664679".into(),
        code: 3,
        broker: true,
        packages: None,
        output: "Image metadata present\n".into(),
        reason: None,
    };
    let package = Record {
        phase: Phase::Undone,
        wanted: None,
        before: "0.1.0".into(),
        packages: Some(Packages {
            new: "/tmp/socketman/upgrade/new.ipk".into(),
            undo: Some("/etc/socketman/state/upgrade/undo.ipk".into()),
            root: String::new(),
            program: "/usr/sbin/socketman".into(),
            program_before: "ab".repeat(32),
            trial_ms: 600_000,
            install_ms: 300_000,
        }),
        output: String::new(),
        reason: Some("the new agent did not live within 600 s".into()),
        ..image.clone()
    };
    [(KEPT, image), (RECORD, package)]
}

fn alive() -> Alive {
    Alive {
        key: "63f7f2ef43cc92ee".into(),
        program: "cd".repeat(32),
        version: "0.2.0".into(),
    }
}

fn live(dir: &Path) {
    let mut disk = Directory::open(dir).unwrap();
    for (name, record) in records() {
        write(&mut disk, name, &record).unwrap();
    }
    write_alive(&mut disk, &alive()).unwrap();
}

#[test]
fn an_upgrade_that_the_version_before_began_is_known() {
    let tmp = tempfile::tempdir().unwrap();
    lay("upgrade", tmp.path());
    let mut disk = Directory::open(tmp.path()).unwrap();
    for (name, record) in records() {
        assert_eq!(read(&mut disk, name).unwrap(), Some(record), "{name}");
    }
    assert_eq!(read_alive(&mut disk), Some(alive()));
}

#[test]
fn an_upgrade_is_written_as_the_version_before_wrote_it() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("upgrade");
    live(&dir);
    assert_same(&dir, "upgrade");
}
