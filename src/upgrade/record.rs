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

use serde::{Deserialize, Serialize};

use crate::guard::decide::Needs;
use crate::jobs::{End, Outcome};

/// Longest text of a record, bytes; a cell holds 64 KiB.
const TEXT_MAX: usize = 8 << 10;

/// The stage of an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// sysupgrade has the image.
    Flashing,
    /// The package manager has not begun.
    Ready,
    /// The package manager may have begun.
    Installing,
    /// The new firmware or the new agent runs, and has to prove that it lives.
    Trial,
    /// The package manager may be installing the package before.
    Undoing,
    /// Decided.
    Success,
    /// Decided; what runs now is said by `reason`.
    Failed,
    /// Decided: the package before is installed.
    Undone,
    /// Decided: nothing was begun.
    Interrupted,
}

impl Phase {
    pub const ALL: [Phase; 9] = [
        Phase::Flashing,
        Phase::Ready,
        Phase::Installing,
        Phase::Trial,
        Phase::Undoing,
        Phase::Success,
        Phase::Failed,
        Phase::Undone,
        Phase::Interrupted,
    ];

    /// True if the outcome is known.
    pub fn is_decided(self) -> bool {
        matches!(
            self,
            Phase::Success | Phase::Failed | Phase::Undone | Phase::Interrupted
        )
    }

    /// The phase's name in `status`.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Flashing => "flashing",
            Phase::Ready | Phase::Installing => "installing",
            Phase::Trial => "trial",
            Phase::Undoing => "undoing",
            _ => "idle",
        }
    }
}

/// The package of an upgrade, for who installs it. Paths are absolute, below the root of the device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
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

/// An upgrade, as it is on flash: JSON in a cell. Agents of other versions read it, so that keys may come and none may
/// change its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub phase: Phase,
    /// Of the job in the ledger.
    pub key: String,
    /// Of the job.
    pub id: String,
    /// The kernel's id of the boot in which it began.
    pub boot: String,
    /// Permanent addresses of the hardware.
    #[serde(default)]
    pub macs: Vec<String>,
    /// The release of the firmware, or the version of the agent, that has to run afterwards.
    #[serde(default)]
    pub wanted: Option<String>,
    /// The release or version before.
    #[serde(default)]
    pub before: String,
    /// The reach of the device before.
    #[serde(default)]
    pub code: u8,
    #[serde(default)]
    pub broker: bool,
    /// For a package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packages: Option<Packages>,
    /// The end of the output of the tools.
    #[serde(default)]
    pub output: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
    /// Whoever drove the upgrade is gone, with the power or without.
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
        serde_json::from_slice(bytes).ok()
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

/// True if `running` (version and revision, `24.10.2 r28739-d9340319c6`) is the release that was wanted by both or by one of
/// the two.
pub fn is_release(running: &str, wanted: Option<&str>) -> bool {
    let Some(wanted) = wanted else {
        return true;
    };
    running == wanted || running.split(' ').any(|word| word == wanted)
}

