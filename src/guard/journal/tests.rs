use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::guard::folder::Access;
use crate::guard::json::Left;

#[test]
fn a_journal_is_read_as_it_was_written() {
    let access = Access {
        mode: 0o644,
        uid: 0,
        gid: 7,
    };
    let mut journal = Journal {
        phase: Phase::Armed,
        key: "63f7f2ef43cc92ee".into(),
        id: "a job with spaces".into(),
        detach: true,
        place: Place {
            boot: "b".into(),
            revision: "r28739-d9340319c6".into(),
            board: "glinet,gl-mt300n-v2".into(),
            macs: vec!["94:83:C4:A1:B2:10".into()],
        },
        needs: Needs {
            code: 9,
            broker: true,
        },
        snapshot: Digest::of(b"x"),
        ran: None,
        changes: None,
        reason: None,
        back: None,
        json: None,
    };
    for (phase, _) in PHASES {
        journal.phase = phase;
        assert_eq!(Journal::decode(&journal.encode()).as_ref(), Some(&journal));
    }
    journal.ran = Some(Ran {
        exit_code: None,
        signal: Some(-9),
        millis: 12,
        success: false,
    });
    let file = Some(Some((access, Digest::of(b""))));
    let names = [("a b", file), ("link", Some(None)), ("gone", None)];
    let changes = names.map(|(name, print)| (name.to_owned(), print));
    journal.changes = Some(changes.into_iter().collect());
    journal.reason = Some("not back within 120 s".into());
    journal.back = Some("c".into());
    for left in [Left::Unseen, Left::Gone, Left::File(Digest::of(b"y"))] {
        journal.json = Some(Json {
            path: "/etc/socket man/config.json".into(),
            was_there: left != Left::Gone,
            left,
            is_owed: left == Left::Gone,
        });
        assert_eq!(Journal::decode(&journal.encode()).as_ref(), Some(&journal));
    }
    assert_eq!(Journal::decode(&journal.encode()).as_ref(), Some(&journal));
    journal.changes = Some(Changes::default());
    assert_eq!(Journal::decode(&journal.encode()).as_ref(), Some(&journal));
    assert_eq!(Journal::decode(b""), None);
    assert_eq!(Journal::decode(b"phase dance\n"), None);

    // The list is left out when it does not fit, and not before.
    for over in [0, 1] {
        let mut tight = journal.clone();
        let is_listed = Some([("gone".to_owned(), None)].into_iter().collect());
        tight.changes.clone_from(&is_listed);
        tight.reason = Some(String::new());
        let room = VALUE_MAX + over - tight.encode().len();
        tight.reason = Some("x".repeat(room));
        let read = Journal::decode(&tight.encode()).unwrap();
        assert_eq!(read.changes, is_listed.filter(|_| over == 0));
    }

    // Too many files to list.
    let many = (0..2000).map(|n| (format!("file-{n}"), file));
    journal.changes = Some(many.collect());
    let read = Journal::decode(&journal.encode()).unwrap();
    assert_eq!(read.changes, None);
}

#[test]
fn a_trial_is_decided_when_it_is_kept_or_reverted() {
    let decided = PHASES.iter().filter(|(phase, _)| {
        let mut journal = Journal::armed(String::new(), String::new());
        journal.phase = *phase;
        journal.is_decided()
    });
    let decided: Vec<&str> = decided.map(|(_, name)| *name).collect();
    assert_eq!(decided, ["kept", "reverted"]);
}

#[test]
fn a_device_has_booted_since_its_files_are_as_they_are() {
    let mut journal = Journal::armed(String::new(), String::new());
    journal.place.boot = "1".into();
    assert!(!journal.has_booted("1"));
    assert!(journal.has_booted("2"));
    journal.back = Some("2".into());
    assert!(!journal.has_booted("2"));
    assert!(journal.has_booted("3"));
}

/// Names and words as people and programs choose them.
fn word() -> impl Strategy<Value = String> {
    "[ -~é\r\t]{0,12}"
}

proptest! {
    #[test]
    fn every_journal_is_read_as_it_was_written(
        phase in 0..PHASES.len(),
        words in (word(), word(), word(), vec(word(), 0..3), option::of(word()), option::of(word())),
        (detach, broker, code) in any::<(bool, bool, u8)>(),
        ran in any::<Option<(Option<i32>, Option<i32>, u64, bool)>>(),
        files in option::of(vec((word(), 0..3_u8, any::<(u32, u32, u32)>()), 0..6)),
        json in option::of(("[ -~é]{0,12}", any::<(bool, bool)>(), 0..3_u8)),
    ) {
        let (id, revision, board, macs, reason, back) = words;
        let print = |kind: u8, (mode, uid, gid): (u32, u32, u32)| match kind {
            0 => None,
            1 => Some(None),
            _ => {
                let access = Access { mode: mode & 0o7777, uid, gid };
                Some(Some((access, Digest::of(&mode.to_be_bytes()))))
            }
        };
        let changes = |files: Vec<(String, u8, (u32, u32, u32))>| -> Changes {
            let files = files.into_iter();
            files.map(|(name, kind, access)| (name, print(kind, access))).collect()
        };
        let json = json.map(|(path, (was_there, is_owed), left)| Json {
            left: match left {
                0 => Left::Unseen,
                1 => Left::Gone,
                _ => Left::File(Digest::of(path.as_bytes())),
            },
            path,
            was_there,
            is_owed,
        });
        // Words lose control characters, names of files keep theirs.
        let journal = Journal {
            phase: PHASES[phase].0,
            key: "63f7f2ef43cc92ee".into(),
            id: line(&id),
            detach,
            place: Place {
                boot: "b".into(),
                revision: line(&revision),
                board: line(&board),
                macs: macs.iter().map(|mac| line(mac)).collect(),
            },
            needs: Needs { code, broker },
            snapshot: Digest::of(id.as_bytes()),
            ran: ran.map(|(exit_code, signal, millis, success)| Ran {
                exit_code,
                signal,
                millis,
                success,
            }),
            changes: files.map(changes),
            reason: reason.as_deref().map(line),
            back: back.as_deref().map(line),
            json,
        };
        prop_assert_eq!(Journal::decode(&journal.encode()), Some(journal));
    }
}
