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
//! json THERE OWED LEFT PATH           config.json: THERE before, OWED by the undo, 0 or 1; LEFT - gone, ? not seen, DIGEST
//! ```

#[cfg(test)]
mod tests;

use std::fmt::Write;

use durable::VALUE_MAX;

use super::decide::Needs;
use super::json::Json;
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
    /// config.json, where the journal can name it.
    pub json: Option<Json>,
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
            json: None,
        }
    }

    /// True once nothing is tried any more.
    pub fn is_decided(&self) -> bool {
        matches!(self.phase, Phase::Kept | Phase::Reverted)
    }

    /// True while the undo owes config.json.
    pub fn owes_json(&self) -> bool {
        self.json.as_ref().is_some_and(|json| json.is_owed)
    }

    /// Notes whether the undo owes config.json.
    pub fn owe_json(&mut self, is_owed: bool) {
        if let Some(json) = &mut self.json {
            json.is_owed = is_owed;
        }
    }

    /// Notes config.json at the end of the command. Waits for the disk.
    pub fn see_json(&mut self) {
        if let Some(json) = &mut self.json {
            json.see();
        }
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
        if let Some(json) = &self.json {
            writeln!(text, "json {json}")?;
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
                "json" => journal.json = Some(Json::parse(rest)?),
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
