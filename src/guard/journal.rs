//! The journal: what is being tried, in one durable cell of text.
//!
//! ```text
//! phase armed                         armed, ended, undoing, undone, rebooting, kept, reverted
//! job KEY DETACH ID                   KEY of the ledger, DETACH 0 or 1
//! boot ID                             of the kernel, when the command began
//! revision TEXT                       of the release
//! board TEXT
//! mac ADDRESS                         one line for each of the hardware
//! needs CODE BROKER                   the health code before, and whether the broker was connected
//! snapshot DIGEST
//! ran EXIT SIGNAL MS SUCCESS          the end of the command; - is none
//! file MODE UID GID DIGEST NAME       a file that differs from the snapshot, as the command left it
//! other NAME                          …which is not a regular file
//! gone NAME                           …which it took away
//! seen                                the files above are all that the command changed
//! reason TEXT                         words for the result
//! back ID                             the boot in which the files were put back
//! ```

use std::fmt::Write;

use durable::VALUE_MAX;

use super::decide::Needs;
use super::picture::{Changes, Digest, Print};
use super::place::Place;
use super::snapshot::read_access;

pub use crate::jobs::Ran;

/// The stage of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The command may run.
    Armed,
    /// It has ended, and the way out is being tested.
    Ended,
    /// Files are being put back.
    Undoing,
    /// They are all back.
    Undone,
    /// A reboot is to bring the device back.
    Rebooting,
    /// Decided: the change stays.
    Kept,
    /// Decided: the change is undone.
    Reverted,
}

const PHASES: [(Phase, &str); 7] = [
    (Phase::Armed, "armed"),
    (Phase::Ended, "ended"),
    (Phase::Undoing, "undoing"),
    (Phase::Undone, "undone"),
    (Phase::Rebooting, "rebooting"),
    (Phase::Kept, "kept"),
    (Phase::Reverted, "reverted"),
];

/// A trial, as it is on flash. See the module's description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    pub phase: Phase,
    pub key: String,
    pub id: String,
    pub detach: bool,
    pub place: Place,
    pub needs: Needs,
    pub snapshot: Digest,
    pub ran: Option<Ran>,
    /// `None` while the end of the command was not seen.
    pub changes: Option<Changes>,
    pub reason: Option<String>,
    /// The boot in which the files were put back, set before they are; `None` at a reboot while they are not.
    pub back: Option<String>,
}

impl Journal {
    /// That of a job whose command may run.
    pub fn armed(key: String, id: String) -> Self {
        Journal {
            phase: Phase::Armed,
            key,
            id,
            detach: false,
            place: Place::default(),
            needs: Needs::default(),
            snapshot: Digest::default(),
            ran: None,
            changes: None,
            reason: None,
            back: None,
        }
    }

    /// True once nothing is tried any more.
    pub fn is_decided(&self) -> bool {
        matches!(self.phase, Phase::Kept | Phase::Reverted)
    }

    /// Ends the trial: the change stays, or is undone.
    pub fn be_decided(&mut self, undone: bool) {
        self.phase = match undone {
            true => Phase::Reverted,
            false => Phase::Kept,
        };
    }

    /// True if the device has started since the files are as they are now: in the boot `now`, every program has read
    /// them.
    pub fn has_booted(&self, now: &str) -> bool {
        self.back.as_ref().unwrap_or(&self.place.boot) != now
    }

