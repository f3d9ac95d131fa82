//! The record of an upgrade, and the steps from one record to the next. Pure.
//!
//! ```text
//!  image      flashing ─booted the wanted release─► trial ─alive─► done: success
//!                │ │                                  └─late──► done: failed
//!                │ └─booted another─────────────────────────► done: failed
//!                └─refused, never restarted─────────────────► done: failed
//!
//!  package    ready ─begins─► installing ─installed─► trial ─alive─► done: success
//!               │                 │ failed, cut         │ late
//!               │                 ▼                     ▼
//!               └─cut─► done:   undoing ◄───────────────┘  ─installed─► done: failed, undone
//!                  interrupted    │ └─failed─► done: failed
//!                                 └ without a package before: done: failed
//! ```

mod phase;
mod release;
#[cfg(test)]
pub(super) mod tests;

use serde::Serialize;
use serde_json::Value;

use crate::guard::decide::Needs;
use crate::jobs::{End, Outcome};
use crate::written::{flag, number, one_of, text, texts, Fields};

pub use phase::Phase;
pub use release::{is_release, is_version};

/// Longest text of a record, bytes; a cell holds 64 KiB.
const TEXT_MAX: usize = 8 << 10;

/// The package of an upgrade, for who installs it. Paths are absolute, below the root of the device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Packages {
    /// The new one, in RAM.
    pub new: String,
    /// That of the version before, on flash.
    pub undo: Option<String>,
    /// Prefix of the paths of tools.
    pub root: String,
    /// The agent's program, which a package replaces.
    pub program: String,
    /// SHA-256 of that program before, in hex; empty if it is not known.
    pub program_before: String,
    /// Time for the new agent to prove that it lives, ms.
    pub trial_ms: u64,
    /// Longest run of the package manager, ms.
    pub install_ms: u64,
}

impl Packages {
    fn read(value: Value) -> Option<Self> {
        let mut fields = Fields::of(value)?;
        Some(Packages {
            new: fields.maybe("new", text)?.unwrap_or_default(),
            undo: fields.maybe("undo", text)?,
            root: fields.maybe("root", text)?.unwrap_or_default(),
            program: fields.maybe("program", text)?.unwrap_or_default(),
            program_before: fields.maybe("program_before", text)?.unwrap_or_default(),
            trial_ms: fields.maybe("trial_ms", number)?.unwrap_or_default(),
            install_ms: fields.maybe("install_ms", number)?.unwrap_or_default(),
        })
    }
}

/// An upgrade, as it is on flash: JSON in a cell. Agents of other versions read it, so that keys may come and none may
/// change its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    pub phase: Phase,
    /// Of the job in the ledger.
    pub key: String,
    /// Of the job.
    pub id: String,
    /// The kernel's id of the boot in which it began.
    pub boot: String,
    /// Permanent addresses of the hardware.
    pub macs: Vec<String>,
    /// The release of the firmware, or the version of the agent, that has to run afterwards.
    pub wanted: Option<String>,
    /// The release or version before.
    pub before: String,
    /// The reach of the device before.
    pub code: u8,
    pub broker: bool,
    /// For a package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packages: Option<Packages>,
    /// The end of the output of the tools.
    pub output: String,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A step of the outside world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The device has booted into this release.
    Booted(String),
    /// The device did not restart though sysupgrade had begun.
    Stuck(String),
    /// The package manager is about to begin.
    Begins,
    /// The package manager has ended well.
    Installed,
    /// The package manager has failed, or cannot be started.
    NotInstalled(String),
    /// The device reaches what it reached before, with what was installed.
    Alive,
    /// The device did not reach that in time.
    Late(String),
    /// The driver of the upgrade is gone, by a power cut or without one.
    Cut,
}

impl Record {
    /// The reach that the device has to regain.
    pub fn needs(&self) -> Needs {
        Needs {
            code: self.code,
            broker: self.broker,
        }
    }

    /// True for firmware, false for a package.
    pub fn is_image(&self) -> bool {
        self.packages.is_none()
    }

    fn has_undo(&self) -> bool {
        let packages = self.packages.as_ref();
        packages.is_some_and(|packages| packages.undo.is_some())
    }