/// True if `running` is the version of an agent that was wanted, with or without the package's release (`0.2.0-r1`).
pub fn is_version(running: &str, wanted: Option<&str>) -> bool {
    let Some(wanted) = wanted else {
        return true;
    };
    let version = wanted
        .split_once("-r")
        .map_or(wanted, |(version, _)| version);
    running == version || running == wanted
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    pub(in crate::upgrade) fn record(phase: Phase, packages: Option<Packages>) -> Record {
        Record {
            phase,
            key: "63f7f2ef43cc92ee".into(),
            id: "upgrade-1".into(),
            boot: "boot-1".into(),
            macs: vec!["94:83:C4:A1:B2:00".into()],
            wanted: Some("24.10.2".into()),
            before: "24.10.1 r1".into(),
            code: 9,
            broker: true,
            packages,
            output: String::new(),
            reason: None,
        }
    }

    fn kinds() -> [Option<Packages>; 3] {
        let with = Packages {
            undo: Some("/etc/socketman/state/upgrade/undo.ipk".into()),
            ..Packages::default()
        };
        [None, Some(Packages::default()), Some(with)]
    }

    fn events() -> Vec<Event> {
        let why = || "why".to_owned();
        vec![
            Event::Booted("24.10.2 r2".into()),
            Event::Booted("24.10.1 r1".into()),
            Event::Stuck(why()),
            Event::Begins,
            Event::Installed,
            Event::NotInstalled(why()),
            Event::Alive,
            Event::Late(why()),
            Event::Cut,
        ]
    }

    #[test]
    fn every_order_of_events_ends_in_one_outcome_that_says_the_truth() {
        let mut walks = 0_u64;
        for kind in kinds() {
            let first = match kind {
                None => Phase::Flashing,
                Some(_) => Phase::Ready,
            };
            let start = record(first, kind.clone());
            // All walks of seven events, by what was seen on the way.
            let mut reached = vec![(start, Vec::new())];
            for _ in 0..7 {
                let mut next = Vec::new();
                let mut seen = HashSet::new();
                for (record, past) in reached {
                    for event in events() {
                        walks += 1;
                        let after = record.clone().after(event.clone());
                        if record.phase.is_decided() {
                            assert_eq!(after, record, "{event:?} after the end");
                            continue;
                        }
                        let mut past: Vec<Event> = past.clone();
                        if after != record {
                            past.push(event);
                        }
                        check(&after, &past, &kind);
                        if seen.insert((after.phase, format!("{past:?}"))) {
                            next.push((after, past));
                        }
                    }
                }
                reached = next;
            }
            assert!(reached
                .iter()
                .all(|(record, past)| past.len() <= 5 || record.phase.is_decided()));
        }
        println!("upgrade machine: {walks} steps");
    }

    fn check(record: &Record, past: &[Event], kind: &Option<Packages>) {
        let alive = past.contains(&Event::Alive);
        let undo = kind
            .as_ref()
            .is_some_and(|packages| packages.undo.is_some());
        assert_eq!(record.phase == Phase::Success, alive, "{past:?}");
        if record.phase == Phase::Undone || record.phase == Phase::Undoing {
            assert!(undo, "{past:?}");
        }
        if record.phase == Phase::Interrupted {
            assert_eq!(past, [Event::Cut], "nothing was begun");
        }
        let outcome = record.outcome();
        assert_eq!(outcome.is_some(), record.phase.is_decided());
        if let Some(outcome) = outcome {
            assert_eq!(outcome.success, alive);
            assert_eq!(outcome.reason.is_some(), !alive, "{past:?}");
            assert_eq!(outcome.rolled_back, record.phase == Phase::Undone);
        }
    }

    #[test]
    fn a_cut_never_ends_a_trial_and_never_begins_an_installation_again() {
        for kind in kinds() {
            for phase in Phase::ALL {
                let after = record(phase, kind.clone()).after(Event::Cut);
                match phase {
                    Phase::Ready => assert_eq!(after.phase, Phase::Interrupted),
                    Phase::Installing => {
                        assert!(matches!(after.phase, Phase::Undoing | Phase::Failed));
                    }
                    phase => assert_eq!(after, record(phase, kind.clone())),
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_record_is_read_as_it_was_written(
            phase in 0..9_usize,
            text in ".{0,300}",
            code in any::<u8>(),
            undo in any::<bool>(),
            trial in any::<u64>(),
        ) {
            let packages = Packages {
                new: text.clone(),
                undo: undo.then(|| text.clone()),
                trial_ms: trial,
                ..Packages::default()
            };
            let mut written = record(Phase::ALL[phase], undo.then_some(packages));
            written.code = code;
            written.output.clone_from(&text);
            written.reason = Some(text);
            prop_assert_eq!(Record::decode(&written.encode()), Some(written));
        }

        #[test]
        fn bytes_of_others_are_no_record(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Record::decode(&bytes), None);
        }
    }

    #[test]
    fn a_record_fits_its_cell_whatever_was_said() {
        let mut record = record(Phase::Failed, None);
        record.output = "\0é".repeat(100_000);
        record.reason = Some("\u{1f600}".repeat(100_000));
        let bytes = record.encode();
        assert!(bytes.len() <= durable::VALUE_MAX, "{}", bytes.len());
        let read = Record::decode(&bytes).unwrap();
        assert!(record.output.ends_with(&read.output));
    }

    #[test]
    fn a_release_is_known_by_version_revision_or_both() {
        let running = "24.10.2 r28739-d9340319c6";
        for wanted in [running, "24.10.2", "r28739-d9340319c6"] {
            assert!(is_release(running, Some(wanted)), "{wanted}");
        }
        for wanted in ["24.10", "24.10.1", "r28739", ""] {
            assert!(!is_release(running, Some(wanted)), "{wanted}");
        }
        assert!(is_version("0.2.0", None));
        assert!(is_version("0.2.0", Some("0.2.0")) && is_version("0.2.0", Some("0.2.0-r1")));
        assert!(!is_version("0.2.0", Some("0.2.1-r1")) && !is_version("0.2.0", Some("r1")));
    }

    #[test]
    fn a_record_belongs_to_hardware_with_one_of_its_addresses() {
        let of = |macs: &[&str]| {
            let present: Vec<String> = macs.iter().map(|mac| (*mac).to_owned()).collect();
            record(Phase::Flashing, None).is_of(&present)
        };
        assert!(of(&["94:83:C4:A1:B2:00", "94:83:C4:A1:B2:01"]));
        assert!(of(&[]), "drivers that are missing");
        assert!(!of(&["94:83:C4:A1:B2:01"]));
    }
}