    /// The text; without the list of files if that does not fit.
    pub fn encode(&self) -> Vec<u8> {
        let mut text = String::new();
        self.write(&mut text).expect("a String takes everything");
        let bare = text.len();
        let listed = match &self.changes {
            Some(changes) => write_changes(&mut text, changes).is_ok(),
            None => true,
        };
        debug_assert!(listed);
        if text.len() > VALUE_MAX {
            // What somebody changed meanwhile is then not told from what the command did.
            text.truncate(bare);
        }
        text.into_bytes()
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let phase = PHASES.iter().find(|(phase, _)| *phase == self.phase);
        writeln!(text, "phase {}", phase.map_or("", |(_, name)| name))?;
        let detach = u8::from(self.detach);
        writeln!(text, "job {} {detach} {}", self.key, line(&self.id))?;
        writeln!(text, "boot {}", line(&self.place.boot))?;
        writeln!(text, "revision {}", line(&self.place.revision))?;
        writeln!(text, "board {}", line(&self.place.board))?;
        for mac in &self.place.macs {
            writeln!(text, "mac {}", line(mac))?;
        }
        let Needs { code, broker } = self.needs;
        writeln!(text, "needs {code} {}", u8::from(broker))?;
        writeln!(text, "snapshot {}", self.snapshot)?;
        if let Some(ran) = &self.ran {
            let number = |number: Option<i32>| number.map_or("-".to_owned(), |n| n.to_string());
            let (exit, signal) = (number(ran.exit_code), number(ran.signal));
            let success = u8::from(ran.success);
            writeln!(text, "ran {exit} {signal} {} {success}", ran.millis)?;
        }
        if let Some(reason) = &self.reason {
            writeln!(text, "reason {}", line(reason))?;
        }
        if let Some(boot) = &self.back {
            writeln!(text, "back {}", line(boot))?;
        }
        Ok(())
    }

    /// `None` if `bytes` are no journal.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut journal = Journal::armed(String::new(), String::new());
        let mut changes = Changes::default();
        let mut phase = None;
        // The name of a file may end with a carriage return.
        for line in text.split_terminator('\n') {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let mut words = rest.splitn(5, ' ');
            match word {
                "phase" => {
                    phase = PHASES.iter().find(|(_, name)| *name == rest);
                }
                "job" => {
                    let mut words = rest.splitn(3, ' ');
                    journal.key = words.next()?.to_owned();
                    journal.detach = words.next()? == "1";
                    journal.id = words.next()?.to_owned();
                }
                "boot" => journal.place.boot = rest.to_owned(),
                "revision" => journal.place.revision = rest.to_owned(),
                "board" => journal.place.board = rest.to_owned(),
                "mac" => journal.place.macs.push(rest.to_owned()),
                "needs" => {
                    journal.needs = Needs {
                        code: words.next()?.parse().ok()?,
                        broker: words.next()? == "1",
                    };
                }
                "snapshot" => journal.snapshot = Digest::parse(rest)?,
                "ran" => {
                    let mut number = || words.next().map(|word| word.parse().ok());
                    journal.ran = Some(Ran {
                        exit_code: number()?,
                        signal: number()?,
                        millis: words.next()?.parse().ok()?,
                        success: words.next()? == "1",
                    });
                }
                "file" => {
                    let access = read_access(&mut words)?;
                    let digest = Digest::parse(words.next()?)?;
                    changes.insert(words.next()?.to_owned(), Some(Some((access, digest))));
                }
                "other" => changes.insert(rest.to_owned(), Some(None)),
                "gone" => changes.insert(rest.to_owned(), None),
                "seen" => journal.changes = Some(std::mem::take(&mut changes)),
                "reason" => journal.reason = Some(rest.to_owned()),
                "back" => journal.back = Some(rest.to_owned()),
                _ => return None,
            }
        }
        journal.phase = phase?.0;
        Some(journal)
    }
}

/// Text of others on one line.
fn line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

fn write_changes(text: &mut String, changes: &Changes) -> std::fmt::Result {
    for (name, print) in changes.iter() {
        match print {
            None => writeln!(text, "gone {name}")?,
            Some(None) => writeln!(text, "other {name}")?,
            Some(Some((access, digest))) => {
                let (mode, uid, gid) = (access.mode, access.uid, access.gid);
                writeln!(text, "file {mode:o} {uid} {gid} {digest} {name}")?;
            }
        }
    }
    writeln!(text, "seen")
}

/// The print of a file at the end of the command, if the journal knows it.
pub(super) fn left_as(changes: &Changes, name: &str) -> Option<Option<Print>> {
    changes.get(name).copied()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::super::folder::Access;
    use super::*;

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
            };
            prop_assert_eq!(Journal::decode(&journal.encode()), Some(journal));
        }
    }
}
