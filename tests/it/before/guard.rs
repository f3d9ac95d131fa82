//! A network change on trial: journal and snapshot.

use std::path::Path;

use durable::{read_whole, replace, Cell, Directory};
use socketman::guard::decide::Needs;
use socketman::guard::folder::Access;
use socketman::guard::journal::{Journal, Phase};
use socketman::guard::picture::Digest;
use socketman::guard::place::Place;
use socketman::guard::snapshot::{Saved, Snapshot};
use socketman::jobs::Ran;

use super::{assert_same, lay};

const ACCESS: Access = Access {
    mode: 0o640,
    uid: 0,
    gid: 101,
};

fn snapshot() -> Snapshot {
    let file = |text: &str| {
        Some(Saved {
            access: ACCESS,
            bytes: text.as_bytes().to_vec(),
        })
    };
    let files = [
        ("dhcp", file("")),
        ("link", None),
        (
            "network",
            file("config interface 'lan'\n\toption proto 'dhcp'\n"),
        ),
        ("with a space", file("no end of line")),
    ];
    let files = files.map(|(name, saved)| (name.to_owned(), saved));
    Snapshot(files.into_iter().collect())
}

/// The two journals: one of a trial that runs, one of a trial whose command has ended.
fn journals() -> [(&'static str, Journal); 2] {
    let armed = Journal {
        phase: Phase::Armed,
        key: "63f7f2ef43cc92ee".into(),
        id: "move to VLAN 7".into(),
        detach: true,
        place: Place {
            boot: "6f1c0d2e-aaaa-4bbb-8ccc-1234567890ab".into(),
            revision: "r28739-d9340319c6".into(),
            board: "glinet,gl-mt300n-v2".into(),
            macs: vec!["94:83:C4:A1:B2:10".into(), "94:83:C4:A1:B2:11".into()],
        },
        needs: Needs {
            code: 9,
            broker: true,
        },
        snapshot: Digest::of(&snapshot().encode()),
        ran: None,
        changes: None,
        reason: None,
        back: None,
        json: None,
    };
    let changes = [
        ("network", Some(Some((ACCESS, Digest::of(b"changed"))))),
        ("pipe", Some(None)),
        ("taken away", None),
    ];
    let changes = changes.map(|(name, print)| (name.to_owned(), print));
    let undone = Journal {
        phase: Phase::Undone,
        detach: false,
        ran: Some(Ran {
            exit_code: None,
            signal: Some(15),
            millis: 90_001,
            success: false,
        }),
        changes: Some(changes.into_iter().collect()),
        reason: Some("the way out was not back within 120 s".into()),
        ..armed.clone()
    };
    [("journal", armed), ("journal-undone", undone)]
}

fn live(dir: &Path) {
    let mut own = Directory::open(dir).unwrap();
    replace(&mut own, "snapshot", &snapshot().encode()).unwrap();
    for (name, journal) in journals() {
        let written = Cell::new(name).write(&mut own, &journal.encode());
        written.unwrap();
    }
}

#[test]
fn a_trial_of_the_version_before_is_read() {
    let tmp = tempfile::tempdir().unwrap();
    lay("guard", tmp.path());
    let mut own = Directory::open(tmp.path()).unwrap();
    let bytes = read_whole(&mut own, "snapshot", 4096).unwrap();
    assert_eq!(Snapshot::decode(&bytes), Some(snapshot()));
    for (name, journal) in journals() {
        let read = Cell::new(name).read(&mut own).unwrap().unwrap();
        assert_eq!(Journal::decode(&read), Some(journal), "{name}");
    }
}

#[test]
fn a_trial_is_written_as_the_version_before_wrote_it() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("guard");
    live(&dir);
    assert_same(&dir, "guard");
}