    /// The record after `event`. One that does not belong to the phase changes nothing.
    #[must_use]
    pub fn after(mut self, event: Event) -> Self {
        use Phase::{
            Failed, Flashing, Installing, Interrupted, Ready, Success, Trial, Undoing, Undone,
        };
        let phase = self.phase;
        match (phase, event) {
            (Flashing, Event::Booted(release)) => {
                match is_release(&release, self.wanted.as_deref()) {
                    true => self.phase = Trial,
                    false => {
                        let wanted = self.wanted.clone().unwrap_or_default();
                        self.fail(Failed, format!("release {release} runs, not {wanted}"));
                    }
                }
            }
            (Flashing, Event::Stuck(why)) => self.fail(Failed, why),
            (Ready, Event::Begins) => self.phase = Installing,
            (Ready, Event::Cut) => self.fail(
                Interrupted,
                "the agent or the device restarted before the package manager began".to_owned(),
            ),
            (Installing, Event::Installed) => self.phase = Trial,
            (Installing, Event::NotInstalled(why)) => self.undo(why),
            (Installing, Event::Cut) => {
                self.undo("interrupted while the package manager ran".to_owned());
            }
            (Trial, Event::Alive) => self.phase = Success,
            (Trial, Event::Late(why)) if self.is_image() => self.fail(Failed, why),
            (Trial, Event::Late(why)) => self.undo(why),
            (Undoing, Event::Installed) => {
                self.fail(Undone, "the package before is installed again".to_owned());
            }
            (Undoing, Event::NotInstalled(why)) => {
                self.fail(
                    Failed,
                    format!("the package before is not installed: {why}"),
                );
            }
            _ => {}
        }
        self
    }

    fn undo(&mut self, why: String) {
        match self.has_undo() {
            true => self.fail(Phase::Undoing, why),
            false => {
                self.fail(Phase::Failed, why);
                self.fail(
                    Phase::Failed,
                    "there is no package to go back to".to_owned(),
                );
            }
        }
    }

    fn fail(&mut self, phase: Phase, why: String) {
        self.phase = phase;
        self.reason = Some(match self.reason.take() {
            Some(reason) => format!("{reason}; {why}"),
            None => why,
        });
    }

    /// The outcome of the job; `None` until it is decided.
    pub fn outcome(&self) -> Option<Outcome> {
        let end = match self.phase {
            Phase::Success | Phase::Failed | Phase::Undone => End::Processed,
            Phase::Interrupted => End::Interrupted,
            _ => return None,
        };
        let mut outcome = Outcome::without_command(end, "upgrade", self.reason.clone());
        outcome.success = self.phase == Phase::Success;
        outcome.rolled_back = self.phase == Phase::Undone;
        outcome.duration = None;
        outcome.stdout.clone_from(&self.output);
        Some(outcome)
    }

    /// True if the hardware with the addresses `present` may be that of the record: one of them is known, or nothing is.
    pub fn is_of(&self, present: &[String]) -> bool {
        let is_known = !self.macs.is_empty() && !present.is_empty();
        !is_known || present.iter().any(|mac| self.macs.contains(mac))
    }

    /// For the cell.
    pub fn encode(&self) -> Vec<u8> {
        let mut bounded = self.clone();
        bounded.output = tail(&self.output, TEXT_MAX).to_owned();
        bounded.reason = self
            .reason
            .as_deref()
            .map(|why| tail(why, TEXT_MAX).to_owned());
        serde_json::to_vec(&bounded).expect("strings and numbers always encode")
    }

    /// From the cell; `None` if no agent has written it.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::parse(bytes)?;
        let phase = |value| one_of(value, &Phase::ALL, Phase::word);
        Some(Record {
            phase: fields.required("phase", phase)?,
            key: fields.required("key", text)?,
            id: fields.required("id", text)?,
            boot: fields.required("boot", text)?,
            macs: fields.maybe("macs", texts)?.unwrap_or_default(),
            wanted: fields.maybe("wanted", text)?,
            before: fields.maybe("before", text)?.unwrap_or_default(),
            code: fields.maybe("code", number)?.unwrap_or_default(),
            broker: fields.maybe("broker", flag)?.unwrap_or_default(),
            packages: fields.maybe("packages", Packages::read)?,
            output: fields.maybe("output", text)?.unwrap_or_default(),
            reason: fields.maybe("reason", text)?,
        })
    }
}

/// The end of `text`, at most `max` bytes.
pub fn tail(text: &str, max: usize) -> &str {
    let mut from = text.len().saturating_sub(max);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}
