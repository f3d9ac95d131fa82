//! The journal and the snapshot of a change to the network.

use crate::guard::folder::Access;
use crate::guard::journal::{Journal, Phase, Ran};
use crate::guard::snapshot::{Saved, Snapshot};

const ACCESS: Access = Access {
    mode: 0o644,
    uid: 0,
    gid: 7,
};

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let whole = "phase armed\njob 63f7 1 a job\nboot b\nrevision r1\nboard x,y\nmac 94:83:C4:A1:B2:10\nneeds 9 1\n\
        snapshot 00112233445566778899aabbccddeeff\nran - -9 12 0\n\
        file 644 0 7 00112233445566778899aabbccddeeff a b\nother link\ngone c\nseen\nreason not back\n";
    let snapshot = Snapshot(
        [
            (
                "network".to_owned(),
                Some(Saved {
                    access: ACCESS,
                    bytes: b"config x\n".to_vec(),
                }),
            ),
            ("link".to_owned(), None),
        ]
        .into_iter()
        .collect(),
    );
    let mut journal = Journal::decode(whole.as_bytes()).expect("a journal");
    let mut seeds = vec![whole.into(), snapshot.encode()];
    for phase in [Phase::Ended, Phase::Undoing, Phase::Rebooting, Phase::Kept] {
        journal.phase = phase;
        journal.ran = Some(Ran {
            exit_code: Some(0),
            signal: None,
            millis: 1,
            success: true,
        });
        seeds.push(journal.encode());
    }
    seeds
}

pub(super) fn run(input: &[u8]) {
    if let Some(journal) = Journal::decode(input) {
        // A control character that was not ours is left out the first time.
        let bytes = journal.encode();
        let again = Journal::decode(&bytes).expect("what is written is read");
        assert_eq!(again.changes, journal.changes, "what is written reads back");
        assert_eq!(again.encode(), bytes, "a journal has one form");
        let has_control = String::from_utf8_lossy(input)
            .chars()
            .any(|c| c.is_control() && c != '\n');
        assert!(
            has_control || again == journal,
            "what is written reads back"
        );
    }
    if let Some(snapshot) = Snapshot::decode(input) {
        let bytes = snapshot.encode();
        assert_eq!(
            Snapshot::decode(&bytes),
            Some(snapshot),
            "what is written reads back"
        );
    }
}
